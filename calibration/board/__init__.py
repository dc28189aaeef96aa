"""A rig from a moved board: first poses, one joint adjustment with clocks, and its judge."""

from calibration.board.freedom import (
    Freedom,
    fixed_lens,
    focal_freedom,
    full_freedom,
    known_freedom,
    lens_freedoms,
)
from calibration.board.gauge import center_jacobian, center_sigma_m, change_gauge
from calibration.board.rig_from_board import (
    SharedViews,
    calibrate_rig_from_board,
    shared_views,
)
from calibration.board.triangulation_report import (
    TriangulationReport,
    triangulation_report,
)
from calibration.board.unknowns import LensFreedom

__all__ = [
    "Freedom",
    "LensFreedom",
    "SharedViews",
    "TriangulationReport",
    "calibrate_rig_from_board",
    "center_jacobian",
    "center_sigma_m",
    "change_gauge",
    "fixed_lens",
    "focal_freedom",
    "full_freedom",
    "known_freedom",
    "lens_freedoms",
    "shared_views",
    "triangulation_report",
]
