"""The parts of the body: how keypoints become joint rotations and bone lengths.

Each function adds the joints of one part to a `PoseBuilder`. Directions run from keypoint to
keypoint; lengths are medians, equal on both sides. Everything is Y-up; in the rest pose the body
faces +Z with its left side at +X.
"""

from __future__ import annotations

import numpy as np

from mocap.errors import InputError
from mocap.export.humanoid_pose import (
    KeypointSeries,
    PoseBuilder,
    common_length,
    first_finite,
    median_length,
    median_vector,
    mirrored_mean,
    on_side,
    without_misfits,
)
from mocap.export.humanoid_tree import (
    FINGERS,
    FRACTIONS,
    SIDES,
    X,
    Y,
    Z,
    elbow_hinge,
    finger_direction,
    finger_joints,
    finger_keypoints,
    outward,
)
from mocap.export.rotation_series import frame_from_axes, limb_rotations
from mocap.geometry.rotations import matrix_from_rotvec, rotation_between

_SPINE_BASE = 0.15
"""Height of the lowest bending joint of the spine over mid hip, in trunk lengths."""
_SPINE_JOINTS = (0.3, 0.3, 0.4)
"""Parts of the way from there to the neck: to Spine1, to Spine2, to Neck."""
_CLAVICLE_START = 0.25
"""Distance of the clavicle's joint from the middle, in half shoulder widths."""
_NOSE_BELOW_EARS = np.deg2rad(10.0)
"""How far below the horizontal the nose is, seen from between the ears of a head held straight."""
_TOE_BELOW_ANKLE = np.deg2rad(20.0)
"""The same for the toes, seen from the ankle of a standing foot; used where there is no heel."""
_BALL_OF_FOOT = 0.65
"""Position of the toe joint between ankle and toe tip."""


def solve_torso(pose: PoseBuilder, points: KeypointSeries) -> None:
    """Adds hips, spine and shoulders.

    Hips and shoulders are all that is seen of the trunk: the spine is straight from its lowest
    joint to the neck, and the turn of the shoulders against the hips is spread evenly over its
    three joints.
    """
    left_hip, right_hip = points["left_hip"], points["right_hip"]
    left_shoulder, right_shoulder = points["left_shoulder"], points["right_shoulder"]
    centre = first_finite(points["mid_hip"], 0.5 * (left_hip + right_hip))
    neck = first_finite(points["neck"], 0.5 * (left_shoulder + right_shoulder))
    trunk_m = median_length(neck - centre)
    assert trunk_m is not None, "checked before the solve"

    pose.set_root(centre)
    pose.rest_offsets_m["Hips"] = np.zeros(3)
    pose.rotate("Hips", frame_from_axes(left_hip - right_hip, neck - centre, X, Y))

    base = _SPINE_BASE * trunk_m * Y
    along = neck - (centre + pose.turned("Hips", base))
    straight = frame_from_axes(along, pose.turned("Hips", X), Y, X)
    chest = frame_from_axes(along, left_shoulder - right_shoulder, Y, X)
    relative = np.swapaxes(straight, 1, 2) @ chest
    turn = np.arctan2(relative[:, 0, 2], relative[:, 0, 0])
    along_m = median_length(along)
    assert along_m is not None, "trunk and hips were measured together"
    pose.rest_offsets_m["Spine"] = base
    for i, joint in enumerate(("Spine", "Spine1", "Spine2")):
        part = matrix_from_rotvec(np.nan_to_num(turn * (i + 1) / 3.0)[:, None] * Y)
        pose.rotate(joint, np.where(np.isnan(turn)[:, None, None], np.nan, straight @ part))
        above = ("Spine1", "Spine2", "Neck")[i]
        pose.rest_offsets_m[above] = _SPINE_JOINTS[i] * along_m * Y
    pose.targets_m["Neck"] = neck
    _solve_shoulders(pose, neck, {"Left": left_shoulder, "Right": right_shoulder})


def _solve_shoulders(pose: PoseBuilder, neck: np.ndarray, shoulders: dict[str, np.ndarray]) -> None:
    inside = {s: median_vector(pose.in_frame("Spine2", shoulders[s] - neck)) for s in SIDES}
    width = mirrored_mean(inside["Left"], inside["Right"])
    assert width is not None, "shoulders were measured"
    start = width * (_CLAVICLE_START, 1.0, 1.0)
    clavicles = {s: shoulders[s] - (neck + pose.turned("Spine2", on_side(s, start))) for s in SIDES}
    length = common_length(*clavicles.values())
    assert length is not None, "shoulders were measured"
    for side in SIDES:
        chest = pose.rotations["Spine2"]
        pose.rest_offsets_m[f"{side}Shoulder"] = pose.rest_offsets_m["Neck"] + on_side(side, start)
        pose.rest_offsets_m[f"{side}Arm"] = length * outward(side)
        turn = rotation_between(pose.turned("Spine2", outward(side)), clavicles[side])
        pose.rotate(f"{side}Shoulder", turn @ chest)
        pose.targets_m[f"{side}Arm"] = shoulders[side]


