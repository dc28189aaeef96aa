"""The figures of each stride: time, length, speed, width of steps, share of stance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float
from mocap.body.biomechanics.contacts import FootContacts, FootPoints
from mocap.body.biomechanics.segments import SIDES
from mocap.body.biomechanics.tables import StrideTable
from mocap.model.body_motion import BodyMotion

FIGURES: tuple[tuple[str, str], ...] = (
    ("stride_time", "s"),
    ("stride_length", "m"),
    ("speed", "m/s"),
    ("cadence", "1/min"),
    ("step_time", "s"),
    ("step_length", "m"),
    ("step_width", "m"),
    ("stance", "%"),
    ("double_support", "%"),
    ("toe_out", "deg"),
    ("direction", "deg"),
)
"""Figures of a stride and their units."""

_SHORTEST_S, _LONGEST_S = 0.4, 2.5
"""Of a stride; outside it is not walking or running."""
_LEAST_LENGTH_M = 0.2
_FLAT = (0.15, 0.5)
"""Shares of a contact between which the foot lies flat and still."""


def stride_table(motion: BodyMotion, contacts: FootContacts, points: FootPoints) -> StrideTable:
    """Figures of all strides of a person, each from a foot strike to the next of that foot.

    A stride lasts 0.4 to 2.5 seconds, leads on by more than 0.2 m, and the person was there all
    the time. Where a foot stood is where its heel (or ankle) was on average while it lay flat.
    `docs/joint_angles.md` describes the figures.

    Args:
        motion: the motion.
        contacts: when the feet stood.
        points: heels and toes.
    """
    return _Strides(motion, contacts, points).table()


@dataclass(frozen=True)
class _Place:
    """Where a flat foot stood: mean place, direction of the toes, covariance of one frame."""

    place_m: np.ndarray
    toes: np.ndarray
    covariance_m2: np.ndarray


class _Strides:
    """Figures of all strides, in the ground's or the belt's frame."""

    def __init__(self, motion: BodyMotion, contacts: FootContacts, points: FootPoints) -> None:
        self.motion = motion
        self.contacts = contacts
        self.points = points
        self.belt_m_s = np.zeros(2)
        if contacts.method == "treadmill":
            self.belt_m_s = self._belt_speed()

    def table(self) -> StrideTable:
        """The figures of all strides."""
        rows: list[tuple[float, float, str, np.ndarray, np.ndarray]] = []
        for i, side in enumerate(SIDES):
            begins, ends = self.contacts.begin_s[i], self.contacts.end_s[i]
            for k in range(len(begins) - 1):
                duration = begins[k + 1] - begins[k]
                if np.isfinite(duration) and _SHORTEST_S <= duration <= _LONGEST_S:
                    found = self._figures(i, k, float(ends[k]))
                    if found is not None:
                        rows.append((float(begins[k]), float(begins[k + 1]), side, *found))
        rows.sort(key=lambda row: row[:3])
        count = len(FIGURES)
        return StrideTable(
            self.motion.person_id,
            tuple(row[2] for row in rows),
            np.array([row[0] for row in rows]),
            np.array([row[1] for row in rows]),
            tuple(name for name, _ in FIGURES),
            tuple(unit for _, unit in FIGURES),
            np.array([row[3] for row in rows]).reshape(-1, count),
            np.array([row[4] for row in rows]).reshape(-1, count),
        )

    def _figures(self, i: int, k: int, leave_s: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Values and standard deviations of a stride; None if it does not move on."""
        begin, end = (float(t) for t in self.contacts.begin_s[i][k : k + 2])
        inside = (self.motion.time_s >= begin) & (self.motion.time_s <= end)
        first, last = self._place(i, k), self._place(i, k + 1)
        if first is None or last is None or not self.motion.present[inside].all():
            return None
        vector = last.place_m - first.place_m
        length = float(np.linalg.norm(vector))
        if length < _LEAST_LENGTH_M:
            return None
        along = vector / length
        left = np.array([-along[1], along[0]])
        duration = end - begin
        value = dict.fromkeys((name for name, _ in FIGURES), np.nan)
        sigma = value.copy()
        value["stride_time"], value["stride_length"] = duration, length
        value["speed"], value["cadence"] = length / duration, 120.0 / duration
        sigma["stride_length"] = _spread(along, first, last)
        sigma["speed"] = sigma["stride_length"] / duration
        value["stance"] = 100.0 * (leave_s - begin) / duration
        value["direction"] = float(np.degrees(np.arctan2(along[1], along[0])))
        outwards = left if i == 0 else -left
        value["toe_out"] = float(np.degrees(np.arctan2(first.toes @ outwards, first.toes @ along)))
        other = 1 - i
        between = np.flatnonzero(
            (self.contacts.begin_s[other] > begin) & (self.contacts.begin_s[other] < end)
        )
        if len(between) == 1:
            step = self._place(other, int(between[0]))
            value["step_time"] = end - float(self.contacts.begin_s[other][between[0]])
            value["double_support"] = 100.0 * self._both(other, begin, leave_s, end) / duration
            if step is not None:
                value["step_length"] = float((last.place_m - step.place_m) @ along)
                sigma["step_length"] = _spread(along, step, last)
                way = float((step.place_m - first.place_m) @ along) / length
                aside = step.place_m - first.place_m - way * vector
                value["step_width"] = float(-aside @ outwards)
                sigma["step_width"] = float(
                    np.sqrt(
                        left
                        @ (
                            step.covariance_m2
                            + (1 - way) ** 2 * first.covariance_m2
                            + way**2 * last.covariance_m2
                        )
                        @ left
                    )
                )
        order = [name for name, _ in FIGURES]
        return np.array([value[n] for n in order]), np.array([sigma[n] for n in order])

    def _both(self, other: int, begin: float, leave: float, end: float) -> float:
        """Seconds of the stride's stance in which the other foot stands too."""
        begins = np.maximum(self.contacts.begin_s[other], begin)
        ends = np.minimum(self.contacts.end_s[other], min(leave, end))
        return float(np.maximum(ends - begins, 0.0).sum())

    def _flat(self, i: int, k: int) -> np.ndarray:
        """Frames in which the foot of a contact lies flat."""
        times = self.motion.time_s
        begin = max(float(self.contacts.begin_s[i][k]), float(times[0]))
        end = min(float(self.contacts.end_s[i][k]), float(times[-1]))
        low, high = (begin + share * (end - begin) for share in _FLAT)
        rows = np.flatnonzero((times >= low) & (times <= high) & self.motion.present)
        return rows if len(rows) else np.array([int(np.abs(times - (low + high) / 2).argmin())])

    def _place(self, i: int, k: int) -> _Place | None:
        rows = self._flat(i, k)
        if not self.motion.present[rows].all():
            return None
        heel, toe = self.points.heel_m[rows, i, :2], self.points.toe_m[rows, i, :2]
        moved = heel - self.belt_m_s * self.motion.time_s[rows, None]
        spread = self.motion.position_covariance_m2[rows, self.points.ankle[i], :2, :2]
        return _Place(moved.mean(axis=0), (toe - heel).mean(axis=0), spread.mean(axis=0))

    def _belt_speed(self) -> Float[np.ndarray, " 2"]:
        """Velocity of the belt: that of the flat feet, the median over all contacts."""
        speeds: list[np.ndarray] = []
        for i in range(2):
            for k in range(len(self.contacts.begin_s[i])):
                rows = self._flat(i, k)
                if len(rows) > 2:
                    heel = self.points.heel_m[rows, i, :2]
                    speeds.append(np.polyfit(self.motion.time_s[rows], heel, 1)[0])
        return np.median(speeds, axis=0) if speeds else np.zeros(2)


def _spread(along: np.ndarray, first: _Place, last: _Place) -> float:
    return float(np.sqrt(along @ (first.covariance_m2 + last.covariance_m2) @ along))
