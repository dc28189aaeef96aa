"""`mocap angles` on a session, and its pictures."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from filmed_scene import film
from matplotlib import image
from posed_bodies import posed, skeleton
from scipy.spatial.transform import Rotation

from mocap.body.biomechanics.contacts import FootContacts
from mocap.body.biomechanics.cycles import gait_cycles
from mocap.body.biomechanics.joint_angles import joint_angles
from mocap.body.biomechanics.tables import QuantityTable, StrideTable
from mocap.cli.angles_plot import angles_picture, cycle_picture
from mocap.cli.main import main


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session with a fitted body."""
    made = film(tmp_path_factory.mktemp("angles") / "a [bold]scene")
    observations = made.folder / "observations.npz"
    np.savez(observations, **made.observations())
    path = made.folder / "made [red].h5"
    line = ["run", "--rig", made.rig_file, "--observations", observations, "--out", path]
    assert main([str(part) for part in line]) == 0
    assert main(["fit", str(path)]) == 0
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_it_prints_angles_lengths_and_gait(mocap, session: Path) -> None:
    answer = mocap("angles", session)
    assert answer.code == 0, answer.err
    for text in ("Person 0, frames", "knee_flexion", "pelvis_anterior_tilt", "thigh", "strike"):
        assert text in answer.out
    assert "Traceback" not in answer.err


def test_it_writes_tables_and_pictures(mocap, session: Path, tmp_path: Path) -> None:
    folder = tmp_path / "angles [x]"
    answer = mocap("angles", session, "--out", folder)
    assert answer.code == 0, answer.err
    written = {path.name for path in folder.iterdir()}
    for name in ("angles", "angle_speeds", "center_of_mass", "events", "lengths"):
        assert f"person_0_{name}.csv" in written
        assert str(folder / f"person_0_{name}.csv") in answer.out
    angles = rows(folder / "person_0_angles.csv")
    assert list(angles[0])[:8] == [
        *("frame", "time_s", "id", "pelvis_left_rotation_deg", "pelvis_left_rotation_sigma_deg"),
        *("pelvis_left_rotation_measured", "pelvis_left_rotation_singular"),
        "pelvis_right_drop_deg",
    ]
    assert abs(float(angles[0]["left_knee_flexion_deg"])) < 180
    com = rows(folder / "person_0_center_of_mass.csv")
    assert len(com) == len(angles) and 0.5 < float(com[0]["com_z_m"]) < 1.6
    assert "com_x_velocity_m_s" in com[0]
    lengths = {row["segment"]: row for row in rows(folder / "person_0_lengths.csv")}
    assert 0.2 < float(lengths["left_thigh"]["length_m"]) < 0.7
    picture = image.imread(io.BytesIO((folder / "person_0_angles.png").read_bytes()))
    assert picture.shape[1] == 1400
    again = mocap("angles", session, "--out", folder)
    assert again.code == 2 and "exists already" in again.error()
    assert mocap("angles", session, "--out", folder, "--overwrite").code == 0


def test_some_angles_of_some_frames(mocap, session: Path, tmp_path: Path) -> None:
    chosen = ("left_knee_flexion", "trunk_flexion")
    answer = mocap(
        *("angles", session, "--angles", *chosen, "--frames", 2, 4, "--out", tmp_path / "part")
    )
    assert answer.code == 0, answer.err
    assert "which need 5 frames" in answer.out and "hip_flexion" not in answer.out
    table = rows(tmp_path / "part" / "person_0_angles.csv")
    assert [row["frame"] for row in table] == ["2", "3", "4"]
    assert {"left_knee_flexion_deg", "trunk_flexion_deg"} < set(table[0])
    assert "right_knee_flexion_deg" not in table[0]
    assert not (tmp_path / "part" / "person_0_events.csv").exists()


