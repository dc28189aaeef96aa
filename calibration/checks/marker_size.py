"""Are the markers of a grid as wide as described, compared with their distance?

The two lengths of a grid are given separately, and the second one is easily mistaken: Kalibr's
`tagSpacing` is a share of a tag, not metres. A wrong one bends the board: no residual says in which
way, and the lens takes up a part of it. Each single view tells, as a plane maps to an image by a
homography, whatever the pose; only the lens has to be known roughly.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding
from calibration.plane_map import plain_homography
from mocap.arrays import Float
from mocap.geometry.projection import unproject_pixels
from mocap.model import Intrinsics, Target

VIEWS = 60
"""So many views of each camera are looked at."""
LEAST_POINTS = 12
SIGNIFICANT = 8.0
"""Standard deviations."""
WARN_SHARE, FAIL_SHARE = 0.003, 0.01
"""Of the side of a marker; paper and printers are not true to a thousandth."""
STEPS = 4


def check_marker_size(evidence: Evidence) -> list[Finding]:
    """Markers whose size does not go with the distance between them."""
    if evidence.sightings is None or not evidence.sightings.target.is_marker_grid:
        return []
    target = evidence.sightings.target
    views: list[tuple[np.ndarray, np.ndarray]] = []
    for camera in evidence.rig:
        own = evidence.sightings[camera.name]
        many = np.flatnonzero(own.seen.sum(axis=1) >= LEAST_POINTS)
        chosen = many[np.linspace(0, len(many) - 1, min(VIEWS, len(many))).round().astype(int)]
        views += [_ideal(camera.intrinsics, own.pixels[i]) for i in chosen]
    found = marker_side(target, views)
    if found is None:
        return []
    side, sigma = found
    described, apart = float(target.marker_m or 0.0), target.square_m
    share = abs(side - described) / described
    if share < WARN_SHARE or abs(side - described) < SIGNIFICANT * sigma:
        return []
    would = f"markers {1000 * apart:g} mm apart would be {1000 * side:.2f} mm wide"
    if target.kind == "aprilgrid":
        would += (
            f" (tagSpacing {(apart - side) / side:.3f}, not {(apart - described) / described:.3f})"
        )
    return [
        Finding(
            "fail" if share >= FAIL_SHARE else "warn",
            "marker_size",
            (),
            f"markers and gaps of the target are not as described: by the pictures {would}, the "
            f"description says {1000 * described:g} mm",
            "Measure a marker, and the distance from one marker's edge to the same edge of the "
            "next, on the print, correct the target's description and calibrate again",
            {"marker_mm": 1000 * side, "sigma_mm": 1000 * sigma},
        )
    ]


def marker_side(
    target: Target, views: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[float, float] | None:
    """The side of a marker that fits views of a grid best, with its standard deviation, metres.

    Gauss and Newton over the side, the homography of each view eliminated; views that fit worse
    than half of them do not count.

    Args:
        target: the grid; the distance between its markers is taken as described.
        views: numbers of points (n), and their places (n, 2) in an ideal pinhole camera.

    Returns:
        None where nothing tells.
    """
    side = float(target.marker_m or 0.0)
    step = 1e-3 * side
    sigma = np.inf
    for _ in range(STEPS):
        places = replace(target, marker_m=side).points_m[:, :2]
        slope = (replace(target, marker_m=side - step).points_m[:, :2] - places) / -step
        sums = [s for s in (_sums(places[n], slope[n], at) for n, at in views) if s is not None]
        if not sums:
            return None
        by_slope, by_itself, squares, degrees = np.array(sums).T
        good = squares / degrees <= np.median(squares / degrees)
        curvature = by_itself[good].sum()
        if not curvature > 0:
            return None
        sigma = float(np.sqrt(squares[good].sum() / degrees[good].sum() / curvature))
        change = float(by_slope[good].sum() / curvature)
        side = float(np.clip(side + change, 0.5 * side, 0.5 * (side + target.square_m)))
        if abs(change) < 0.1 * sigma:
            break
    return side, sigma


def _ideal(
    lens: Intrinsics, pixels: Float[np.ndarray, "points 2"]
) -> tuple[np.ndarray, np.ndarray]:
    rays = unproject_pixels(pixels, lens.matrix, lens.packed_distortions, lens.lens == "fisheye")
    known = np.flatnonzero(np.isfinite(rays).all(axis=1) & (rays[:, 2] > 0.05))
    # In pixels of the middle of the image, so that views of cameras may be added.
    return known, lens.focal_px * rays[known, :2] / rays[known, 2:]


def _sums(
    places: np.ndarray, slope: np.ndarray, at: np.ndarray
) -> tuple[float, float, float, int] | None:
    """What one view adds to the equation of the side: slope by residual, slope by slope, square of
    the residual, and degrees of freedom."""
    if len(places) < LEAST_POINTS:
        return None
    H = plain_homography(places, at)
    if H is None:
        return None
    ahead = np.column_stack([places, np.ones(len(places))])
    u, v, w = H @ ahead.T
    x, y = u / w, v / w
    zero = np.zeros_like(ahead)
    over = ahead / w[:, None]
    rows_x = np.concatenate([over, zero, -x[:, None] * over[:, :2]], axis=1)
    rows_y = np.concatenate([zero, over, -y[:, None] * over[:, :2]], axis=1)
    by_place = np.stack(
        [(H[0, :2] - x[:, None] * H[2, :2]), (H[1, :2] - y[:, None] * H[2, :2])], axis=1
    )
    moved = np.einsum("nij,nj->ni", by_place / w[:, None, None], slope)
    residual = np.concatenate([at[:, 0] - x, at[:, 1] - y])
    direction = np.concatenate([moved[:, 0], moved[:, 1]])
    basis, _ = np.linalg.qr(np.concatenate([rows_x, rows_y]))
    direction = direction - basis @ (basis.T @ direction)
    residual = residual - basis @ (basis.T @ residual)
    return (
        float(direction @ residual),
        float(direction @ direction),
        float(residual @ residual),
        2 * len(places) - 9,
    )
