"""Motions brought onto the skeleton of another BVH file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from body_motions import humanoid_tree, moving, posed, smpl_tree
from export_readers import bvhio_positions
from scipy.spatial.transform import Rotation

from mocap.errors import InputError
from mocap.export.animation import Animation, animation
from mocap.export.bvh import bvh_text
from mocap.export.bvh_file import read_bvh
from mocap.export.retarget import RetargetOptions, read_map, retarget, write_retargeted
from mocap.geometry.kinematics import forward_kinematics


def target(tmp_path: Path, *, names: dict[str, str] | None = None, size: float = 130.0) -> Path:
    """SMPL's joints with a bent rest pose, in a unit of its own, with mixed rotation orders."""
    content = animation(moving(*smpl_tree(), model="smpl"), names="model", t_pose=False)
    orders = [("ZXY", "XYZ")[i % 2] for i in range(len(content.names))]
    scaled = Animation(
        names=tuple((names or {}).get(n, n) for n in content.names),
        parents=content.parents,
        roles=content.roles,
        rest_offsets_m=size * content.rest_offsets_m,
        end_offsets_m=size * content.end_offsets_m,
        frame_time_s=content.frame_time_s,
        root_positions_m=size * content.root_positions_m,
        local_rotations=content.local_rotations,
        source=content.source,
        from_model=content.from_model,
    )
    path = tmp_path / "target.bvh"
    path.write_text(bvh_text(scaled, unit="m", orders=orders))
    return path


def test_the_skeleton_stays_as_it_is_and_the_limbs_follow(tmp_path) -> None:
    motion = moving(*humanoid_tree(fingers=True, ends=True))
    source, clip = animation(motion), read_bvh(target(tmp_path))
    path = tmp_path / "out.bvh"
    notes = write_retargeted(motion, path, RetargetOptions(tmp_path / "target.bvh"))
    made = read_bvh(path)
    assert (made.names, made.parents, made.orders) == (clip.names, clip.parents, clip.orders)
    np.testing.assert_allclose(made.offsets, clip.offsets, atol=1e-6)
    np.testing.assert_allclose(made.ends, clip.ends, atol=1e-6)
    assert made.frame_time_s == pytest.approx(source.frame_time_s)
    at = dict(
        zip(made.names, np.moveaxis(bvhio_positions(path, 60, made.names), 1, 0), strict=True)
    )
    place, _ = forward_kinematics(
        source.parents, source.rest(), source.root_positions_m, source.local_rotations
    )
    own = dict(zip(source.names, np.moveaxis(place, 1, 0), strict=True))
    for side in ("left", "right"):
        for a, b, c, d in (
            ("shoulder", "elbow", "Arm", "ForeArm"),
            ("elbow", "wrist", "ForeArm", "Hand"),
            ("hip", "knee", "UpLeg", "Leg"),
            ("knee", "ankle", "Leg", "Foot"),
        ):
            u = at[f"{side}_{b}"] - at[f"{side}_{a}"]
            v = own[side.capitalize() + d] - own[side.capitalize() + c]
            u /= np.linalg.norm(u, axis=1, keepdims=True)
            v /= np.linalg.norm(v, axis=1, keepdims=True)
            assert np.abs(u - v).max() < 1e-4, (side, a)
    assert notes[0] == "22 of 24 joints mapped"
    assert "degrees or better (worst " in notes[1]
    assert notes[2] == "left as at rest: left_hand, right_hand"


def test_onto_its_own_skeleton_nothing_changes(tmp_path) -> None:
    motion = moving(*humanoid_tree(fingers=True, ends=True))
    source = animation(motion)
    path = tmp_path / "own.bvh"
    path.write_text(bvh_text(source))
    result = retarget(source, read_bvh(path), "own.bvh")
    np.testing.assert_allclose(result.content.local_rotations, source.local_rotations, atol=1e-5)
    np.testing.assert_allclose(
        result.content.root_positions_m, 100 * source.root_positions_m, atol=1e-3
    )
    assert max(result.direction_error_deg.values()) < 1e-3
    assert max(result.position_error_m.values()) < 1e-5


def test_a_t_pose_becomes_a_t_pose_on_bent_limbs(tmp_path) -> None:
    result = retarget(animation(posed({})), read_bvh(target(tmp_path)), "t")
    content = result.content
    place, _ = forward_kinematics(
        content.parents, content.rest(), content.root_positions_m, content.local_rotations
    )
    for side, sign in (("left", 1), ("right", -1)):
        bone = place[0, content.names.index(f"{side}_wrist")]
        bone = bone - place[0, content.names.index(f"{side}_shoulder")]
        np.testing.assert_allclose(bone / np.linalg.norm(bone), (sign, 0, 0), atol=1e-6)


def test_unknown_names_are_mapped_by_a_file(tmp_path) -> None:
    names = {"left_elbow": "Bip01 L Elle", "left_knee": "KnieL", "right_knee": "KnieR"}
    clip_path = target(tmp_path, names=names)
    motion = posed({"LeftForeArm": np.array([0.0, 0.0, -1.2])})
    with pytest.raises(InputError, match=r"target.bvh has no joint for LeftLeg, RightLeg.*--map"):
        write_retargeted(motion, tmp_path / "o.bvh", RetargetOptions(clip_path))
    toml = tmp_path / "map.toml"
    toml.write_text(
        '[joints]\n"Bip01 L Elle" = "LeftForeArm"\nKnieL = "LeftLeg"\n'
        'KnieR = "RightLeg"\nhead = ""\n'
    )
    result = retarget(animation(motion), read_bvh(clip_path), "target.bvh", read_map(toml))
    elbow = result.content.names.index("Bip01 L Elle")
    turn = Rotation.from_matrix(result.content.local_rotations[0, elbow])
    # The target's own elbow is bent a little at rest.
    assert turn.magnitude() == pytest.approx(1.2, abs=0.2)
    assert "head" not in result.mapped
    assert result.mapped["Bip01 L Elle"] == "LeftForeArm"
    assert result.direction_error_deg["LeftForeArm"] < 1e-6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("joints = 3", r"has no table \[joints\]"),
        ("[joints]\nhead = 3", r"has no table \[joints\]"),
        ("[joints\n", "is not a TOML file"),
        ('[joints]\nNose = "Head"', r"t.bvh has no joint 'Nose'; its joints are pelvis"),
        ('[joints]\nhead = "Nose"', r"the motion has no joint 'Nose' for 'head'"),
    ],
)
def test_a_map_that_does_not_fit(tmp_path, text, message) -> None:
    toml = tmp_path / "map.toml"
    toml.write_text(text)
    with pytest.raises(InputError, match=message):
        retarget(animation(posed({})), read_bvh(target(tmp_path)), "t.bvh", read_map(toml))


def test_no_target(tmp_path) -> None:
    with pytest.raises(InputError, match=r"--retarget TARGET\.bvh"):
        write_retargeted(posed({}), tmp_path / "a.bvh", RetargetOptions())
