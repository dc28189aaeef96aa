import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mocap.errors import InputError, StudioError
from mocap.model.skeletons import COCO_WHOLEBODY_133
from mocap.studio.bodies import Body
from mocap.studio.inverse_kinematics import bend_limb, split_twist, turn
from mocap.studio.motions import MOTION_KINDS, MotionConfig, make_motion

NAMES = COCO_WHOLEBODY_133
SECONDS, RATE = 4.0, 60.0
TIMES = np.arange(round(SECONDS * RATE)) / RATE
PROCEDURAL = [kind for kind in MOTION_KINDS if kind != "bvh"]


def config(kind: str, seed: int = 0) -> MotionConfig:
    path = ((1.5, 0.0), (2.5, 1.0)) if kind == "walk_path" else ()
    return MotionConfig(
        kind=kind,
        seed=seed,
        path_m=path,
        place_m=(0.3, -0.4),
        heading_deg=30.0,  # type: ignore[arg-type]
    )


def at(points: np.ndarray, name: str) -> np.ndarray:
    return points[..., NAMES.index(name), :]


@pytest.mark.parametrize("kind", PROCEDURAL)
def test_feet_stand_on_the_floor_and_do_not_slide(kind: str, man: Body, woman: Body) -> None:
    for body, seed in ((man, 0), (woman, 1)):
        motion = make_motion(config(kind, seed), body, SECONDS)
        vertices = np.array([f.vertices_m for f in body.frames([motion(t) for t in TIMES])])
        assert vertices[..., 2].min() > -0.010, "through the floor"
        for i, side in enumerate("LR"):
            bones = [
                k
                for k, name in enumerate(body.bone_names)
                if name.startswith(("foot", "toe")) and name.endswith(side)
            ]
            foot = vertices[:, body.vertex_weights[:, bones].sum(axis=1) > 0.9]
            low = foot[..., 2] < 0.003
            for stand in motion.course.feet[i].stands:  # type: ignore[attr-defined]
                frames = np.flatnonzero((stand.begin_s <= TIMES) & (stand.end_s >= TIMES))
                moved = np.zeros(2)
                for a, b in itertools.pairwise(frames):
                    both = low[a] & low[b]
                    assert both.any(), "a standing foot touches the floor"
                    moved += (foot[b, both, :2] - foot[a, both, :2]).mean(axis=0)
                assert np.linalg.norm(moved) < 0.005


@pytest.mark.parametrize("kind", PROCEDURAL)
def test_movements_are_smooth_and_as_fast_as_people(kind: str, man: Body) -> None:
    motion = make_motion(config(kind), man, SECONDS)
    points = man.pose_keypoints([motion(t) for t in TIMES])
    speed = np.linalg.norm(np.diff(points, axis=0), axis=2) * RATE
    assert speed[:, :17].max() < (12.0 if kind == "jump" else 4.5)
    assert speed.max() < (14.0 if kind == "jump" else 6.5)
    head_and_hips = [NAMES.index(n) for n in ("nose", "left_hip", "right_hip", "left_ear")]
    change = np.linalg.norm(np.diff(points[:, head_and_hips], 2, axis=0), axis=2) * RATE**2
    assert change.max() < (60.0 if kind == "jump" else 15.0)
    assert speed.max() > 0.02, "a living body moves"


@pytest.mark.parametrize("kind", PROCEDURAL)
def test_joints_stay_in_human_range(kind: str, man: Body) -> None:
    motion = make_motion(config(kind), man, SECONDS)
    bones = man.bone_transforms([motion(t) for t in TIMES[::6]])

    def joint(name: str) -> np.ndarray:
        return bones[:, man.bone(name), :3, 3]

    for side in "LR":
        hip, knee, ankle = (joint(f"{n}.{side}") for n in ("upperleg01", "lowerleg01", "foot"))
        thigh, shank = knee - hip, ankle - knee
        # Knees bend so that the shank goes back.
        assert (np.einsum("ta,ta->t", np.cross(thigh, shank), bones[:, 0, :3, 1]) > -1e-3).all()
        hand = bones[:, man.bone(f"wrist.{side}"), :3, :3]
        forearm = bones[:, man.bone(f"lowerarm02.{side}"), :3, :3]
        relative = np.swapaxes(forearm, -1, -2) @ hand
        angle = np.arccos(np.clip((np.trace(relative, axis1=1, axis2=2) - 1) / 2, -1, 1))
        assert np.rad2deg(angle).max() < 85.0, "a broken wrist"
        # Hands do not enter the trunk.
        trunk = np.linspace(joint("root"), joint("neck01"), 8)
        tips = joint(f"finger3-2.{side}")
        assert np.linalg.norm(trunk - tips, axis=2).min() > 0.13


