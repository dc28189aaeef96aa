"""Who is captured: a volume, a number of performers, picking afterwards, posters and leads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from reconstructed import save_people
from synthetic_scene import detections, frame_set, project_rig, ring_rig, standing_person

from mocap.model import FrameSet, Observation, Rig
from mocap.model.skeletons import COCO_17
from mocap.storage.rig_file import save_rig
from mocap.storage.session_reader import Session

RATE = 15.0


@pytest.fixture
def crowd(tmp_path: Path) -> list[object]:
    """Somebody who walks, a mannequin at (2, 0.5), and somebody whom one camera sees alone."""
    rig, rng, sets = ring_rig(4, radius=5.0), np.random.default_rng(0), []
    doll = standing_person(COCO_17, (2.0, 0.5))
    stranger = project_rig(standing_person(COCO_17, (-1.6, 1.6)), rig)[2]
    for n in range(round(6 * RATE)):
        walker = standing_person(COCO_17, (0.5 * np.cos(0.1 * n), 0.5 * np.sin(0.1 * n)), 0.1 * n)
        made = frame_set(n, np.stack([walker, doll]), rig, rate_hz=RATE, rng=rng, sigma_px=1.0)
        sets.append(with_one_more(made, rig, stranger + 2.0 * n))
    save_rig(rig, tmp_path / "rig.toml")
    save_people(tmp_path / "people.npz", rig, COCO_17, sets)
    files = ["--rig", tmp_path / "rig.toml", "--observations", tmp_path / "people.npz"]
    return ["run", *files, "--fps", RATE]


def with_one_more(frames: FrameSet, rig: Rig, pixels: np.ndarray) -> FrameSet:
    name = rig.names[2]
    one = frames.observations[name]
    both = detections(np.concatenate([one.detections.keypoints_px, pixels[None]]))
    seen = {**frames.observations, name: Observation(name, one.frame_index, one.time_ns, both)}
    return FrameSet(frames.number, frames.time_ns, seen)


def test_everybody_with_remarks_on_who_is_strange(crowd, mocap, tmp_path: Path) -> None:
    out = tmp_path / "session.h5"
    answer = mocap(*crowd, "--out", out)
    assert answer.code == 0, answer.err
    said = " ".join(mocap("info", out).out.split())
    with Session(out) as session:
        raw = session.motion("raw")
    (doll,) = [i for i in raw.person_ids if np.nanmedian(raw.person(i).points_m[..., 0]) > 1.5]
    assert len(raw.person_ids) == 2
    assert f"person {doll} never moves" in said
    assert f"--remove {doll}" in said
    assert "camera cam2 alone saw somebody in 90 frames, 0 to 89" in said
    frame = " ".join(mocap("explain", out, "--frame", 40).out.split())
    assert "cam2: no. 2 is alone in this view" in frame
    # Once it is removed there is nothing to say of it.
    assert mocap("tracks", out, "--remove", doll).code == 0
    assert "never moves" not in mocap("info", out).out
    assert mocap("tracks", out, "--undo").code == 0
    assert mocap("tracks", out, "--keep", doll).code == 0
    with Session(out) as session:
        assert session.motion("smooth").person_ids == (doll,)
    answer = mocap("tracks", out, "--undo")
    assert f"taken back: {1 - doll} removed" in answer.out


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (["--volume", -1, 1, -1.5, 1.5], "outside the capture volume"),
        (["--volume-corners", -1, -1, 1, -1, 1, 1.2, -1, 1], "outside the capture volume"),
        (["--performers", 1], "not one of the performers"),
    ],
)
def test_one_person_is_asked_for(crowd, mocap, tmp_path: Path, wish, why: str) -> None:
    out = tmp_path / "session.h5"
    answer = mocap(*crowd, "--out", out, *wish)
    assert answer.code == 0, answer.err
    with Session(out) as session:
        (person,) = session.motion("raw").person_ids
        (other,) = np.unique(session.bystanders()["person_id"]).tolist()
    assert f"Set aside, {why}: {other} (90 frames)" in " ".join(answer.out.split())
    answer = mocap("explain", out, "--frame", 40, "--person", other, "--joint", "nose")
    assert answer.code == 0, answer.err
    assert why.split()[0] in answer.out
    assert f"is person {person}" in " ".join(answer.out.split())


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (["--volume", 1, -1, 0, 1], "--volume is empty: X0 is 1 and X1 is -1 m"),
        (["--volume", 1, 2, 3], "takes 4 or 6 numbers"),
        (["--volume-corners", 0, 0, 1, 1], "three or more corners"),
        (["--performers", -2], "--performers is -2; it must be positive"),
        (["--performers", 0], "--performers is 0; it must be positive"),
    ],
)
def test_wishes_that_make_no_sense(crowd, mocap, tmp_path: Path, wish, words: str) -> None:
    answer = mocap(*crowd, "--out", tmp_path / "out.h5", *wish)
    assert answer.code == 2
    assert words in answer.error()
    assert not (tmp_path / "out.h5").exists()
