from dataclasses import replace

import numpy as np
import pytest
from posed_bodies import posed, skeleton
from studio_motions import studio_motion

from mocap.body.biomechanics.contacts import foot_contacts, foot_points
from mocap.body.biomechanics.cycles import gait_cycles
from mocap.body.biomechanics.gait import gait
from mocap.body.biomechanics.joint_angles import joint_angles
from mocap.body.biomechanics.segments import body_segments
from mocap.body.biomechanics.strides import FIGURES, stride_table
from mocap.errors import InputError
from mocap.model.body_motion import BodyMotion, JointTree
from mocap.studio.bodies import Body, PersonConfig
from mocap.studio.motions import MotionConfig

RATE = 30.0
WALK = MotionConfig(kind="walk_path", path_m=((3.0, 0.0), (6.0, 1.0)), heading_deg=40.0)
Stands = tuple[tuple[tuple[float, float], ...], ...]


@pytest.fixture(scope="module")
def man() -> Body:
    return Body(PersonConfig())


@pytest.fixture(scope="module")
def walk(man: Body) -> tuple[BodyMotion, Stands]:
    return studio_motion(man, WALK, 7.0, RATE)


def truth_events(stands: Stands) -> list[tuple[str, str, float]]:
    return [
        (kind, side, time)
        for side, contacts in zip(("left", "right"), stands, strict=True)
        for contact in contacts
        for kind, time in zip(("foot_strike", "toe_off"), contact, strict=True)
        if np.isfinite(time) and 0.1 < time < 6.9
    ]


@pytest.mark.parametrize("noise_m", [0.0, 0.005])
@pytest.mark.parametrize("keypoints", [True, False])
def test_events_of_a_walk_are_found_within_a_frame_or_two(
    man: Body, noise_m: float, keypoints: bool
) -> None:
    motion, stands = studio_motion(
        man, WALK, 7.0, RATE, noise_m=noise_m, keypoints=keypoints, seed=1
    )
    found = gait(motion).events
    truth = truth_events(stands)
    assert len(found) == len(truth) > 15
    errors = []
    for kind, side, time in truth:
        nearest = np.abs(found.times(kind, side) - time).min()
        assert nearest < 2 / RATE, (kind, side, time)
        errors.append(nearest)
    assert np.mean(errors) < 0.6 / RATE
    assert (np.abs(motion.time_s[found.frame - 100] - found.time_s) <= 0.5 / RATE + 1e-9).all()
    assert found.measured.all()


def test_standing_feet_are_those_of_the_truth(walk: tuple[BodyMotion, Stands]) -> None:
    motion, stands = walk
    standing = foot_contacts(motion).standing
    for i in range(2):
        truth = np.zeros(len(motion), bool)
        for begin, end in stands[i]:
            truth |= (motion.time_s >= begin) & (motion.time_s <= end)
        assert np.mean(standing[:, i] == truth) > 0.95


def test_figures_of_strides(walk: tuple[BodyMotion, Stands], man: Body) -> None:
    motion, stands = walk
    strides = gait(motion).strides
    truth = {"left": stands[0], "right": stands[1]}
    steady = 0
    for k, side in enumerate(strides.side):
        begins = np.array([begin for begin, _ in truth[side]])
        j = int(np.abs(begins - strides.begin_s[k]).argmin())
        begin, end = truth[side][j]
        duration = begins[j + 1] - begin
        assert strides.figure("stride_time")[k] == pytest.approx(duration, abs=1.5 / RATE)
        stance = 100 * (end - begin) / duration
        assert strides.figure("stance")[k] == pytest.approx(stance, abs=4.0)
        if begins[j + 1] < 4.5:
            steady += 1
            assert strides.figure("stride_length")[k] == pytest.approx(1.37, abs=0.02)
            assert strides.figure("step_length")[k] == pytest.approx(0.685, abs=0.01)
            assert strides.figure("cadence")[k] == pytest.approx(120 / duration, rel=0.03)
            assert 0.04 < strides.figure("step_width")[k] < 0.16
            assert strides.figure("speed")[k] == pytest.approx(1.15, abs=0.04)
            assert strides.figure("double_support")[k] == pytest.approx(2 * (stance - 50), abs=5)
            assert abs(strides.figure("toe_out")[k]) < 10
    assert steady >= 5
    assert (np.diff(strides.begin_s) > 0).all()
    assert strides.names == tuple(name for name, _ in FIGURES)


def test_turning_the_room_changes_no_figure(man: Body) -> None:
    here, there = (
        gait(studio_motion(man, replace(WALK, heading_deg=angle, place_m=place), 4.0, RATE)[0])
        for angle, place in ((40.0, (0.0, 0.0)), (-160.0, (5.0, -3.0)))
    )
    assert there.events.time_s == pytest.approx(here.events.time_s, abs=1e-6)
    same = [k for k, name in enumerate(here.strides.names) if name != "direction"]
    assert there.strides.values[:, same] == pytest.approx(
        here.strides.values[:, same], abs=1e-4, nan_ok=True
    )
    turned = there.strides.figure("direction") - here.strides.figure("direction")
    assert (turned + 360) % 360 == pytest.approx(160.0, abs=1e-3)


