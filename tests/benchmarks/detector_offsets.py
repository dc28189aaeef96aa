"""Where a detector's keypoints lie on people of the studio, and how well bodies fitted to them are.

    mocap studio SCENE ...; mocap run --rig SCENE/rig.toml --videos SCENE/videos --out SCENE.h5
    python tests/benchmarks/detector_offsets.py SCENE [SCENE ...]

Each SCENE is a folder of `mocap studio` with one person, and SCENE.h5 beside it the session made
from its videos. Places of keypoints are in the axes of the bone with which they move, thousandths
of the stature, left, back and up: the table's place of COCO's keypoint plus how far the detector's
is from COCO's true one, averaged over time and both sides. Bones have the axes of a fit to the
true keypoints. Printed are the mean over scenes, the standard deviation between them, and how far
the keypoint wanders within one; `mocap.body.skeleton_keypoints` has such means for MediaPipe. Then,
per scene, the errors of a fit to the session's keypoints.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from body_truth import BONES, JOINTS, bend_deg, fitted_bones, rows_of

from mocap.body.fit import fit_body
from mocap.body.skeleton import KinematicSkeleton
from mocap.body.skeleton_keypoints import keypoint_offset
from mocap.geometry.kinematics import forward_kinematics
from mocap.geometry.rotations import matrix_from_quaternion
from mocap.model import Motion
from mocap.model.skeletons import COCO_WHOLEBODY_133
from mocap.model.truth import Truth
from mocap.storage.session_reader import Session
from mocap.storage.truth_file import load_truth
from mocap.studio.scene import load_scene

PARTS = (
    "nose",
    "eye",
    "ear",
    "shoulder",
    "elbow",
    "wrist",
    "hip",
    "knee",
    "ankle",
    "heel",
    "big_toe",
)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scenes", nargs="+", type=Path)
    scenes = [_read(folder) for folder in parser.parse_args().scenes]
    places = np.array([_places(*scene) for scene in scenes])
    print(f"{'keypoint':<10}{'mean':>22}{'between scenes':>22}{'within one':>22}")
    for k, part in enumerate(PARTS):
        columns = (places[:, k, 0].mean(axis=0), places[:, k, 0].std(axis=0))
        columns = (*columns, places[:, k, 1].mean(axis=0))
        print(f"{part:<10}" + " ".join("".join(f"{v:7.1f}" for v in c) for c in columns))
    for truth, height_m, rows in scenes:
        _print_fit(truth, height_m, rows)


def _read(folder: Path) -> tuple[Truth, float, Motion]:
    """Truth, stature and reconstructed rows of the person of a scene."""
    height_m = load_scene(folder / "scene.toml").people[0].height_m
    with Session(folder.with_name(folder.name + ".h5")) as session:
        motion = session.motion(session.best_layer)
    people = [motion.person(i) for i in motion.person_ids]
    return load_truth(folder / "truth.npz"), height_m, max(people, key=len)


def _frames(truth: Truth, rows: Motion) -> np.ndarray:
    """The true frame at the time of each row."""
    return np.abs(truth.time_s[None] - rows.time_s[:, None]).argmin(axis=1)


def _places(truth: Truth, height_m: float, rows: Motion) -> np.ndarray:
    """Mean and standard deviation over time of each part's place, (parts, 2, 3)."""
    table = COCO_WHOLEBODY_133
    true_m = truth.points[:, [truth.joint_names.index(n) for n in table.keypoints]]
    model = KinematicSkeleton(table)
    fit = fit_body(model, rows_of(true_m, truth.time_s, 0.002)).motion
    _, axes = forward_kinematics(
        fit.tree.parents,
        fit.rest_joints_m,
        fit.root_position_m,
        matrix_from_quaternion(fit.rotations),
    )
    at = _frames(truth, rows)
    result = np.zeros((len(PARTS), 2, 3))
    for k, part in enumerate(PARTS):
        sides = []
        for side in ("left", "right"):
            name = part if part in table else f"{side}_{part}"
            found = keypoint_offset(table.name, name)
            assert found is not None
            offset = found[1]
            bone = offset.bone if offset.bone == "Head" else side.title() + offset.bone
            off = rows.points_m[:, rows.skeleton.index(name)] - true_m[at, table.index(name)]
            off = np.einsum("fba,fb->fa", axes[at, fit.tree.index(bone)], off)
            off *= np.array([-1.0 if side == "right" else 1.0, 1.0, 1.0]) * 1000.0 / height_m
            sides.append((offset.mean + np.nanmean(off, axis=0), np.nanstd(off, axis=0)))
        result[k] = np.mean(sides, axis=0)
    result[PARTS.index("nose"), 0, 0] = 0.0
    return result


def _print_fit(truth: Truth, height_m: float, rows: Motion) -> None:
    fit = fit_body(KinematicSkeleton(rows.skeleton), rows)
    motion, at = fit.motion, _frames(truth, rows)
    at = np.interp(motion.frame, rows.frame, at).round().astype(int)
    heads = {
        joint: truth.bone_positions[at, truth.bone_names.index(bone)]
        for joint, bone in JOINTS.items()
    }
    ours = {joint: motion.joint_positions_m[:, motion.tree.index(joint)] for joint in JOINTS}
    off = np.mean([np.linalg.norm(ours[j] - heads[j], axis=1).mean() for j in JOINTS])
    knees = [
        bend_deg(*(where[side + j] for j in ("UpLeg", "Leg", "Foot")))
        for side in ("Left", "Right")
        for where in (ours, heads)
    ]
    knee = np.sqrt(np.mean((np.array(knees[::2]) - np.array(knees[1::2])) ** 2))
    bones = fitted_bones(motion)
    shares = []
    for bone, (a, b) in BONES.items():
        lengths = [
            np.linalg.norm(heads[side + a] - heads[side + b], axis=1).mean()
            for side in ("Left", "Right")
        ]
        shares.append(f"{bone} {100 * (bones[bone] / np.mean(lengths) - 1):+.1f} %")
    print(
        f"joints {1000 * off:.1f} mm, knee {knee:.1f} degrees, "
        f"height {100 * (fit.report.stature_m / height_m - 1):+.1f} %, {', '.join(shares)}"
    )


if __name__ == "__main__":
    main()