@pytest.mark.parametrize("kind", PROCEDURAL)
def test_the_seed_decides(kind: str, man: Body) -> None:
    first, again = (make_motion(config(kind), man, SECONDS) for _ in range(2))
    other = make_motion(config(kind, seed=1), man, SECONDS)
    poses = [[m(t) for t in (0.5, 1.7, 2.9)] for m in (first, again, other)]
    a, b, c = (man.pose_keypoints(p) for p in poses)
    assert np.array_equal(a, b)
    assert np.abs(a - c).max() > 1e-3


def test_cameras_may_be_early_or_late(man: Body) -> None:
    for kind in PROCEDURAL:
        motion = make_motion(config(kind), man, 1.0)
        points = man.pose_keypoints([motion(t) for t in (-0.5, 1.5)])
        assert np.isfinite(points).all()


def test_hips_fly_along_a_parabola(man: Body) -> None:
    motion = make_motion(MotionConfig(kind="jump"), man, 3.0)
    foot = motion.course.feet[0]  # type: ignore[attr-defined]
    leave, land = foot.stands[0].end_s, foot.stands[1].begin_s
    times = np.linspace(leave, land, 40)
    bones = man.bone_transforms([motion(t) for t in times])
    hips = bones[:, [man.bone("upperleg01.L"), man.bone("upperleg01.R")], 2, 3].mean(axis=1)
    fall, speed, _ = np.polyfit(times - leave, hips, 2)
    assert fall == pytest.approx(-9.81 / 2, rel=1e-3)
    assert speed**2 / (2 * 9.81) == pytest.approx(0.27, rel=1e-3)
    soles = np.array([f.vertices_m[:, 2].min() for f in man.frames([motion(t) for t in times])])
    assert soles[5:-5].min() > 0.02
    assert soles.max() > 0.2
    small = make_motion(MotionConfig(kind="jump", size=0.5), man, 3.0)
    stands = small.course.feet[0].stands  # type: ignore[attr-defined]
    assert stands[1].begin_s - stands[0].end_s < land - leave


def test_walk_follows_its_path_at_its_speed(man: Body) -> None:
    walk = MotionConfig(kind="walk_path", path_m=((2.0, 0.0), (4.0, 0.5)), speed_m_s=1.2)
    motion = make_motion(walk, man, 6.0)
    times = np.arange(0, 6.0, 1 / 30)
    points = man.pose_keypoints([motion(t) for t in times])
    hips = (at(points, "left_hip") + at(points, "right_hip"))[:, :2] / 2
    np.testing.assert_allclose(hips[0], (0, 0), atol=0.1)
    np.testing.assert_allclose(hips[-1], (4.0, 0.5), atol=0.1)
    middle = (times > 1.5) & (times < 2.8)
    speed = np.linalg.norm(np.diff(hips[middle], axis=0), axis=1) * 30
    assert speed.mean() == pytest.approx(1.2, rel=0.08)
    # Opposite arm and leg swing together.
    arm = (at(points, "left_wrist") - at(points, "right_wrist"))[middle, 0]
    leg = (at(points, "left_ankle") - at(points, "right_ankle"))[middle, 0]
    assert np.corrcoef(arm, leg)[0, 1] < -0.8


def test_person_faces_the_heading(man: Body) -> None:
    for heading in (0.0, 90.0, -135.0):
        motion = make_motion(MotionConfig(heading_deg=heading, place_m=(1.0, 2.0)), man, 2.0)
        points = man.pose_keypoints([motion(0.0)])[0]
        left = at(points, "left_hip") - at(points, "right_hip")
        assert np.rad2deg(np.arctan2(-left[0], left[1])) == pytest.approx(heading, abs=3)
        ankles = (at(points, "left_ankle") + at(points, "right_ankle")) / 2
        np.testing.assert_allclose(ankles[:2], (1.0, 2.0), atol=0.05)


def test_turning_goes_all_the_way_round(man: Body) -> None:
    for seed, sense in ((0, 1), (1, -1)):
        motion = make_motion(MotionConfig(kind="turn", seed=seed, period_s=5.0), man, 6.0)
        points = man.pose_keypoints([motion(t) for t in np.arange(0, 6.0, 0.05)])
        left = at(points, "left_hip") - at(points, "right_hip")
        yaw = np.unwrap(np.arctan2(-left[:, 0], left[:, 1]))
        assert sense * (yaw[-1] - yaw[0]) > 2 * np.pi