def solve_head(pose: PoseBuilder, points: KeypointSeries) -> None:
    """Adds neck and head: the neck points between the ears, ears and nose turn the head."""
    neck = pose.targets_m["Neck"]
    ears = points.middle("left_ear", "right_ear")
    pose.rest_offsets_m["Head"] = pose.length(("Head",), "Neck", ears - neck) * Y
    chest_up = pose.turned("Spine2", Y)
    pose.rotate("Neck", rotation_between(chest_up, ears - neck) @ pose.rotations["Spine2"])
    ahead = np.cos(_NOSE_BELOW_EARS) * Z - np.sin(_NOSE_BELOW_EARS) * Y
    across, nose = without_misfits(points["left_ear"] - points["right_ear"], points["nose"] - ears)
    pose.rotate("Head", frame_from_axes(across, nose, X, ahead))
    pose.targets_m["Head"] = ears
    top = pose.length(("HeadEnd",), "HeadTop", points["head"] - ears)
    pose.end_offsets_m["Head"] = top * Y


def solve_arms(pose: PoseBuilder, points: KeypointSeries) -> None:
    """Adds upper arms, forearms and hands.

    The forearm turns about the elbow's hinge only; what the knuckles show beyond that is the
    hand's own rotation. Without knuckles the hand follows the forearm.
    """
    upper = {s: points[f"{s}_elbow"] - points[f"{s}_shoulder"] for s in ("left", "right")}
    fore = {s: points[f"{s}_wrist"] - points[f"{s}_elbow"] for s in ("left", "right")}
    palm: dict[str, np.ndarray] = {}
    across: dict[str, np.ndarray] = {}
    for s in ("left", "right"):
        index = points.first_of(f"{s}_hand_index_mcp", f"{s}_index")
        pinky = points.first_of(f"{s}_hand_pinky_mcp", f"{s}_pinky")
        wrist = points.first_of(f"{s}_hand_wrist", f"{s}_wrist")
        palm[s], across[s] = without_misfits(0.5 * (index + pinky) - wrist, index - pinky)
    upper_m = pose.length(("LeftForeArm", "RightForeArm"), "Arm", *upper.values())
    fore_m = pose.length(("LeftHand", "RightHand"), "ForeArm", *fore.values())
    palm_m = pose.length(("LeftHandEnd", "RightHandEnd"), "Palm", *palm.values())
    for side in SIDES:
        s = side.lower()
        out = outward(side)
        hinge = elbow_hinge(side)
        pose.rest_offsets_m[f"{side}ForeArm"] = upper_m * out
        pose.rest_offsets_m[f"{side}Hand"] = fore_m * out
        pose.end_offsets_m[f"{side}Hand"] = palm_m * out
        clavicle = pose.rotations[f"{side}Shoulder"]
        pose.rotate(f"{side}Arm", limb_rotations(upper[s], fore[s], clavicle, out, hinge))
        axis = pose.turned(f"{side}Arm", hinge)
        pose.rotate(f"{side}ForeArm", frame_from_axes(fore[s], axis, out, hinge))
        # With palms down, the index finger is the foremost one.
        pose.rotate(f"{side}Hand", frame_from_axes(palm[s], across[s], out, Z))
        pose.targets_m[f"{side}ForeArm"] = points[f"{s}_elbow"]
        pose.targets_m[f"{side}Hand"] = points[f"{s}_wrist"]


def solve_legs(pose: PoseBuilder, points: KeypointSeries) -> None:
    """Adds thighs, shanks, feet and toes; the toes are rigid with the foot."""
    left, right = (
        median_vector(pose.in_frame("Hips", points[f"{s}_hip"] - pose.targets_m["Hips"]))
        for s in ("left", "right")
    )
    hip = mirrored_mean(left, right)
    assert hip is not None, "hips were measured"
    thigh = {s: points[f"{s}_knee"] - points[f"{s}_hip"] for s in ("left", "right")}
    shank = {s: points[f"{s}_ankle"] - points[f"{s}_knee"] for s in ("left", "right")}
    thigh_m = pose.length(("LeftLeg", "RightLeg"), "UpLeg", *thigh.values())
    shank_m = pose.length(("LeftFoot", "RightFoot"), "Leg", *shank.values())
    for side in SIDES:
        s = side.lower()
        pose.rest_offsets_m[f"{side}UpLeg"] = on_side(side, hip)
        pose.rest_offsets_m[f"{side}Leg"] = -thigh_m * Y
        pose.rest_offsets_m[f"{side}Foot"] = -shank_m * Y
        pose.rotate(
            f"{side}UpLeg", limb_rotations(thigh[s], shank[s], pose.rotations["Hips"], -Y, X)
        )
        axis = pose.turned(f"{side}UpLeg", X)
        pose.rotate(f"{side}Leg", frame_from_axes(shank[s], axis, -Y, X))
        pose.targets_m[f"{side}UpLeg"] = points[f"{s}_hip"]
        pose.targets_m[f"{side}Leg"] = points[f"{s}_knee"]
        pose.targets_m[f"{side}Foot"] = points[f"{s}_ankle"]
    _solve_feet(pose, points)