def test_a_body_that_is_not_stored_is_fitted_and_says_the_same(
    mocap, session: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone.h5"
    alone.write_bytes(session.read_bytes())
    fresh, stored = mocap("angles", alone), mocap("angles", session)
    assert fresh.code == stored.code == 0
    assert fresh.out == stored.out
    assert [path.name for path in tmp_path.iterdir()] == ["alone.h5"], "nothing is stored"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--angles", "knee"), "no angle 'knee'; angles are pelvis_left_rotation"),
        (("--people", 77), "77"),
        (("--frames", 5000, 6000), "holds no 3D people for this choice"),
        (("--model", "stick"), "no body model 'stick'; models are skeleton"),
        (("--cutoff-hz", 0), "--cutoff-hz is 0; it must be positive"),
        (("--cutoff-hz", "nan"), "--cutoff-hz is nan; it must be positive"),
    ],
)
def test_a_wrong_wish_is_one_clear_line(
    mocap, session: Path, options: tuple[object, ...], message: str
) -> None:
    answer = mocap("angles", session, *options)
    assert answer.code == 2
    assert message in answer.error()


FRAMES, RATE = 300, 50.0


def bending(sigma_deg: float = 2.0) -> QuantityTable:
    t = np.arange(FRAMES) / RATE
    tree, _ = skeleton()
    pose = {}
    for joint, phase in (("LeftLeg", 0.0), ("RightLeg", np.pi)):
        bend = 30 + 30 * np.sin(2 * np.pi * t + phase)
        pose[joint] = Rotation.from_euler("X", bend[:, None], degrees=True).as_matrix()
    spread = np.radians(sigma_deg) ** 2 * np.eye(3)
    measured = np.ones((FRAMES, len(tree)), bool)
    measured[100:150, tree.index("LeftLeg")] = False
    return joint_angles(
        posed(
            skeleton(),
            pose,
            frames=FRAMES,
            rotation_covariance_rad2=np.tile(spread, (FRAMES, len(tree), 1, 1)),
            measured=measured,
        )
    )


def pixels(content: bytes, color: tuple[float, float, float]) -> int:
    picture = image.imread(io.BytesIO(content))[..., :3]
    return int((np.abs(picture - np.array(color)).max(axis=2) < 0.02).sum())


RED, BLUE = (0xC8 / 255, 0x38 / 255, 0x2D / 255), (0x1F / 255, 0x6F / 255, 0xB2 / 255)


def test_the_picture_over_time_shows_both_sides_and_the_contacts() -> None:
    table = bending().select(["left_knee_flexion", "right_knee_flexion"])
    plain = angles_picture(table, None, "knees", chosen=True)
    assert pixels(plain, RED) > 500 and pixels(plain, BLUE) > 500
    begin = (np.array([-np.inf]), np.array([]))
    end = (np.array([3.0]), np.array([]))
    standing = np.zeros((FRAMES, 2), bool)
    contacts = FootContacts(table.frame, table.time_s, standing, begin, end, "ground")
    assert len(angles_picture(table, contacts, "knees", chosen=True)) != len(plain)
    whole = angles_picture(bending(), contacts, "all")
    assert image.imread(io.BytesIO(whole)).shape[0] > 1500


def test_an_angle_that_the_body_cannot_make_is_no_sure_line_at_zero() -> None:
    names = ["left_knee_adduction", "right_knee_adduction"]
    free = angles_picture(bending().select(names), None, "knees", chosen=True)
    fixed = angles_picture(bending(sigma_deg=1e-5).select(names), None, "knees", chosen=True)
    legend = pixels(
        angles_picture(bending().select(["pelvis_anterior_tilt"]), None, "", chosen=True), BLUE
    )
    assert pixels(free, BLUE) > legend + 300
    assert pixels(fixed, BLUE) == legend


def test_the_picture_of_the_gait_cycle() -> None:
    begins = np.array([0.5, 0.7, 1.5, 1.7])
    strides = StrideTable(
        *(0, ("left", "right", "left", "right"), begins, begins + 1.0),
        *(("stance", "direction"), ("%", "deg")),
        np.tile([60.0, -90.0], (4, 1)),
        np.full((4, 2), np.nan),
    )
    content = cycle_picture(gait_cycles(bending(), strides), "walk")
    assert pixels(content, RED) > 500 and pixels(content, BLUE) > 500
