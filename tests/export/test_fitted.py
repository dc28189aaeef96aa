"""From keypoints through a fit to files: what used to be a solve of its own, measured again."""

from __future__ import annotations

import numpy as np
import pytest
from export_readers import bvhio_positions, source_of

from mocap.body.fit import fit_body
from mocap.body.registry import BodyRequest, body_model
from mocap.export.axes import y_up
from mocap.export.exporting import export
from mocap.export.options import ExportOptions, TableOptions
from mocap.geometry.kinematics import forward_kinematics
from mocap.geometry.rotations import matrix_from_quaternion
from mocap.model import BodyMotion, Motion, skeleton_by_name

BONES = {
    "ForeArm": ("shoulder", "elbow"),
    "Hand": ("elbow", "wrist"),
    "Leg": ("hip", "knee"),
    "Foot": ("knee", "ankle"),
}


def fit(motion: Motion) -> BodyMotion:
    return fit_body(body_model("skeleton", BodyRequest(motion.skeleton)), motion).motion


def degrees_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    sine = np.linalg.norm(np.cross(a, b), axis=-1)
    return np.degrees(np.arctan2(sine, np.sum(a * b, axis=-1)))


def angles(rotations: np.ndarray) -> np.ndarray:
    cosine = (np.trace(rotations, axis1=-2, axis2=-1) - 1.0) / 2.0
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def world(motion: BodyMotion, joint: str) -> np.ndarray:
    _, turns = forward_kinematics(
        motion.tree.parents,
        motion.rest_joints_m,
        motion.root_position_m,
        matrix_from_quaternion(motion.rotations),
    )
    return turns[:, motion.tree.index(joint)]


@pytest.mark.parametrize("skeleton", ["coco17", "halpe26"])
def test_bones_of_a_walk_in_the_bvh_point_as_the_limbs_do(walker, tmp_path, skeleton) -> None:
    motion = walker.motion(skeleton)
    source = source_of(motion, bodies=[fit(motion)])
    report = export(source, ["bvh"], tmp_path, ExportOptions(), overwrite=False)
    (written,) = report.written["bvh"]
    truth = walker.points()
    names = [side + joint for side in ("Left", "Right") for joint in ("Arm", "UpLeg", *BONES)]
    found = dict(
        zip(names, np.moveaxis(bvhio_positions(written.path, 120, names), 1, 0), strict=True)
    )
    above = {"ForeArm": "Arm", "Hand": "ForeArm", "Leg": "UpLeg", "Foot": "Leg"}
    for side in ("Left", "Right"):
        for joint, (a, b) in BONES.items():
            bone = found[side + joint] - found[side + above[joint]]
            true = truth[f"{side.lower()}_{b}"] - truth[f"{side.lower()}_{a}"]
            # A detector's keypoints are not joints: by that much the two differ.
            assert degrees_between(bone, y_up(true)).max() < 5.0, joint
            assert np.ptp(np.linalg.norm(bone, axis=1)) < 0.01, joint


def test_the_right_angle_of_an_elbow_through_fit_bvh_mot_and_npz(puppet, tmp_path) -> None:
    motion = puppet(20, {"left_elbow": np.full(20, np.pi / 2)}).motion("halpe26")
    source = source_of(motion, bodies=[fit(motion)])
    options = ExportOptions(tables=TableOptions(("bodies", "angles")))
    report = export(source, ["bvh", "mot", "npz", "csv"], tmp_path, options, overwrite=False)
    assert not report.failures
    names = ("LeftArm", "LeftForeArm", "LeftHand")
    arm, elbow, hand = np.moveaxis(bvhio_positions(tmp_path / "person_3.bvh", 20, names), 1, 0)
    np.testing.assert_allclose(degrees_between(arm - elbow, hand - elbow), 90.0, atol=2.0)
    lines = (tmp_path / "person_3.mot").read_text().split("endheader\n")[1].splitlines()
    column = lines[0].split("\t").index("elbow_flex_l")
    flexion = [float(line.split("\t")[column]) for line in lines[1:]]
    np.testing.assert_allclose(flexion, 90.0, atol=2.0)
    with np.load(tmp_path / "angles.npz") as data:
        np.testing.assert_allclose(data["left_elbow_flexion_deg"], 90.0, atol=2.0)
    with np.load(tmp_path / "person_3_body.npz") as data:
        place = {n: data["joint_positions_m"][:, list(data["joint_names"]).index(n)] for n in names}
    arm, elbow, hand = (place[n] for n in names)
    np.testing.assert_allclose(degrees_between(arm - elbow, hand - elbow), 90.0, atol=2.0)


def test_straight_noisy_limbs_do_not_flip(puppet, as_motion) -> None:
    # Arms swing while they stay straight within noise; then they bend, then they are straight.
    frames = 200
    t = np.linspace(0.0, 1.0, frames)
    bend = np.where((t > 0.4) & (t < 0.6), 1.2 * np.sin((t - 0.4) * np.pi / 0.2) ** 2, 0.0)
    swing = {
        "left_arm_raise": -1.3 + 0.4 * np.sin(6 * t),
        "right_arm_raise": -1.3 + 0.4 * np.sin(6 * t),
        "left_arm_swing": 0.5 * np.sin(9 * t),
        "left_elbow": bend,
        "right_elbow": bend,
        "left_hip": 0.4 * np.sin(8 * t),
    }
    table = skeleton_by_name("halpe26")
    rng = np.random.default_rng(11)
    clean = puppet(frames, swing).array(table)
    noisy = fit(as_motion(table, clean + rng.normal(0.0, 0.004, clean.shape)))
    reference = fit(as_motion(table, clean))
    for joint in ("LeftArm", "RightArm", "LeftForeArm", "LeftUpLeg", "RightUpLeg", "RightLeg"):
        turns = world(noisy, joint)
        assert angles(np.swapaxes(turns[:-1], -1, -2) @ turns[1:]).max() < 10.0, joint
        error = np.swapaxes(world(reference, joint), 1, 2) @ turns
        assert angles(error).max() < 8.0, joint


def test_knees_bent_a_little_the_wrong_way_stay_in_front(puppet) -> None:
    motion = fit(puppet(40, {"left_knee": np.full(40, -0.25)}).motion())
    ahead = world(motion, "LeftUpLeg")[:, 1, 1]
    assert (ahead > 0.9).all()