def _solve_feet(pose: PoseBuilder, points: KeypointSeries) -> None:
    toes_inside: dict[str, np.ndarray | None] = {}
    for side in SIDES:
        s = side.lower()
        toe = points[f"{s}_big_toe"]
        if f"{s}_small_toe" in points:
            toe = points.middle(f"{s}_big_toe", f"{s}_small_toe")
        ankle, heel = points[f"{s}_ankle"], points[f"{s}_heel"]
        if f"{s}_heel" in points:
            sole, rise = without_misfits(toe - heel, ankle - 0.5 * (toe + heel))
            foot = frame_from_axes(sole, rise, Z, Y)
        else:
            down = np.cos(_TOE_BELOW_ANKLE) * Z - np.sin(_TOE_BELOW_ANKLE) * Y
            foot = frame_from_axes(toe - ankle, points[f"{s}_knee"] - ankle, down, Y)
        pose.rotate(f"{side}Foot", foot)
        toes_inside[side] = median_vector(pose.in_frame(f"{side}Foot", toe - ankle))
    offset = mirrored_mean(toes_inside["Left"], toes_inside["Right"])
    if offset is None:
        pose.assumed_lengths += [f"{side}ToeBase{end}" for side in SIDES for end in ("", "End")]
        length = FRACTIONS["AnkleToToe"] * pose.stature_m
        offset = length * Z - FRACTIONS["AnkleHeight"] * pose.stature_m * Y
    # Toes point straight ahead in the rest pose.
    offset = offset * (0.0, 1.0, 1.0)
    for side in SIDES:
        pose.rest_offsets_m[f"{side}ToeBase"] = offset * (0.0, 1.0, _BALL_OF_FOOT)
        pose.end_offsets_m[f"{side}ToeBase"] = offset * (0.0, 0.0, 1.0 - _BALL_OF_FOOT)
        pose.keep_rest(f"{side}ToeBase")


def solve_fingers(pose: PoseBuilder, points: KeypointSeries) -> None:
    """Adds three joints per finger, each turned on the shortest way from the one before.

    Raises:
        InputError: the skeleton has no hand keypoints, or a part of the hand was never measured.
    """
    for finger in FINGERS:
        names = {side: finger_keypoints(side, finger) for side in SIDES}
        absent = [name for side in SIDES for name in names[side] if name not in points]
        if absent:
            raise InputError(
                f"fingers need hand keypoints, but the skeleton has no {absent[0]}; export without "
                f"fingers, or detect with a whole-body skeleton"
            )
        _solve_finger(pose, points, finger, names)
    for side in SIDES:
        pose.end_offsets_m.pop(f"{side}Hand")


def _solve_finger(
    pose: PoseBuilder, points: KeypointSeries, finger: str, names: dict[str, tuple[str, ...]]
) -> None:
    roots: list[np.ndarray | None] = []
    for side in SIDES:
        s = side.lower()
        root = points[names[side][0]] - points.first_of(f"{s}_hand_wrist", f"{s}_wrist")
        roots.append(median_vector(pose.in_frame(f"{side}Hand", root)))
    offset = mirrored_mean(*roots)
    segments = {
        side: [points[b] - points[a] for a, b in zip(names[side], names[side][1:], strict=False)]
        for side in SIDES
    }
    measured = (common_length(*(segments[side][i] for side in SIDES)) for i in range(3))
    lengths = [length for length in measured if length is not None]
    if offset is None or len(lengths) < 3:
        raise InputError(
            f"fingers: the {finger.lower()} of this person was never measured in full on either "
            f"hand; export without fingers"
        )
    for side in SIDES:
        rest = finger_direction(side, finger)
        parent = f"{side}Hand"
        joints = finger_joints(side, finger)
        for i, joint in enumerate(joints):
            pose.rest_offsets_m[joint] = on_side(side, offset) if i == 0 else lengths[i - 1] * rest
            turn = rotation_between(pose.turned(parent, rest), segments[side][i])
            pose.rotate(joint, turn @ pose.rotations[parent])
            pose.targets_m[joint] = points[names[side][i]]
            parent = joint
        pose.end_offsets_m[joints[-1]] = lengths[2] * rest
