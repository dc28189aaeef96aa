"""Where COCO's keypoints lie on people, from a population of the free body model.

    python tests/benchmarks/keypoint_offsets.py [--people 200] [--seed 0]

Draws adults from the model's own distribution of build (`anny.shape_distribution`: gender, age,
height, weight, muscle, proportions, by WHO data), lets each do the same movements of the studio,
and measures the keypoints of the model's COCO regression from its joints, in the axes of the bone
they move with on the kinematic skeleton. Prints thousandths of the stature: mean and standard
deviation between people, of the place in the middle of the movements; and within a person, how far
the keypoint wanders as the body moves (root mean square over people). The means and deviations
between people are those of `mocap.body.skeleton_keypoints`. Lengths of bones are printed beside
those of `mocap.body.skeleton_lengths`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from anny_truth import AXES

from mocap.body.anny_data import BODY_KEYPOINTS, BodyData, load_body_data
from mocap.body.anny_rig import AnnyRig, anny_rig, to_skeleton_axes
from mocap.body.skeleton_keypoints import keypoint_offset
from mocap.body.skeleton_lengths import BODY_LENGTHS
from mocap.studio.bodies import Body, PersonConfig
from mocap.studio.motion_config import MotionConfig, MotionKind
from mocap.studio.motions import make_motion

MOVEMENTS: tuple[MotionKind, ...] = ("walk_path", "reach", "squat", "jump", "stand_and_wave")
FRAMES = 40
SECONDS = 4.0
ADULT_YEARS = (18.0, 80.0)
_BONES = {
    "thigh": ("UpLeg", "Leg"),
    "shank": ("Leg", "Foot"),
    "upper_arm": ("Arm", "ForeArm"),
    "forearm": ("ForeArm", "Hand"),
}


@dataclass(frozen=True)
class Place:
    """A keypoint of the left side on its bone, thousandths of the stature, left, back, up.

    Attributes:
        mean: between people.
        sigma: between people.
        wander: within a person.
    """

    mean: np.ndarray
    sigma: np.ndarray
    wander: np.ndarray


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    places, lengths = measure(arguments.people, arguments.seed)
    print(f"{'keypoint':<11} {'mean':>24} {'between people':>21} {'within one':>21}")
    for part, place in places.items():
        columns = (place.mean, place.sigma, place.wander)
        print(f"{part:<11} " + "   ".join(" ".join(f"{v:6.1f}" for v in c) for c in columns))
    for bone, share in lengths.items():
        usual = BODY_LENGTHS[bone]
        print(
            f"{bone:<11} {share.mean():.4f} sd {share.std():.4f}; "
            f"skeleton: {usual.fraction:.4f} sd {usual.sigma:.4f}"
        )


def measure(people: int, seed: int) -> tuple[dict[str, Place], dict[str, np.ndarray]]:
    """Places of the keypoints of the midline and the left side, and shares of bones.

    Args:
        people: how many are drawn.
        seed: of the draw.
    """
    data = load_body_data()
    rig = anny_rig(data, fingers=False)
    rotations = movements()
    found = [_person(data, rig, shape, rotations) for shape in draw_builds(people, seed)]
    table = np.array([places for places, _ in found])  # people, frames, keypoints, 3
    within = table.std(axis=1)
    own = table.mean(axis=1)
    names = _names()
    places = {
        part: Place(
            own[:, k].mean(axis=0), own[:, k].std(axis=0), np.sqrt((within[:, k] ** 2).mean(axis=0))
        )
        for k, (part, _, _) in enumerate(names)
    }
    return places, {bone: np.array([lengths[bone] for _, lengths in found]) for bone in _BONES}


def _names() -> list[tuple[str, str, str]]:
    """Part, bone and joint of the keypoints, those of pairs on the left."""
    result = []
    for name in BODY_KEYPOINTS:
        found = keypoint_offset("coco_wholebody133", name)
        if found is None or found[0] == "right":
            continue
        side, offset = found
        bone, place = (
            part if part in ("Head", "Hips", "Spine2", "Neck") else f"Left{part}"
            for part in (offset.bone, offset.place)
        )
        result.append((name.removeprefix(f"{side}_"), bone, place))
    return result


def draw_builds(people: int, seed: int) -> list[dict[str, float]]:
    """Builds of adults by the distribution that comes with the model."""
    import torch
    from anny.shape_distribution import SimpleShapeDistribution

    torch.manual_seed(seed)
    labels = ("gender", "age", "muscle", "weight", "height", "proportions")
    model = SimpleNamespace(dtype=torch.float64, device="cpu", phenotype_labels=labels)
    years = torch.distributions.Uniform(*torch.tensor(ADULT_YEARS, dtype=torch.float64))
    _, drawn = SimpleShapeDistribution(model, years).sample(people)
    return [{n: float(drawn[n][i]) for n in labels} for i in range(people)]


def movements() -> np.ndarray:
    """Rotations of the bones relative to their parents, (frames, bones, 3, 3); root the identity.

    Those of one studio's person: at rest all bones have the axes of the body, whoever it is.
    """
    body = Body(PersonConfig())
    result = []
    for kind in MOVEMENTS:
        motion = make_motion(MotionConfig(kind=kind), body, SECONDS)
        result += [motion(t).local_rotations for t in np.linspace(0.0, SECONDS, FRAMES)]
    return np.array(result)


def _person(
    data: BodyData, rig: AnnyRig, shape: dict[str, float], rotations: np.ndarray
) -> tuple[np.ndarray, dict[str, float]]:
    vertices, heads = data.rest(shape)
    stature = float(np.ptp(vertices[:, 2]))
    turns, positions = _posed(data, heads, rotations)
    points = _keypoints(data, vertices, heads, turns, positions)
    bind = rig.bind_joints @ rig.blend(shape)
    tree = rig.tree
    table = np.zeros((len(rotations), len(points[0]), 3))
    for k, (_, bone_name, place_name) in enumerate(_names()):
        bone = tree.index(bone_name)
        carrier = int(np.flatnonzero(rig.joint_of_bone == bone)[0])
        # Where the joint is, carried by the bone, and the keypoint from there, in the T-pose.
        at = AXES.T @ bind[tree.index(place_name)]
        place = positions[:, carrier] + turns[:, carrier] @ (at - heads[carrier])
        off = np.einsum("fba,fb->fa", turns[:, carrier], points[:, k] - place)
        # The skeleton's ankle does not turn about the shank, so its feet rest as people stand.
        turn = np.eye(3) if bone_name.endswith(("Foot", "ToeBase")) else rig.turn[bone]
        table[:, k] = to_skeleton_axes(off) @ turn.T
    lengths = {
        bone: float(np.linalg.norm(bind[tree.index(f"Left{a}")] - bind[tree.index(f"Left{b}")]))
        for bone, (a, b) in _BONES.items()
    }
    return 1000 * table / stature, {bone: v / stature for bone, v in lengths.items()}


def _posed(
    data: BodyData, heads: np.ndarray, rotations: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """World rotations and heads of the bones, the root at its rest place."""
    turns = rotations.copy()
    positions = np.tile(heads, (len(rotations), 1, 1))
    for bone, parent in enumerate(data.parents):
        if parent >= 0:
            turns[:, bone] = turns[:, parent] @ rotations[:, bone]
            step = heads[bone] - heads[parent]
            positions[:, bone] = positions[:, parent] + turns[:, parent] @ step
    return turns, positions


def _keypoints(
    data: BodyData,
    vertices: np.ndarray,
    heads: np.ndarray,
    turns: np.ndarray,
    positions: np.ndarray,
) -> np.ndarray:
    """The library's COCO regression of the skinned vertices."""
    regressor = data.regressor / data.regressor.sum(axis=1, keepdims=True)
    result = []
    for name, _, _ in _names():
        full = name if name in BODY_KEYPOINTS else f"left_{name}"
        row = regressor[BODY_KEYPOINTS.index(full)]
        used = np.flatnonzero(row)
        bones, weights = data.weight_bones[used], data.weight_values[used]
        weights = weights / weights.sum(axis=1, keepdims=True) * row[used, None]
        local = vertices[used, None] - heads[bones]
        moved = np.einsum("fvbij,vbj->fvbi", turns[:, bones], local) + positions[:, bones]
        result.append(np.einsum("fvbi,vb->fi", moved, weights))
    return np.stack(result, axis=1)


if __name__ == "__main__":
    main()
