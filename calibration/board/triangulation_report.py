"""How good a rig is by what its cameras saw of a board: the judge of benchmarks and tests.

Every corner at every instant is triangulated from all cameras that saw it, nothing left out, as the
checks of the verdict do; the rest is what the board is known to be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.checks.scale import edge_lengths
from calibration.checks.tracks import (
    PointTracks,
    Triangulation,
    tracks_of_sightings,
    triangulate,
)
from calibration.sightings import Sightings
from mocap.arrays import Float
from mocap.errors import CalibrationError
from mocap.model import Rig


@dataclass(frozen=True)
class TriangulationReport:
    """What triangulated corners say.

    Attributes:
        tracks: the corners at common instants, by the rig's time offsets.
        seen: their triangulation.
        edge_m: length of each edge of the target that was seen whole.
        pair_rmse_m: root mean square error of the distances of all pairs of points.
    """

    tracks: PointTracks
    seen: Triangulation
    edge_m: Float[np.ndarray, " edges_seen"]
    pair_rmse_m: float

    @property
    def rmse_px(self) -> float:
        """Of all residual lengths, all points, nothing removed."""
        return self.seen.rmse_px()

    @property
    def edge_mean_mm(self) -> float:
        """Mean length of an edge."""
        return 1000 * float(np.mean(self.edge_m)) if len(self.edge_m) else float("nan")

    @property
    def edge_sd_mm(self) -> float:
        """Standard deviation of the lengths of edges."""
        return 1000 * float(np.std(self.edge_m)) if len(self.edge_m) else float("nan")

    @property
    def pair_rmse_mm(self) -> float:
        """As `pair_rmse_m`."""
        return 1000 * self.pair_rmse_m


def triangulation_report(
    rig: Rig, sightings: Sightings, drift_ppm: Float[np.ndarray, " cameras"] | None = None
) -> TriangulationReport:
    """Judges a rig.

    Args:
        rig: holds at least the cameras of the sightings.
        sightings: of a target, which need not be the one of the calibration.
        drift_ppm: of the clocks, in the order of the sightings' cameras; NaN counts as zero.

    Raises:
        CalibrationError: no point is seen by two cameras at the same time.
        RigError: a camera is not in the rig.
    """
    rig = rig.subset(sightings.names)
    tracks = tracks_of_sightings(rig, sightings, drift_ppm)
    seen = triangulate(rig, tracks)
    if not np.isfinite(seen.points).any():
        raise CalibrationError(
            "no point of the board is seen by two cameras at the same time; check the time "
            "offsets of the rig, or film the board where cameras see it together"
        )
    target = sightings.target
    a, b = np.triu_indices(len(target.points_m), 1)
    error = np.linalg.norm(seen.points[:, a] - seen.points[:, b], axis=-1)
    error = error - np.linalg.norm(target.points_m[a] - target.points_m[b], axis=-1)
    error = error[np.isfinite(error)]
    rmse_m = float(np.sqrt(np.mean(error**2))) if len(error) else float("nan")
    return TriangulationReport(tracks, seen, edge_lengths(target, seen).length_m, rmse_m)
