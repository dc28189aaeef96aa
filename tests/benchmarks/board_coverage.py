"""How well calibration with a board hits the truth, and whether it knows how well.

Simulated corners of a waved board, many seeds: errors of centres, rotations and time offsets, and
the share of true errors inside the 90 % regions that the covariance promises.

    python tests/benchmarks/board_coverage.py [--seeds N]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from report import Metric, print_report
from scipy.stats import chi2, norm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from board_scene import BoardScene, board_scene, relative_errors

from calibration.board import calibrate_rig_from_board
from calibration.solution import Solution
from mocap.geometry.rotations import rotvec_from_matrix

LEVEL = 0.9
SCENES: dict[str, dict] = {
    "2 cameras": {"cameras": 2},
    "4 cameras": {"cameras": 4},
    "4 cameras, no distortion": {"cameras": 4, "distorted": False},
    "8 cameras": {"cameras": 8, "duration_s": 6.0},
    "4 cameras, offsets 0.4 and 7.3 frames, drift, drops": {
        "cameras": 4,
        "offset_frames": (0.0, 0.4, 7.3, -1.2),
        "drift_ppm": (0.0, 80.0, -40.0, 0.0),
        "dropped_share": 0.05,
    },
    "4 cameras, 3 % wrong corners": {"cameras": 4, "wrong_share": 0.03},
    "4 cameras, errors shared by the corners of a view": {"cameras": 4, "view_noise_px": 0.3},
}


def inside(scene: BoardScene, found: Solution) -> tuple[list[bool], list[bool]]:
    """Per camera, whether its true pose, and its true offset, are in their 90 % regions."""
    base = scene.rig.cameras[0]
    poses: list[bool] = []
    offsets: list[bool] = []
    for c, camera in enumerate(found.rig):
        if c == 0:
            continue
        true = scene.rig[camera.name].T_cam_world @ base.T_world_cam
        error = np.append(
            rotvec_from_matrix(true[:3, :3] @ camera.T_cam_world[:3, :3].T),
            true[:3, 3] - camera.T_cam_world[:3, 3],
        )
        block = found.pose_covariance[6 * c : 6 * c + 6, 6 * c : 6 * c + 6]
        poses.append(bool(error @ np.linalg.solve(block, error) < chi2.ppf(LEVEL, 6)))
        sigma = found.time_offset_sigma_s[c]
        if np.isfinite(sigma):
            away = camera.time_offset_s - scene.rig[camera.name].time_offset_s
            offsets.append(bool(abs(away) < norm.ppf(0.5 + LEVEL / 2) * sigma))
    return poses, offsets


def calibrated(settings: dict, seed: int) -> tuple[BoardScene, Solution]:
    """One scene and what was made of it."""
    scene = board_scene(seed=seed, fps=10.0, **({"duration_s": 8.0} | settings))
    unsynchronised = "offset_frames" in settings
    # As a measurement before it gives them: to half a frame.
    initial = {c.name: round(c.time_offset_s / 0.05) * 0.05 for c in scene.rig}
    found = calibrate_rig_from_board(
        scene.sightings,
        {c.name: c.intrinsics for c in scene.rig},
        initial_offsets_s=initial if unsynchronised else None,
        solve_offsets=True if unsynchronised else None,
        solve_drift=unsynchronised,
    )
    return scene, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    metrics: list[Metric] = []
    for name, settings in SCENES.items():
        if options.only and options.only not in name:
            continue
        turn, shift, poses, offsets, delays = [], [], [], [], []
        for seed in range(options.seeds):
            scene, found = calibrated(settings, seed)
            degrees, millimetres = relative_errors(found.rig, scene.rig)
            turn.append(degrees)
            shift.append(millimetres)
            one, two = inside(scene, found)
            poses += one
            offsets += two
            delays += [
                10 * abs(c.time_offset_s - scene.rig[c.name].time_offset_s) for c in found.rig
            ]
        what = f"{options.seeds} seeds, 0.3 px noise"
        metrics += [
            Metric(
                f"{name}.rotation", float(np.median(np.concatenate(turn))), "deg", "lower", what
            ),
            Metric(f"{name}.centre", float(np.median(np.concatenate(shift))), "mm", "lower", what),
            Metric(f"{name}.centre_max", float(np.concatenate(shift).max()), "mm", "lower", what),
            Metric(f"{name}.pose_coverage", 100 * float(np.mean(poses)), "%", "neither", "of 90 %"),
        ]
        if "offset_frames" in settings:
            metrics += [
                Metric(f"{name}.offset_max", max(delays), "frames", "lower", what),
                Metric(
                    f"{name}.offset_coverage", 100 * float(np.mean(offsets)), "%", "neither", "90 %"
                ),
            ]
    print_report("board_coverage", metrics)


if __name__ == "__main__":
    main()
