"""Curves over the gait cycle: every stride stretched to 0 to 100 %, strike to strike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float
from mocap.body.biomechanics.tables import QuantityTable, StrideTable

POINTS = 101
AGAINST_PATH = ("pelvis_left_rotation", "thorax_left_rotation")
"""Angles which are taken against the direction of the stride rather than the world."""
CENTRAL_SIDE = "right"
"""Whose strides the curves of pelvis, trunk and neck are over."""


@dataclass(frozen=True, eq=False)
class GaitCycle:
    """One quantity over the gait cycle.

    Attributes:
        name: of the quantity.
        unit: its unit.
        side: whose strides they are.
        curves: the quantity at 0, 1, ..., 100 % of each of S strides; NaN where it was missing.
        mean: over the strides.
        spread: standard deviation between the strides; NaN with fewer than two.
        sigma: standard deviation of measurement in a typical stride; NaN where unknown.
        stance_percent: mean end of the stance.
    """

    name: str
    unit: str
    side: str
    curves: Float[np.ndarray, "strides 101"]
    mean: Float[np.ndarray, " 101"]
    spread: Float[np.ndarray, " 101"]
    sigma: Float[np.ndarray, " 101"]
    stance_percent: float


def gait_cycles(table: QuantityTable, strides: StrideTable) -> dict[str, GaitCycle]:
    """Curves over the gait cycle of all quantities of a table, by name.

    A quantity of the left side is over the strides of the left foot, of the right side over those
    of the right, any other over those of the right. Without such strides it is left out. The
    rotations of pelvis and thorax about the vertical are against the direction of the stride.

    Args:
        table: the quantities.
        strides: of the same person.
    """
    cycles: dict[str, GaitCycle] = {}
    stance = strides.figure("stance")
    for k, name in enumerate(table.names):
        side = next((s for s in ("left", "right") if name.startswith(f"{s}_")), CENTRAL_SIDE)
        rows = [i for i, other in enumerate(strides.side) if other == side]
        if not rows:
            continue
        curves = np.empty((len(rows), POINTS))
        sigma = np.empty((len(rows), POINTS))
        for i, row in enumerate(rows):
            at = np.linspace(strides.begin_s[row], strides.end_s[row], POINTS)
            curves[i] = np.interp(at, table.time_s, table.values[:, k])
            if name in AGAINST_PATH:
                curves[i] -= strides.figure("direction")[row]
                known = curves[i][np.isfinite(curves[i])]
                if len(known):
                    curves[i] -= 360.0 * np.round(np.median(known) / 360.0)
            sigma[i] = np.interp(at, table.time_s, table.sigma[:, k])
        whole = curves[np.isfinite(curves).all(axis=1)]
        nothing = np.full(POINTS, np.nan)
        cycles[name] = GaitCycle(
            name,
            table.units[k],
            side,
            curves,
            whole.mean(axis=0) if len(whole) else nothing,
            whole.std(axis=0, ddof=1) if len(whole) > 1 else nothing,
            np.median(sigma, axis=0),
            float(stance[rows].mean()),
        )
    return cycles
