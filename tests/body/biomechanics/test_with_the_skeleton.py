"""The kinematic skeleton's own degrees of freedom are anatomical: the two must agree."""

import numpy as np
import pytest
from posed_bodies import posed

from mocap.body.biomechanics.joint_angles import joint_angles
from mocap.body.biomechanics.lengths import segment_lengths
from mocap.body.registry import BodyRequest, body_model
from mocap.geometry.rotations import matrix_from_rotvec
from mocap.model.skeletons import COCO_WHOLEBODY_133

SAME = {
    "hip_flexion": ("hip_flexion", 1.0),
    "hip_abduction": ("hip_adduction", -1.0),
    "hip_external_rotation": ("hip_internal_rotation", -1.0),
    "knee_flexion": ("knee_flexion", 1.0),
    "knee_external_rotation": ("knee_internal_rotation", -1.0),
    "ankle_dorsiflexion": ("ankle_dorsiflexion", 1.0),
    "ankle_inversion": ("ankle_inversion", 1.0),
    "clavicle_elevation": ("clavicle_elevation", 1.0),
    "clavicle_protraction": ("clavicle_protraction", 1.0),
    "elbow_flexion": ("elbow_flexion", 1.0),
    "forearm_pronation": ("forearm_pronation", 1.0),
    "wrist_flexion": ("wrist_flexion", 1.0),
    "wrist_radial_deviation": ("wrist_ulnar_deviation", -1.0),
    "shoulder_elevation": ("shoulder_elevation", 1.0),
}
"""Name of a degree of freedom, the angle that it is, and its sign."""


@pytest.mark.parametrize("fingers", [False, True])
def test_each_degree_of_freedom_is_the_angle_of_its_name(fingers: bool) -> None:
    model = body_model("skeleton", BodyRequest(COCO_WHOLEBODY_133, fingers=fingers))
    tree, dofs = model.tree, model.dofs
    rest = model.shaped(model.shape_mean).rest_joints_m
    zero = joint_angles(posed((tree, rest)))
    tried = 0
    for d, name in enumerate(dofs.names):
        side, _, part = name.partition("_")
        if part not in SAME or side not in ("left", "right"):
            continue
        tried += 1
        angle, sign = SAME[part]
        value = 0.4 * (dofs.limits_rad[d, 1] if dofs.limits_rad[d, 1] > 0 else 0.1)
        pose = {tree.names[dofs.joint[d]]: matrix_from_rotvec(value * dofs.axis[d])}
        found = joint_angles(posed((tree, rest), pose))
        change = found.column(f"{side}_{angle}")[0] - zero.column(f"{side}_{angle}")[0]
        assert change == pytest.approx(np.degrees(sign * value), abs=0.5), name
    assert tried == 2 * len(SAME)


def test_lengths_take_their_uncertainty_from_the_shape_of_the_model() -> None:
    model = body_model("skeleton", BodyRequest(COCO_WHOLEBODY_133))
    shaped = model.shaped(model.shape_mean)
    sigma = 0.01 * model.shape_mean
    motion = posed(
        (model.tree, shaped.rest_joints_m),
        shape_names=model.shape_names,
        shape=model.shape_mean,
        shape_sigma=np.abs(sigma),
    )
    lengths = segment_lengths(motion, shaped)
    rng = np.random.default_rng(0)
    drawn = [
        segment_lengths(
            posed((model.tree, model.shaped(shape).rest_joints_m), shape=np.zeros(0))
        ).length_m
        for shape in model.shape_mean + sigma * rng.normal(size=(400, len(sigma)))
    ]
    spread = np.std(drawn, axis=0)
    for name, expected, got in zip(lengths.names, spread, lengths.sigma_m, strict=True):
        assert got == pytest.approx(expected, rel=0.15, abs=1e-6), name
