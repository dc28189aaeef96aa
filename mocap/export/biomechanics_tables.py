"""Joint angles, centre of mass, events and strides as tables, one below the other for all people.

What they mean is said in docs/joint_angles.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from mocap.body.biomechanics.contacts import ContactMethod
from mocap.body.biomechanics.gait import gait
from mocap.body.biomechanics.joint_angles import joint_angles
from mocap.body.biomechanics.mass import center_of_mass
from mocap.body.biomechanics.tables import EventTable, QuantityTable, StrideTable
from mocap.export.tables import Table
from mocap.model import BodyMotion

Derived = Literal["angles", "center_of_mass", "events", "strides"]
_UNIT_NAMES = {"m/s": "m_s", "deg/s": "deg_s", "%": "percent", "1/min": "per_min"}


def derived_table(kind: Derived, motion: BodyMotion, method: ContactMethod) -> Table:
    """One of the tables of a person.

    Args:
        kind: which.
        motion: the person's motion.
        method: how foot contacts are found, for events and strides.

    Raises:
        InputError: the body lacks joints that are needed, or there are too few frames.
    """
    return _MAKERS[kind](motion, method)


def quantity_table(name: str, table: QuantityTable) -> Table:
    """Columns `frame`, `time_s`, `id`, then for each quantity its value `NAME_UNIT`, its standard
    deviation `NAME_sigma_UNIT`, and `NAME_measured` (0 where it rests on no measurement); for
    angles and their speeds also `NAME_singular` (1 next to a gimbal lock, where it means little).
    """
    columns: dict[str, np.ndarray] = {
        "frame": table.frame,
        "time_s": table.time_s,
        "id": np.full(len(table), table.person_id),
    }
    for i, (column, unit) in enumerate(zip(table.names, table.units, strict=True)):
        columns[_with_unit(column, unit)] = table.values[:, i]
        columns[_with_unit(f"{column}_sigma", unit)] = table.sigma[:, i]
        columns[f"{column}_measured"] = table.measured[:, i]
        if unit.startswith("deg"):
            columns[f"{column}_singular"] = table.singular[:, i]
    return Table(name, columns, {})


def event_table(events: EventTable) -> Table:
    """Columns `frame`, `time_s`, `id`, `side`, `event` ("foot_strike", "toe_off"), `measured`."""
    columns: dict[str, np.ndarray] = {
        "frame": events.frame,
        "time_s": events.time_s,
        "id": np.full(len(events), events.person_id),
        "side": np.array(events.side, np.str_),
        "event": np.array(events.kind, np.str_),
        "measured": events.measured,
    }
    return Table("events", columns, {})


def stride_table(strides: StrideTable) -> Table:
    """Columns `id`, `side`, `begin_s`, `end_s`, then each figure and its standard deviation."""
    columns: dict[str, np.ndarray] = {
        "id": np.full(len(strides), strides.person_id),
        "side": np.array(strides.side, np.str_),
        "begin_s": strides.begin_s,
        "end_s": strides.end_s,
    }
    for i, (name, unit) in enumerate(zip(strides.names, strides.units, strict=True)):
        columns[_with_unit(name, unit)] = strides.values[:, i]
        columns[_with_unit(f"{name}_sigma", unit)] = strides.sigma[:, i]
    return Table("strides", columns, {})


def _with_unit(name: str, unit: str) -> str:
    return f"{name}_{_UNIT_NAMES.get(unit, unit)}" if unit else name


_MAKERS: Mapping[Derived, Callable[[BodyMotion, ContactMethod], Table]] = {
    "angles": lambda motion, _: quantity_table("angles", joint_angles(motion)),
    "center_of_mass": lambda motion, _: quantity_table("center_of_mass", center_of_mass(motion)),
    "events": lambda motion, method: event_table(gait(motion, method).events),
    "strides": lambda motion, method: stride_table(gait(motion, method).strides),
}
