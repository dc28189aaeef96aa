"""Lenses from a board: ours and OpenCV's, on the same simulated corners in one run.

Three lenses of which the truth is known (no distortion, two radial terms, a fisheye of 180
degrees) and three kinds of footage: the board all over the image; only near its middle; all over
with three pictures in which the corners were read wrongly. OpenCV gets the lens model it is
usually given (five Brown coefficients; for the fisheye its own fisheye model with a start near
the truth, as it has none), ours chooses.

The error of a lens is the root mean square distance, over the whole image, between where it and
the truth image the same ray, a rotation of the camera taken off.

    python tests/benchmarks/lens_calibration.py [--seeds N]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from report import Metric, print_report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from board_views import BARREL, BOARD, FISHEYE, PLAIN, SIZE, film, sightings

from calibration.intrinsics import calibrate_lens
from calibration.sightings import CameraSightings
from mocap.geometry.projection import project_points, unproject_pixels
from mocap.model import Intrinsics

LENSES = {"plain": PLAIN, "barrel": BARREL, "fisheye": FISHEYE}
FOOTAGE = ("everywhere", "middle", "everywhere, 3 bad views")
LARGEST_PX = 1e3
"""What a lens that has no image of a ray, or no calibration at all, is charged with."""


def footage(truth: Intrinsics, kind: str, seed: int) -> CameraSightings:
    """Simulated corners, 30 views with 0.3 px noise."""
    seen = film(truth, seed, views=30, spread=0.35 if kind == "middle" else 1.0).sightings
    if not kind.endswith("bad views"):
        return seen
    pixels, rng = np.array(seen.pixels), np.random.default_rng(seed)
    for view in (3, 11, 20):
        pixels[view] += rng.normal(0, 8.0, pixels[view].shape)
    return sightings(pixels)


def ours(seen: CameraSightings, _: Intrinsics) -> Intrinsics:
    return calibrate_lens(seen, BOARD).intrinsics


def opencv(seen: CameraSightings, truth: Intrinsics) -> Intrinsics:
    rows = [
        (np.asarray(BOARD.points_m)[mask], pixels[mask])
        for mask, pixels in zip(seen.seen, seen.pixels, strict=True)
    ]
    if truth.lens == "fisheye":
        start = np.array([[400.0, 0, 639.5], [0, 400.0, 359.5], [0, 0, 1]])
        flags = cv2.CALIB_RECOMPUTE_EXTRINSIC | cv2.CALIB_FIX_SKEW | cv2.CALIB_USE_INTRINSIC_GUESS
        _, matrix, coefficients, *_ = cv2.fisheye.calibrate(
            [r[0][None] for r in rows], [r[1][None] for r in rows], SIZE, start, np.zeros((4, 1)),
            flags=flags,
        )  # fmt: skip
        return Intrinsics(SIZE, matrix, coefficients.ravel(), "fisheye")
    _, matrix, coefficients, *_ = cv2.calibrateCamera(
        [r[0].astype(np.float32) for r in rows],
        [r[1].astype(np.float32) for r in rows],
        SIZE,
        None,
        None,
    )
    return Intrinsics(SIZE, matrix, coefficients.ravel()[:5])


def error_px(found: Intrinsics, truth: Intrinsics) -> float:
    """How far the found lens is from the true one; see above."""
    x, y = np.meshgrid(np.linspace(0, SIZE[0] - 1, 32), np.linspace(0, SIZE[1] - 1, 18))
    pixels = np.stack([x.ravel(), y.ravel()], axis=-1)
    rays = unproject_pixels(pixels, truth.matrix, truth.packed_distortions, truth.lens == "fisheye")
    fisheye = found.lens == "fisheye"
    own = unproject_pixels(pixels, found.matrix, found.packed_distortions, fisheye)
    imaged = np.isfinite(rays).all(axis=-1) & (rays[:, 2] > np.cos(np.deg2rad(90)))
    both = imaged & np.isfinite(own).all(axis=-1)
    turn = np.eye(3)
    if both.any():
        u, _, vt = np.linalg.svd(own[both].T @ rays[both])
        turn = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    image, _ = project_points(
        rays @ turn.T, found.matrix, found.packed_distortions, fisheye, np.eye(4)
    )
    miss = np.linalg.norm(image - pixels, axis=-1)[imaged]
    return float(np.sqrt(np.mean(np.minimum(np.nan_to_num(miss, nan=LARGEST_PX), LARGEST_PX) ** 2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    methods: dict[str, Callable[[CameraSightings, Intrinsics], Intrinsics]] = {
        "ours": ours,
        "opencv": opencv,
    }
    calibrate_lens(footage(PLAIN, "middle", 0), BOARD)  # imports
    metrics: list[Metric] = []
    for lens_name, truth in LENSES.items():
        for kind in FOOTAGE:
            for method, solve in methods.items():
                errors, seconds, failed = [], [], 0
                for seed in range(options.seeds):
                    seen = footage(truth, kind, seed)
                    started = time.process_time()
                    try:
                        found = solve(seen, truth)
                    except cv2.error:
                        failed += 1
                        errors.append(LARGEST_PX)
                        continue
                    seconds.append(time.process_time() - started)
                    errors.append(error_px(found, truth))
                key = f"{lens_name}.{kind.replace(', ', '_').replace(' ', '_')}.{method}"
                note = f"30 views, 0.3 px noise, board {kind}, {options.seeds} seeds"
                note += f"; {failed} failed" if failed else ""
                metrics.append(
                    Metric(f"{key}.median_error", float(np.median(errors)), "px", "lower", note)
                )
                metrics.append(
                    Metric(f"{key}.worst_error", float(np.max(errors)), "px", "lower", note)
                )
                cpu = float(np.median(seconds)) if seconds else float("nan")
                metrics.append(Metric(f"{key}.cpu_time", cpu, "s", "lower", note))
    print_report("lens_calibration", metrics)


if __name__ == "__main__":
    main()