def test_hands_meet_at_the_same_place_and_time(man: Body, woman: Body) -> None:
    meet = MotionConfig(kind="cross_and_shake", place_m=(0.5, 0.2), heading_deg=20.0)
    one = make_motion(meet, man, 8.0)
    two = make_motion(replace(meet, heading_deg=200.0, seed=1), woman, 8.0)
    times = np.arange(0, 8.0, 1 / 30)

    def palm(body: Body, motion) -> np.ndarray:
        points = body.pose_keypoints([motion(t) for t in times])
        return (at(points, "right_hand_wrist") + at(points, "right_hand_middle_mcp")) / 2

    apart = np.linalg.norm(palm(man, one) - palm(woman, two), axis=1)
    assert (apart < 0.07).sum() > 30, "hands hold each other for more than a second"
    assert apart.min() > 0.02, "they do not run through each other"
    assert apart[0] > 3.0
    # They pass without touching.
    a, b = (np.array([m(t).T_world_root[:2, 3] for t in times]) for m in (one, two))
    assert np.linalg.norm(a - b, axis=1).min() > 0.55
    assert (a[-1] - a[0]) @ [np.cos(np.deg2rad(20)), np.sin(np.deg2rad(20))] > 2.0


def test_reaching_hand_reaches(man: Body) -> None:
    reach = MotionConfig(kind="reach", period_s=2.0)
    motion = make_motion(reach, man, 4.0)
    targets = motion.targets(1.0)  # type: ignore[attr-defined]
    (arm,) = [a for a in targets.reach if a is not None]
    side = "L" if targets.reach[0] is not None else "R"
    bones = man.bone_transforms([motion(1.0)])[0]
    assert arm.share == pytest.approx(1.0)
    shoulder = bones[man.bone(f"upperarm01.{side}"), :3, 3]
    got = bones[man.bone(f"wrist.{side}"), :3, 3]
    wanted = arm.wrist_m - shoulder
    if np.linalg.norm(wanted) < 0.98 * motion.poser.arm_m:  # type: ignore[attr-defined]
        np.testing.assert_allclose(got, arm.wrist_m, atol=5e-3)
    else:
        cosine = (got - shoulder) @ wanted / np.linalg.norm(got - shoulder) / np.linalg.norm(wanted)
        assert cosine > 0.995


def test_limbs_of_two_bones_reach() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        start, way, pole = rng.normal(size=(3, 3))
        end = start + way / np.linalg.norm(way) * rng.uniform(0.2, 0.84)
        upper, lower, hinge = bend_limb(start, end, pole, 0.45, 0.40)
        np.testing.assert_allclose(start + 0.45 * upper + 0.40 * lower, end, atol=1e-9)
        assert abs(hinge @ upper) < 1e-9
        assert abs(hinge @ lower) < 1e-9
        line = (end - start) / np.linalg.norm(end - start)
        assert (upper - line * (upper @ line)) @ pole > -1e-9
    # Out of reach: towards it, and not quite straight.
    upper, lower, _ = bend_limb(np.zeros(3), np.array([2.0, 0, 0]), np.array([0, 0, 1.0]), 0.4, 0.4)
    assert 0.99 < upper[0] < 1.0
    assert 0.99 < lower[0] < 1.0


def test_swing_and_twist_make_the_rotation() -> None:
    axis = np.array([0.6, 0.0, 0.8])
    rotation = turn(np.array([0.0, 1.0, 0.0]), 0.7) @ turn(axis, -1.1)
    swing, angle = split_twist(rotation, axis)
    np.testing.assert_allclose(swing @ turn(axis, angle), rotation, atol=1e-12)
    assert angle == pytest.approx(-1.1)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"kind": "fly"}, "walk_path"),
        ({"speed_m_s": 9.0}, "speed_m_s"),
        ({"size": 0.0}, "size"),
        ({"period_s": -1.0}, "period_s"),
        ({"heading_deg": float("inf")}, "heading_deg"),
        ({"path_m": ((1.0, 2.0, 3.0),)}, "path_m"),
        ({"kind": "bvh"}, "bvh"),
        ({"bvh": Path("a.bvh")}, "bvh"),
        ({"grip_height_m": 3.0}, "grip_height_m"),
    ],
)
def test_impossible_motions_are_refused(change: dict, named: str) -> None:
    with pytest.raises(StudioError, match=named):
        MotionConfig(**change)


def test_impossible_clips_are_refused(man: Body) -> None:
    with pytest.raises(StudioError, match="positive"):
        make_motion(MotionConfig(), man, 0.0)
    with pytest.raises(StudioError, match="path_m"):
        make_motion(MotionConfig(kind="walk_path", path_m=((0.1, 0.0),)), man, 2.0)
    with pytest.raises(InputError, match="does not exist"):
        make_motion(MotionConfig(kind="bvh", bvh=Path("nowhere.bvh")), man, 2.0)
