"""Feet that stand, roll and swing: where each foot is at any time, without sliding.

A standing foot does not move. It lands on the heel, rolls flat about it, and before it leaves
rolls over the ball while the toes stay flat. Between two stands it swings along a smooth curve
which continues the speed it leaves with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.spatial import ConvexHull

from mocap.studio.bodies import Body
from mocap.studio.inverse_kinematics import Rotation, Vector, turn
from mocap.studio.posing import SIDES, Foot, Y, Z

LANDING_S = 0.10
"""From the touch of the heel to the flat foot."""
ROLLING_S = 0.30
"""From the rise of the heel to the leaving of the toes."""
_TOE_RELAX_SHARE = 0.55
_STEP_S = 1e-3


_Value = TypeVar("_Value", float, np.ndarray)


@dataclass(frozen=True)
class Stand:
    """One contact of a foot with the floor.

    Attributes:
        begin_s: when it lands; minus infinity if it stands from the beginning.
        end_s: when it leaves; infinity if it stays.
        place_m: (x, y) of the ankle over the flat foot.
        yaw_rad: where the foot points, from world x.
        landing_rad: how far the toes are up when the heel lands; negative lands on the ball.
        leaving_rad: how far the heel is up when the toes leave.
        lift_m: extra height of the foot in the swing after this stand.
        hop_m: height of the flight after this stand, when the whole body leaves the floor.
    """

    begin_s: float
    end_s: float
    place_m: tuple[float, float]
    yaw_rad: float
    landing_rad: float = 0.0
    leaving_rad: float = 0.0
    lift_m: float = 0.0
    hop_m: float = 0.0


@dataclass(frozen=True)
class _State:
    ankle: Vector
    yaw: float
    pitch: float
    toes: float


class FootShape:
    """The sole of one foot: how its ankle moves when it rolls.

    Attributes:
        ankle_height_m: height of the ankle over the floor of a flat foot.

    Args:
        body: whose foot.
        i: 0 left, 1 right.
    """

    def __init__(self, body: Body, i: int) -> None:
        side = SIDES[i]
        foot = [
            k
            for k, name in enumerate(body.bone_names)
            if name.startswith(("foot", "toe")) and name.endswith(side)
        ]
        own = body.rest_vertices_m[body.vertex_weights[:, foot].sum(axis=1) > 0.9]
        ankle = body.rest_heads_m[body.bone(f"foot.{side}")]
        toes = [body.rest_heads_m[body.bone(f"toe{k}-1.{side}")] for k in (1, 2, 3, 4, 5)]
        self.ankle_height_m = float(ankle[2])
        self._ball = np.mean(toes, axis=0) - ankle
        hull = own[ConvexHull(own).vertices] - ankle
        before = hull[:, 0] > self._ball[0]
        self._sole, self._toes = hull[~before], hull[before] - self._ball
        low = own[own[:, 2] < own[:, 2].min() + 0.004]
        heel = low[low[:, 0].argmin()]
        self._heel = np.array([heel[0] - ankle[0], 0.0, -ankle[2]])

    def rolled(self, place: tuple[float, float], yaw: float, pitch: float) -> _State:
        """The standing foot: toes up by `pitch` about the heel, or heel up by -pitch."""
        R_yaw = turn(Z, yaw)
        rotation = R_yaw @ turn(-Y, pitch)
        flat = np.array([*place, self.ankle_height_m])
        pivot = self._heel if pitch > 0 else self._ball
        ankle = flat + R_yaw @ pivot - rotation @ pivot
        if pitch > 0:
            ankle = ankle - Z * self.lowest(ankle, rotation, 0.0)
        return _State(ankle, yaw, pitch, max(-pitch, 0.0))

    def lowest(self, ankle: Vector, rotation: Rotation, toes_rad: float) -> float:
        """Height of the lowest point of a foot whose toes are bent up by an angle."""
        toes = (rotation @ turn(-Y, toes_rad))[2]
        ball = float(self._ball @ rotation[2])
        low = min(float((self._sole @ rotation[2]).min()), ball + float((self._toes @ toes).min()))
        return float(ankle[2]) + low


class FootTrack:
    """One foot over time.

    Attributes:
        shape: its sole.
        stands: its contacts, in order of time.

    Args:
        shape: its sole.
        stands: its contacts, in order of time; at least one.
        clearance_m: least height of the sole in the middle of a swing.
    """

    def __init__(
        self, shape: FootShape, stands: Sequence[Stand], clearance_m: float = 0.02
    ) -> None:
        self.shape = shape
        self.stands = tuple(stands)
        self._clearance_m = clearance_m

    def stand_at(self, time_s: float) -> Stand | None:
        """The contact at a time, or None in a swing."""
        for stand in self.stands:
            if stand.begin_s <= time_s <= stand.end_s:
                return stand
        return None

    def at(self, time_s: float) -> Foot:
        """The foot at a time."""
        state = self._state(time_s)
        rotation = turn(Z, state.yaw) @ turn(-Y, state.pitch)
        return Foot(state.ankle, rotation, state.toes)

    def _state(self, time_s: float) -> _State:
        previous = self.stands[0]
        for stand in self.stands:
            if time_s < stand.begin_s:
                return self._swing(previous, stand, time_s)
            if time_s <= stand.end_s:
                return self._standing(stand, time_s)
            previous = stand
        return self._standing(previous, previous.end_s)

    def _standing(self, stand: Stand, time_s: float) -> _State:
        pitch = 0.0
        since, left = time_s - stand.begin_s, stand.end_s - time_s
        if since < LANDING_S and stand.landing_rad:
            pitch = stand.landing_rad * (1 - _ease_out(since / LANDING_S))
        if left < ROLLING_S and stand.leaving_rad:
            pitch = -stand.leaving_rad * (1 - left / ROLLING_S) ** 2
        return self.shape.rolled(stand.place_m, stand.yaw_rad, pitch)

    def _swing(self, start: Stand, end: Stand, time_s: float) -> _State:
        duration = end.begin_s - start.end_s
        u = (time_s - start.end_s) / duration
        a, a_before = (self._standing(start, start.end_s - dt) for dt in (0.0, _STEP_S))
        b, b_after = (self._standing(end, end.begin_s + dt) for dt in (0.0, _STEP_S))
        # In a flight the foot goes with the body and not with the speed of its rolling.
        speed = 0.0 if start.hop_m else duration / _STEP_S
        ankle = _hermite(
            u,
            a.ankle,
            b.ankle,
            (a.ankle - a_before.ankle) * speed,
            (b_after.ankle - b.ankle) * speed,
        )
        pitch = _hermite(
            u,
            a.pitch,
            b.pitch,
            (a.pitch - a_before.pitch) * speed,
            (b_after.pitch - b.pitch) * speed,
        )
        yaw = a.yaw + _smooth(u) * _nearest_turn(b.yaw - a.yaw)
        toes = a.toes * (1 - _smooth(min(u / _TOE_RELAX_SHARE, 1.0)))
        toes += b.toes * _smooth(max((u - 1) / _TOE_RELAX_SHARE + 1, 0.0))
        ankle = ankle + Z * (start.lift_m * 16 * (u * (1 - u)) ** 2 + start.hop_m * 4 * u * (1 - u))
        low = self.shape.lowest(ankle, turn(Z, yaw) @ turn(-Y, pitch), toes)
        wanted = self._clearance_m * 16 * (u * (1 - u)) ** 2
        # A smooth maximum, so that the foot does not jerk when it would touch.
        gap = low - wanted
        ankle = ankle + Z * (0.5 * (np.sqrt(gap**2 + 4e-6) - gap) * min(1.0, 30 * u, 30 * (1 - u)))
        return _State(ankle, yaw, float(pitch), float(toes))


def _nearest_turn(angle: float) -> float:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _ease_out(u: float) -> float:
    return 1 - (1 - u) ** 2


def _smooth(u: float) -> float:
    """From 0 to 1 with speed and acceleration 0 at both ends."""
    return u * u * u * (u * (6 * u - 15) + 10)


def _hermite(u: float, a: _Value, b: _Value, speed_a: _Value, speed_b: _Value) -> _Value:
    """Cubic between two values with given changes per unit of u at its ends."""
    square, cube = u * u, u * u * u
    return (
        (2 * cube - 3 * square + 1) * a
        + (cube - 2 * square + u) * speed_a
        + (3 * square - 2 * cube) * b
        + (cube - square) * speed_b
    )
