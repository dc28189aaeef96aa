import numpy as np
import pytest
from posed_bodies import posed, skeleton, turn
from scipy.spatial.transform import Rotation

from mocap.body.biomechanics.derivatives import (
    derivative,
    joint_rates,
    low_pass,
    noise_gain,
    rates_of,
    usable_cutoff_hz,
)
from mocap.body.biomechanics.joint_angles import joint_angles
from mocap.errors import InputError

RATE = 100.0
TIME = np.arange(1000) / RATE
MIDDLE = slice(200, 800)


@pytest.mark.parametrize("cutoff", [3.0, 6.0, 12.0, 30.0])
def test_the_amplitude_at_the_stated_bandwidth_is_the_root_of_a_half(cutoff: float) -> None:
    def gain(frequency: float) -> float:
        filtered = low_pass(np.sin(2 * np.pi * frequency * TIME), TIME, cutoff)[MIDDLE]
        return float(np.sqrt(2.0) * np.std(filtered))

    assert gain(cutoff) == pytest.approx(np.sqrt(0.5), abs=0.01)
    assert gain(cutoff / 4) == pytest.approx(1.0, abs=0.01)
    if cutoff < 20:
        assert gain(2.5 * cutoff) < 0.08


def test_there_is_no_lag_and_a_straight_line_stays() -> None:
    slow = np.sin(2 * np.pi * 1.0 * TIME)
    assert low_pass(slow, TIME, 6.0) == pytest.approx(slow, abs=0.01)
    line = np.stack([3.0 * TIME + 1.0, -TIME], axis=1)
    assert low_pass(line, TIME) == pytest.approx(line, abs=1e-5)
    assert derivative(line, TIME) == pytest.approx(np.tile([3.0, -1.0], (1000, 1)))


@pytest.mark.parametrize("order", [0, 1, 2])
def test_noise_grows_as_predicted(order: int) -> None:
    rng = np.random.default_rng(order)
    noise = low_pass(rng.normal(size=(1000, 30)), TIME, 8.0)
    for _ in range(order):
        noise = derivative(noise, TIME)
    assert np.std(noise[MIDDLE]) == pytest.approx(noise_gain(TIME, 8.0, order), rel=0.05)


def test_the_frame_rate_limits_the_bandwidth() -> None:
    assert usable_cutoff_hz(TIME, 6.0) == 6.0
    assert usable_cutoff_hz(np.arange(50) / 10.0, 6.0) == pytest.approx(4.0)
    with pytest.raises(InputError, match="must be positive"):
        usable_cutoff_hz(TIME, 0.0)
    with pytest.raises(InputError, match="at least 5 frames, got 4"):
        joint_rates(posed(skeleton(), frames=4))


def test_linear_and_angular_motion_of_a_turning_body() -> None:
    frames, rate = 400, 100.0
    t = np.arange(frames) / rate
    angle = 0.8 * t + 0.3 * np.sin(2 * np.pi * 0.5 * t)
    speed = 0.8 + 0.3 * np.pi * np.cos(np.pi * t)
    change = -0.3 * np.pi**2 * np.sin(np.pi * t)
    world = Rotation.from_rotvec(angle[:, None] * [0, 0, 1.0]).as_matrix()
    tilt = turn("x", 25)
    root = np.stack([0.5 * t**2, 1.0 - 2.0 * t, 0 * t + 1.0], axis=1)
    motion = posed(skeleton(), {"Hips": world @ tilt}, frames=frames, root_m=root, rate_hz=rate)
    rates = joint_rates(motion, cutoff_hz=20.0)
    inner = slice(20, -20)
    for joint in ("Hips", "LeftHand"):
        j = rates.names.index(joint)
        angular = rates.angular_velocity_rad_s[inner, j]
        assert angular[:, 2] == pytest.approx(speed[inner], abs=0.01)
        assert angular[:, :2] == pytest.approx(np.zeros((frames - 40, 2)), abs=0.01)
        assert rates.angular_acceleration_rad_s2[inner, j, 2] == pytest.approx(
            change[inner], abs=0.05
        )
    assert rates.velocity_m_s[inner, 0, 0] == pytest.approx(t[inner], abs=0.01)
    assert rates.velocity_m_s[inner, 0, 1] == pytest.approx(-2.0 + 0 * t[inner], abs=0.01)
    assert rates.acceleration_m_s2[inner, 0, 0] == pytest.approx(1.0 + 0 * t[inner], abs=0.02)
    hand, hips = (motion.joint_positions_m[:, motion.tree.index(n)] for n in ("LeftHand", "Hips"))
    lever = hand - hips
    expected = np.cross(np.outer(speed, [0, 0, 1.0]), lever) + rates.velocity_m_s[:, 0]
    found = rates.velocity_m_s[:, rates.names.index("LeftHand")]
    assert found[inner] == pytest.approx(expected[inner], abs=0.02)
    assert rates.cutoff_hz == 20.0


def test_speeds_of_angles_have_names_units_and_sigma() -> None:
    frames = 200
    t = np.arange(frames) / 50.0
    bend = 40 + 30 * np.sin(2 * np.pi * 0.5 * t)
    motion = posed(
        skeleton(),
        {"LeftLeg": Rotation.from_euler("X", bend[:, None], degrees=True).as_matrix()},
        frames=frames,
    )
    angles = joint_angles(motion).select(["left_knee_flexion"])
    speed = rates_of(angles)
    assert speed.names == ("left_knee_flexion_velocity",) and speed.units == ("deg/s",)
    expected = 30 * np.pi * np.cos(np.pi * t)
    assert speed.values[10:-10, 0] == pytest.approx(expected[10:-10], abs=1.0)
    assert speed.sigma[:, 0] == pytest.approx(noise_gain(motion.time_s) * angles.sigma[:, 0])
    assert rates_of(angles, order=2).units == ("deg/s^2",)


def test_gaps_are_not_bridged() -> None:
    motion = posed(skeleton(), frames=40)
    present = np.ones(40, bool)
    present[15:20] = present[23:26] = False
    motion = posed(skeleton(), frames=40, present=present)
    table = joint_angles(motion, only_measured=True).select(["left_knee_flexion"])
    speed = rates_of(table).values[:, 0]
    assert np.isfinite(speed[:15]).all() and np.isfinite(speed[26:]).all()
    assert np.isnan(speed[15:26]).all()
