"""Gait: foot contacts, foot strikes and toe offs, and strides, in one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mocap.body.biomechanics.contacts import (
    ContactMethod,
    FootContacts,
    FootPoints,
    foot_contacts,
    foot_points,
)
from mocap.body.biomechanics.derivatives import CUTOFF_HZ
from mocap.body.biomechanics.segments import SIDES, body_segments
from mocap.body.biomechanics.strides import stride_table
from mocap.body.biomechanics.tables import EventTable, StrideTable
from mocap.model.body_motion import BodyMotion


@dataclass(frozen=True, eq=False)
class Gait:
    """Contacts, events and strides of one person.

    Attributes:
        contacts: when the feet stand.
        events: foot strikes and toe offs.
        strides: those that move on; none in a motion without walking.
    """

    contacts: FootContacts
    events: EventTable
    strides: StrideTable


def gait(
    motion: BodyMotion,
    method: ContactMethod = "ground",
    *,
    names: Mapping[str, str] | None = None,
    cutoff_hz: float = CUTOFF_HZ,
) -> Gait:
    """Foot contacts, events and strides of a person.

    Args:
        motion: at least five frames.
        method: "ground", or "treadmill" for walking on a moving belt.
        names: names of joints by landmark, for models whose joints are not known by name.
        cutoff_hz: of the low-pass filter of the positions.

    Raises:
        InputError: the method is unknown, the body has no feet, or there are too few frames.
    """
    contacts = foot_contacts(motion, method, names=names, cutoff_hz=cutoff_hz)
    points = foot_points(motion, body_segments(motion.tree, motion.rest_joints_m, names))
    return Gait(
        contacts,
        gait_events(motion, contacts, points),
        stride_table(motion, contacts, points),
    )


def gait_events(motion: BodyMotion, contacts: FootContacts, points: FootPoints) -> EventTable:
    """Begin and end of the contacts as events, in order of time."""
    rows: list[tuple[float, str, str, int]] = []
    for i, side in enumerate(SIDES):
        for kind, times in (("foot_strike", contacts.begin_s), ("toe_off", contacts.end_s)):
            rows += [(float(t), kind, side, i) for t in times[i] if np.isfinite(t)]
    rows.sort()
    nearest = [int(np.abs(motion.time_s - row[0]).argmin()) for row in rows]
    rows = [row for row, t in zip(rows, nearest, strict=True) if motion.present[t]]
    nearest = [t for t in nearest if motion.present[t]]
    return EventTable(
        motion.person_id,
        tuple(row[1] for row in rows),
        tuple(row[2] for row in rows),
        motion.frame[nearest],
        np.array([row[0] for row in rows]),
        np.array(
            [
                motion.measured[t, points.ankle[row[3]]]
                for t, row in zip(nearest, rows, strict=True)
            ],
            dtype=bool,
        ),
    )
