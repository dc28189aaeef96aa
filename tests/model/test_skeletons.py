"""The skeleton tables and how one is found."""

from __future__ import annotations

import numpy as np
import pytest

from mocap.errors import SkeletonError
from mocap.model import Skeleton, skeleton_by_name, skeleton_of_keypoints
from mocap.model.skeletons import SKELETONS, canonical_keypoint, hand_keypoints

every = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
SIZES = {
    "coco17": 17,
    "halpe26": 26,
    "body25": 25,
    "coco_wholebody133": 133,
    "blazepose_wholebody": 33 + 2 * 21 + 68,
}


def test_sizes():
    assert {name: len(s) for name, s in SKELETONS.items()} == SIZES


@every
def test_mirror_is_an_involution_that_keeps_the_part_and_swaps_the_hands(skeleton):
    mirror = np.array(skeleton.mirror)
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(skeleton)))
    swapped = {"left_hand": "right_hand", "right_hand": "left_hand"}
    for i, j in enumerate(mirror):
        assert skeleton.parts[j] == swapped.get(skeleton.parts[i], skeleton.parts[i])
    sided = [n for n in skeleton.keypoints if n.startswith(("left_", "right_"))]
    assert len(skeleton.pairs) * 2 == len(sided)
    for left, right in skeleton.pairs:
        assert skeleton.keypoints[left] == skeleton.keypoints[right].replace("right", "left")


@every
def test_bones_and_association_are_whole_and_symmetric(skeleton):
    bones = {frozenset(bone) for bone in skeleton.bone_indices}
    assert len(bones) == len(skeleton.bones)
    mirror = skeleton.mirror
    in_face = set(skeleton.indices("face"))
    for bone in bones:
        assert len(bone) == 2
        assert bone <= in_face or frozenset(mirror[i] for i in bone) in bones
    association = set(skeleton.association_indices)
    assert {mirror[i] for i in association} == association
    assert len(association) == len(skeleton.association) >= 13


@every
def test_a_table_is_found_by_its_name_and_by_its_keypoints_however_they_are_spelled(skeleton):
    assert skeleton_by_name(skeleton.name) is skeleton
    assert skeleton_of_keypoints(skeleton.keypoints) is skeleton
    camel = ["".join(p.capitalize() for p in n.split("_")) for n in skeleton.keypoints]
    short = [n.replace("Left", "L", 1).replace("Right", "R", 1) for n in camel]
    spaced = [n.replace("_", " ").title() for n in skeleton.keypoints]
    for spelled in (camel, short, spaced):
        assert skeleton_of_keypoints(spelled) is skeleton


def test_no_two_keypoints_of_a_table_are_the_same_however_they_are_spelled():
    for skeleton in SKELETONS.values():
        assert len({canonical_keypoint(n) for n in skeleton.keypoints}) == len(skeleton)


def test_joint_names_of_the_real_data(shared_path):
    with np.load(shared_path("shelf_dev/detections.npz")) as data:
        names = [str(name) for name in data["joint_names"]]
    assert names[:3] == ["Nose", "Neck", "RShoulder"]
    assert skeleton_of_keypoints(names) is skeleton_by_name("body25")


def test_order_of_the_feet_differs_between_halpe_and_coco_wholebody():
    halpe, coco = skeleton_by_name("halpe26"), skeleton_by_name("coco_wholebody133")
    assert halpe.keypoints[20:26] == (
        *("left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe"),
        *("left_heel", "right_heel"),
    )
    assert coco.keypoints[17:23] == (
        *("left_big_toe", "left_small_toe", "left_heel"),
        *("right_big_toe", "right_small_toe", "right_heel"),
    )


def test_parts():
    coco = skeleton_by_name("coco_wholebody133")
    assert coco.indices("body") == tuple(range(17))
    assert coco.indices("feet") == tuple(range(17, 23))
    assert coco.indices("face") == tuple(range(23, 91))
    assert coco.indices("left_hand") == tuple(range(91, 112))
    assert coco.indices("right_hand") == tuple(range(112, 133))
    assert coco.indices() == tuple(range(133))
    assert coco.keypoints[91:112] == hand_keypoints("left")
    assert "left_hip" in coco
    assert "left_tail" not in coco


def test_unknown_names_are_refused_with_the_valid_ones():
    with pytest.raises(SkeletonError, match=r"coco_wholebody134.*coco17.*halpe26"):
        skeleton_by_name("coco_wholebody134")
    coco = skeleton_by_name("coco17")
    with pytest.raises(SkeletonError, match=r"left_tail.*left_shoulder"):
        coco.index("left_tail")
    with pytest.raises(SkeletonError, match=r"'torso'.*left_hand"):
        coco.indices("torso")
    with pytest.raises(SkeletonError, match=r"2 keypoints.*left_tail.*coco17 \(17"):
        skeleton_of_keypoints(["nose", "left_tail"])
    with pytest.raises(SkeletonError):
        skeleton_of_keypoints([])
    with pytest.raises(SkeletonError):  # the same names in another order
        skeleton_of_keypoints(coco.keypoints[::-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": ("a", "a")}, "twice"),
        ({"parts": ("body",)}, "1"),
        ({"parts": ("body", "wing")}, "wing"),
        ({"bones": (("a", "c"),)}, "'c'"),
        ({"association": ("d",)}, "'d'"),
    ],
)
def test_tables_that_make_no_sense_are_refused(change, message):
    good = {
        "name": "s",
        "keypoints": ("a", "b"),
        "parts": ("body", "body"),
        "bones": (("a", "b"),),
        "association": ("a",),
    }
    Skeleton(**good)
    with pytest.raises(SkeletonError, match=message):
        Skeleton(**(good | change))
