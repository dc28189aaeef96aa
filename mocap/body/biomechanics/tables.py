"""Results of biomechanics as tables: columns over time, events, and strides.

One shape of table serves angles, centre of mass and speeds, so that whoever writes CSV, MOT or
Parquet needs no knowledge of what is in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from mocap.arrays import Bool, Float, Int, frozen_array
from mocap.errors import InputError, valid_choices


@dataclass(frozen=True, eq=False)
class QuantityTable:
    """N quantities of one person over F frames, with their uncertainty.

    Attributes:
        person_id: whose they are.
        names: of the columns, unique.
        units: of each column, such as "deg", "m", "m/s".
        frame: frame numbers of the session.
        time_s: seconds of the session clock.
        values: in those units; NaN where there is none.
        sigma: standard deviations, same units; NaN where unknown.
        measured: whether the value was held by measurements in the frame, rather than by the
            motion before and after, limits and priors.
        singular: whether the value is close to where its definition breaks down (gimbal lock), so
            that it may jump there.
    """

    person_id: int
    names: tuple[str, ...]
    units: tuple[str, ...]
    frame: Int[np.ndarray, " frames"]
    time_s: Float[np.ndarray, " frames"]
    values: Float[np.ndarray, "frames columns"]
    sigma: Float[np.ndarray, "frames columns"]
    measured: Bool[np.ndarray, "frames columns"]
    singular: Bool[np.ndarray, "frames columns"]

    def __post_init__(self) -> None:
        f, n = len(self.frame), len(self.names)
        if len(set(self.names)) != n or len(self.units) != n:
            raise ValueError("a table needs one unit per column and no name twice")
        shapes: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
            "frame": (np.int64, (f,)),
            "time_s": (np.float64, (f,)),
            "values": (np.float64, (f, n)),
            "sigma": (np.float64, (f, n)),
            "measured": (np.bool_, (f, n)),
            "singular": (np.bool_, (f, n)),
        }
        for name, (dtype, shape) in shapes.items():
            object.__setattr__(self, name, frozen_array(getattr(self, name), dtype, shape, name))

    def __len__(self) -> int:
        return len(self.frame)

    def index(self, name: str) -> int:
        """Index of a column.

        Raises:
            InputError: there is none of this name; the message lists those there are.
        """
        if name not in self.names:
            raise InputError(f"no column {name!r}; columns are {valid_choices(self.names, 60)}")
        return self.names.index(name)

    def column(self, name: str) -> Float[np.ndarray, " frames"]:
        """Values of one column."""
        return self.values[:, self.index(name)]

    def select(self, names: Iterable[str]) -> QuantityTable:
        """A table of some columns, in the order given."""
        rows = [self.index(name) for name in names]
        return replace(
            self,
            names=tuple(self.names[i] for i in rows),
            units=tuple(self.units[i] for i in rows),
            **{name: getattr(self, name)[:, rows] for name in _PER_COLUMN},
        )

    def joined(self, *others: QuantityTable) -> QuantityTable:
        """A table with the columns of others of the same person and frames behind its own.

        Raises:
            ValueError: the frames are not the same.
        """
        if any(not np.array_equal(self.frame, other.frame) for other in others):
            raise ValueError("tables over different frames cannot be joined")
        tables = (self, *others)
        return replace(
            self,
            names=tuple(name for table in tables for name in table.names),
            units=tuple(unit for table in tables for unit in table.units),
            **{
                name: np.concatenate([getattr(table, name) for table in tables], axis=1)
                for name in _PER_COLUMN
            },
        )

    def only_measured(self) -> QuantityTable:
        """The same with NaN wherever nothing was measured."""
        return replace(
            self,
            values=np.where(self.measured, self.values, np.nan),
            sigma=np.where(self.measured, self.sigma, np.nan),
        )


_EVENT_COLUMNS: tuple[tuple[str, type[np.generic]], ...] = (
    ("frame", np.int64),
    ("time_s", np.float64),
    ("measured", np.bool_),
)
_PER_COLUMN = ("values", "sigma", "measured", "singular")


@dataclass(frozen=True, eq=False)
class EventTable:
    """What happened when: foot strikes and toe offs of one person, in order of time.

    Attributes:
        person_id: whose they are.
        kind: "foot_strike" or "toe_off".
        side: "left" or "right".
        frame: nearest frame number of the session.
        time_s: seconds of the session clock, between frames where the method can tell.
        measured: whether the foot was held by measurements in that frame.
    """

    person_id: int
    kind: tuple[str, ...]
    side: tuple[str, ...]
    frame: Int[np.ndarray, " events"]
    time_s: Float[np.ndarray, " events"]
    measured: Bool[np.ndarray, " events"]

    def __post_init__(self) -> None:
        count = len(self.kind)
        if len(self.side) != count:
            raise ValueError("an event table needs one side per event")
        for name, dtype in _EVENT_COLUMNS:
            array = frozen_array(getattr(self, name), dtype, (count,), name)
            object.__setattr__(self, name, array)
        if (np.diff(self.time_s) < 0).any():
            raise ValueError("events stand in order of time")

    def __len__(self) -> int:
        return len(self.kind)

    def times(self, kind: str, side: str) -> Float[np.ndarray, " some"]:
        """Times of one kind of event of one side, ascending, in seconds."""
        rows = [k == kind and s == side for k, s in zip(self.kind, self.side, strict=True)]
        return self.time_s[np.array(rows, dtype=bool)]


@dataclass(frozen=True, eq=False)
class StrideTable:
    """Figures of S strides of one person, in order of time.

    Attributes:
        person_id: whose they are.
        side: "left" or "right", the foot that makes the stride.
        begin_s: time of the foot strike that begins it.
        end_s: time of the next foot strike of the same foot.
        names: of the figures.
        units: of each figure.
        values: in those units; NaN where it cannot be said.
        sigma: standard deviations, same units; NaN where unknown.
    """

    person_id: int
    side: tuple[str, ...]
    begin_s: Float[np.ndarray, " strides"]
    end_s: Float[np.ndarray, " strides"]
    names: tuple[str, ...]
    units: tuple[str, ...]
    values: Float[np.ndarray, "strides figures"]
    sigma: Float[np.ndarray, "strides figures"]

    def __post_init__(self) -> None:
        s, n = len(self.side), len(self.names)
        if len(self.units) != n:
            raise ValueError("a stride table needs one unit per figure")
        for name, shape in (
            ("begin_s", (s,)),
            ("end_s", (s,)),
            ("values", (s, n)),
            ("sigma", (s, n)),
        ):
            array = frozen_array(getattr(self, name), np.float64, shape, name)
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.side)

    def figure(self, name: str) -> Float[np.ndarray, " strides"]:
        """Values of one figure.

        Raises:
            InputError: there is none of this name; the message lists those there are.
        """
        if name not in self.names:
            raise InputError(f"no figure {name!r}; figures are {valid_choices(self.names)}")
        return self.values[:, self.names.index(name)]
