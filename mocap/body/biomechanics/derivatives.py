"""Speeds and accelerations by a smooth derivative of stated bandwidth.

The derivative of noise is noise made larger, so the signal is low-pass filtered first, by what
biomechanics uses: a Butterworth filter of second order run forwards and backwards, without phase
lag (Winter, Biomechanics and Motor Control of Human Movement, 2009). Its order-doubling lowers the
cut-off, which is corrected for: at the stated frequency the amplitude is 1 / sqrt(2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float
from mocap.body.biomechanics.tables import QuantityTable
from mocap.errors import InputError
from mocap.geometry.kinematics import forward_kinematics
from mocap.geometry.rotations import matrix_from_quaternion, rotvec_from_matrix
from mocap.model.body_motion import BodyMotion

CUTOFF_HZ = 6.0
"""Usual for walking (Winter); of fast movements, such as a throw, 12 Hz and more."""
HIGHEST_SHARE = 0.4
"""Highest cut-off, as a share of the frame rate: the rate can show no more than half of it."""
_PASSES = 2
_ORDER = 2
FEWEST_FRAMES = 5


def usable_cutoff_hz(time_s: Float[np.ndarray, " frames"], wish_hz: float = CUTOFF_HZ) -> float:
    """The cut-off frequency that is used: what is wished, or the most that the frames can show.

    Raises:
        InputError: the wish is not positive, or there are too few frames for a derivative.
    """
    if not wish_hz > 0:
        raise InputError(f"the cut-off frequency is {wish_hz} Hz; it must be positive")
    if len(time_s) < FEWEST_FRAMES:
        raise InputError(
            f"a derivative needs at least {FEWEST_FRAMES} frames, got {len(time_s)}; choose a "
            f"longer range"
        )
    return min(wish_hz, HIGHEST_SHARE / float(np.median(np.diff(time_s))))


def low_pass(
    values: Float[np.ndarray, "frames ..."],
    time_s: Float[np.ndarray, " frames"],
    cutoff_hz: float = CUTOFF_HZ,
) -> Float[np.ndarray, "frames ..."]:
    """Low-pass filters along the frames, without phase lag.

    Args:
        values: finite.
        time_s: of the frames, which are taken as evenly spaced.
        cutoff_hz: where the amplitude has fallen to 1 / sqrt(2); see `usable_cutoff_hz`.
    """
    from scipy.signal import butter, sosfiltfilt

    rate = 1.0 / float(np.median(np.diff(time_s)))
    cutoff = usable_cutoff_hz(time_s, cutoff_hz)
    # Of the bilinear transform of the two-pass filter: its analogue frequency is raised.
    raised = (2 ** (1 / _PASSES) - 1) ** (1 / (2 * _ORDER))
    analogue = np.tan(np.pi * cutoff / rate) / raised
    digital = np.arctan(analogue) / np.pi * rate
    sections = butter(_ORDER, min(digital, 0.499 * rate), fs=rate, output="sos")
    padding = min(len(values) - 1, round(2 * rate / cutoff))
    return sosfiltfilt(sections, values, axis=0, padlen=padding)


def derivative(
    values: Float[np.ndarray, "frames ..."], time_s: Float[np.ndarray, " frames"]
) -> Float[np.ndarray, "frames ..."]:
    """Central differences of second order, one-sided at both ends; for uneven times too."""
    return np.gradient(values, time_s, axis=0, edge_order=2)


def noise_gain(
    time_s: Float[np.ndarray, " frames"], cutoff_hz: float = CUTOFF_HZ, order: int = 1
) -> float:
    """Standard deviation of the filtered derivative over that of the signal, for white noise.

    Noise that is smooth from frame to frame, as that of a smoothed motion, gives less.

    Args:
        time_s: of the frames.
        cutoff_hz: of the filter.
        order: 0 for the filter alone, 1 for the speed, 2 for the acceleration.
    """
    step = float(np.median(np.diff(time_s)))
    half = max(64, round(4 / (usable_cutoff_hz(time_s, cutoff_hz) * step)))
    impulse = np.zeros(2 * half + 1)
    impulse[half] = 1.0
    times = step * np.arange(len(impulse))
    response = low_pass(impulse, times, cutoff_hz)
    for _ in range(order):
        response = derivative(response, times)
    return float(np.linalg.norm(response))


def rates_of(table: QuantityTable, cutoff_hz: float = CUTOFF_HZ, order: int = 1) -> QuantityTable:
    """Speeds (order 1) or accelerations (order 2) of the quantities of a table.

    Args:
        table: at least five frames. A column with NaN is differentiated in its stretches without.
        cutoff_hz: of the low-pass filter; the frame rate may lower it (`usable_cutoff_hz`).
        order: 1 or 2.

    Returns:
        Columns "NAME_velocity" in "UNIT/s", or "NAME_acceleration" in "UNIT/s^2". Standard
        deviations hold for errors that are independent from frame to frame.
    """
    values = np.full(table.values.shape, np.nan)
    for k in range(len(table.names)):
        rows = np.flatnonzero(np.isfinite(table.values[:, k]))
        for run in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
            if len(run) >= FEWEST_FRAMES:
                smooth = low_pass(table.values[run, k], table.time_s[run], cutoff_hz)
                for _ in range(order):
                    smooth = derivative(smooth, table.time_s[run])
                values[run, k] = smooth
    word, unit = (("velocity", "/s"), ("acceleration", "/s^2"))[order - 1]
    gain = noise_gain(table.time_s, cutoff_hz, order)
    return QuantityTable(
        table.person_id,
        tuple(f"{name}_{word}" for name in table.names),
        tuple(f"{u}{unit}" for u in table.units),
        table.frame,
        table.time_s,
        values,
        gain * table.sigma,
        table.measured,
        table.singular,
    )


@dataclass(frozen=True, eq=False)
class JointRates:
    """Speeds and accelerations of all joints, in the world.

    Attributes:
        names: of the J joints.
        frame: frame numbers.
        time_s: seconds of the session clock.
        velocity_m_s: of the joints' positions.
        acceleration_m_s2: of the joints' positions.
        angular_velocity_rad_s: of the joints' orientations, as vectors in world axes.
        angular_acceleration_rad_s2: its derivative.
        cutoff_hz: of the low-pass filter before the derivatives.
    """

    names: tuple[str, ...]
    frame: np.ndarray
    time_s: Float[np.ndarray, " frames"]
    velocity_m_s: Float[np.ndarray, "frames joints 3"]
    acceleration_m_s2: Float[np.ndarray, "frames joints 3"]
    angular_velocity_rad_s: Float[np.ndarray, "frames joints 3"]
    angular_acceleration_rad_s2: Float[np.ndarray, "frames joints 3"]
    cutoff_hz: float


def joint_rates(motion: BodyMotion, cutoff_hz: float = CUTOFF_HZ) -> JointRates:
    """Linear and angular speeds and accelerations of all joints of a person.

    Args:
        motion: at least five frames.
        cutoff_hz: of the low-pass filter; the frame rate may lower it (`usable_cutoff_hz`).

    Raises:
        InputError: there are fewer than five frames.
    """
    cutoff = usable_cutoff_hz(motion.time_s, cutoff_hz)
    time_s = motion.time_s
    _, orientation = forward_kinematics(
        motion.tree.parents,
        motion.rest_joints_m,
        motion.root_position_m,
        matrix_from_quaternion(motion.rotations),
    )
    velocity = derivative(low_pass(motion.joint_positions_m, time_s, cutoff), time_s)
    angular = low_pass(_angular_velocity(orientation, time_s), time_s, cutoff)
    return JointRates(
        motion.tree.names,
        motion.frame,
        time_s,
        velocity,
        derivative(velocity, time_s),
        angular,
        derivative(angular, time_s),
        cutoff,
    )


def _angular_velocity(
    orientation: Float[np.ndarray, "frames joints 3 3"], time_s: Float[np.ndarray, " frames"]
) -> Float[np.ndarray, "frames joints 3"]:
    """World angular velocity: the mean of those of the steps before and after each frame."""
    steps = orientation[1:] @ np.swapaxes(orientation[:-1], 2, 3)
    speed = rotvec_from_matrix(steps) / np.diff(time_s)[:, None, None]
    middle = (time_s[1:] + time_s[:-1]) / 2
    result = np.empty((len(time_s), *speed.shape[1:]))
    weight = ((time_s[1:-1] - middle[:-1]) / np.diff(middle))[:, None, None]
    result[1:-1] = (1 - weight) * speed[:-1] + weight * speed[1:]
    result[0] = 1.5 * speed[0] - 0.5 * speed[1]
    result[-1] = 1.5 * speed[-1] - 0.5 * speed[-2]
    return result