def test_the_pelvis_turns_about_the_way_it_goes(walk: tuple[BodyMotion, Stands]) -> None:
    motion, _ = walk
    cycles = gait_cycles(joint_angles(motion), gait(motion).strides)
    for name in ("pelvis_left_rotation", "thorax_left_rotation"):
        assert np.abs(cycles[name].mean).max() < 20
        assert abs(cycles[name].mean.mean()) < 8
    flexion = cycles["right_hip_flexion"].mean
    assert flexion[0] > 25 and flexion.argmin() in range(30, 70)
    assert 55 < cycles["right_knee_flexion"].stance_percent < 66


def on_belt(motion: BodyMotion, speed_m_s: float) -> BodyMotion:
    """A straight walk along x, seen from a floor that moves along under it."""
    back = np.zeros((len(motion), 1, 3))
    back[:, 0, 0] = speed_m_s * motion.time_s
    return replace(
        motion,
        root_position_m=motion.root_position_m - back[:, 0],
        joint_positions_m=motion.joint_positions_m - back,
        keypoints_m=motion.keypoints_m - back,
    )


def test_a_treadmill_has_the_figures_of_the_ground(man: Body) -> None:
    config = MotionConfig(kind="walk_path", path_m=((8.0, 0.0),))
    motion, stands = studio_motion(man, config, 7.0, RATE)
    ground = gait(motion).strides
    belt = gait(on_belt(motion, 1.15), "treadmill")
    assert len(belt.strides) >= 5
    for k, side in enumerate(belt.strides.side):
        same = [j for j, other in enumerate(ground.side) if other == side]
        j = same[int(np.abs(ground.begin_s[same] - belt.strides.begin_s[k]).argmin())]
        for name, tolerance in (
            ("stride_length", 0.03),
            ("step_length", 0.03),
            ("step_width", 0.01),
            ("speed", 0.05),
        ):
            expected = ground.figure(name)[j]
            assert belt.strides.figure(name)[k] == pytest.approx(expected, abs=tolerance), name
    for kind in ("foot_strike", "toe_off"):
        times = np.array([t for k, side, t in truth_events(stands) if (k, side) == (kind, "left")])
        for time in belt.events.times(kind, "left"):
            assert np.abs(times - time).min() < 0.06
    assert len(gait(on_belt(motion, 1.15)).strides) == 0, "over ground a belt is no floor"


@pytest.mark.parametrize(("kind", "events"), [("squat", 0), ("stand_and_wave", 0), ("jump", 8)])
def test_without_walking_there_are_contacts_but_no_strides(
    man: Body, kind: str, events: int
) -> None:
    motion, _ = studio_motion(man, MotionConfig(kind=kind), 4.0, RATE)  # type: ignore[arg-type]
    found = gait(motion)
    assert len(found.strides) == 0
    assert (len(found.events) == 0) == (events == 0)
    if events == 0:
        assert found.contacts.standing.all()


def test_nothing_is_said_where_nobody_was(walk: tuple[BodyMotion, Stands]) -> None:
    motion, _ = walk
    present = np.ones(len(motion), bool)
    present[60:90] = False
    found = gait(replace(motion, present=present))
    gone = (found.events.time_s > 2.05) & (found.events.time_s < 2.9)
    assert not gone.any()
    overlap = (found.strides.begin_s < 2.95) & (found.strides.end_s > 2.0)
    assert not overlap.any() and len(found.strides) >= 2
    assert not found.contacts.standing[60:90].any()


def test_an_unmeasured_foot_marks_its_events(walk: tuple[BodyMotion, Stands]) -> None:
    motion, _ = walk
    measured = np.ones((len(motion), len(motion.tree)), bool)
    measured[:, motion.tree.index("foot.L")] = False
    events = gait(replace(motion, measured=measured)).events
    assert events.measured.tolist() == [side == "right" for side in events.side]


def test_sigma_of_lengths_of_strides_agrees_with_random_draws(
    walk: tuple[BodyMotion, Stands], man: Body
) -> None:
    motion, _ = walk
    rng = np.random.default_rng(4)
    covariance = np.broadcast_to(np.diag([4e-4, 1e-4, 1e-4]), motion.position_covariance_m2.shape)
    table = gait(replace(motion, position_covariance_m2=covariance)).strides
    names = ("stride_length", "step_length", "step_width")
    # One error per contact and foot, as a foot that stands is seen in the same way all the time.
    drawn = []
    contacts = foot_contacts(motion)
    for _ in range(150):
        points = motion.keypoints_m.copy()
        for i in range(2):
            for begin, end in zip(contacts.begin_s[i], contacts.end_s[i], strict=True):
                rows = (motion.time_s >= begin) & (motion.time_s <= end)
                shift = rng.normal(size=3) * [0.02, 0.01, 0.0]
                points[rows, i] += shift
        body = body_segments(motion.tree, motion.rest_joints_m)
        foot = replace(foot_points(motion, body), heel_m=points[:, :2])
        drawn.append(stride_table(motion, contacts, foot).values)
    spread = np.std(drawn, axis=0)
    for name in names:
        column = table.names.index(name)
        assert table.sigma[:, column] == pytest.approx(spread[:, column], rel=0.25)


def test_what_gait_needs() -> None:
    with pytest.raises(InputError, match="no method 'ice'; methods are ground, treadmill"):
        gait(posed(skeleton(), frames=9), "ice")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least 5 frames, got 3"):
        gait(posed(skeleton(), frames=3))
    tree, rest = skeleton()
    without = JointTree(tuple(n.replace("ToeBase", "Tip") for n in tree.names), tree.parents)
    with pytest.raises(InputError, match="foot contacts need toes"):
        gait(posed((without, rest), frames=9))
