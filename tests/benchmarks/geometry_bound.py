"""How near reconstruction comes to what geometry allows, with perfect 2D keypoints plus noise.

A person walks and turns in a ring of cameras. Every camera sees every keypoint, at its true place
plus Gaussian noise of known size; no unbiased method then has smaller errors than the bound of
Cramer and Rao, the inverse of the summed information of the views. The whole reconstruction runs
(association, tracking, robust triangulation), and its errors are compared with the bound:
`excess` is by how many percent the root mean square error exceeds it, 0 being the best there is.
`excess_least_squares` in the same run is that of plain least squares over all views, started at
the truth. Calibration is the share of errors inside the predicted 50 % and 90 % regions, with noise
as large as the settings say and half as large.

    python tests/benchmarks/geometry_bound.py [--frames N]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from report import Metric, print_report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from synthetic_scene import detections, project_rig, ring_rig, standing_person

from mocap.geometry.projection import project_points, projection_jacobian
from mocap.model import FrameSet, FrameTable, Motion, Observation, Rig, Skeleton
from mocap.model.config import ReconstructionConfig, TriangulationConfig
from mocap.model.skeletons import HALPE_26
from mocap.model.truth import Truth
from mocap.pipeline.comparison import Comparison, compare
from mocap.pipeline.evaluation import evaluate
from mocap.pipeline.metrics import reconstruct_all
from mocap.reconstruction.person import keypoint_sigma_px

RATE_HZ = 30.0


@dataclass(frozen=True)
class Experiment:
    """Known truth, and what the cameras see of it.

    Attributes:
        rig: the cameras.
        truth: the true keypoints.
        frame_sets: the noisy 2D keypoints.
        frames: the frames of `frame_sets`.
        bound_m2: covariance of the best unbiased estimate of every keypoint.
        pixels: the noisy 2D keypoints by camera.
        sigma_px: their noise.
    """

    rig: Rig
    truth: Truth
    frame_sets: list[FrameSet]
    frames: FrameTable
    bound_m2: np.ndarray
    pixels: np.ndarray
    sigma_px: np.ndarray


def walking_person(skeleton: Skeleton, frames: int) -> np.ndarray:
    """World positions (frames, K, 3) of someone who walks along a circle and swings."""
    time_s = np.arange(frames) / RATE_HZ
    place = 0.6 * np.stack([np.cos(0.7 * time_s), np.sin(0.7 * time_s)], axis=1)
    points = np.stack(
        [standing_person(skeleton, p, 0.7 * t) for p, t in zip(place, time_s, strict=True)]
    )
    lively = np.array(
        [name.split("_")[-1] in ("wrist", "elbow", "knee") for name in skeleton.keypoints]
    )
    points[:, lively, 2] += 0.05 * np.sin(5 * time_s)[:, None]
    return points


def make_experiment(
    rig: Rig, frames: int, rng: np.random.Generator, noise_scale: float = 1.0
) -> Experiment:
    """Projects the walking person with noise of `noise_scale` times what the settings say."""
    skeleton = HALPE_26
    points = walking_person(skeleton, frames)
    count, k = points.shape[:2]
    config = TriangulationConfig()
    centers = np.median(points, axis=1)
    sigma = noise_scale * np.stack(
        [keypoint_sigma_px(center, rig.arrays, skeleton, config) for center in centers], axis=1
    )
    exact = project_rig(points, rig)
    pixels = exact + rng.normal(size=exact.shape) * sigma[..., None]
    information = np.zeros((count, k, 3, 3))
    arrays = rig.arrays
    for c in range(len(rig)):
        jacobian = projection_jacobian(
            points,
            arrays.matrix[c],
            arrays.distortions[c],
            bool(arrays.fisheye[c]),
            arrays.T_cam_world[c],
        )
        information += (
            np.einsum("fkri,fkrj->fkij", jacobian, jacobian) / sigma[c, ..., None, None] ** 2
        )
    numbers = np.arange(count)
    time_ns = np.round(numbers / RATE_HZ * 1e9).astype(np.int64)
    sets = [
        FrameSet(
            n,
            int(time_ns[n]),
            {
                name: Observation(name, n, int(time_ns[n]), detections(pixels[c, n][None]))
                for c, name in enumerate(rig.names)
            },
        )
        for n in range(count)
    ]
    truth = Truth.of_points(
        skeleton.keypoints,
        rig.names,
        numbers,
        time_ns * 1e-9,
        np.zeros(count, np.int64),
        points,
        np.ones((count, len(rig), k), bool),
    )
    table = FrameTable(numbers, time_ns, np.repeat(numbers[:, None], len(rig), axis=1))
    return Experiment(rig, truth, sets, table, np.linalg.inv(information), pixels, sigma)


def reconstruct(experiment: Experiment, config: TriangulationConfig | None = None) -> Comparison:
    """Runs the reconstruction of the pipeline and compares it with the truth."""
    settings = ReconstructionConfig()
    if config is not None:
        settings = replace(settings, triangulation=config)
    motion: Motion = reconstruct_all(experiment.frame_sets, experiment.rig, HALPE_26, settings)
    return compare(motion, experiment.frames, experiment.truth, experiment.rig.names)


def excess_percent(comparison: Comparison, experiment: Experiment) -> float:
    """By how much the root mean square error exceeds the bound, over the keypoints found."""
    rows = comparison.frame
    errors = (comparison.error_m**2).sum(axis=2)
    found = np.isfinite(errors)
    bound = np.trace(experiment.bound_m2[rows], axis1=2, axis2=3)
    return 100 * float(np.sqrt(errors[found].mean() / bound[found].mean()) - 1)


def least_squares_excess_percent(experiment: Experiment) -> float:
    """The same for plain least squares over all views, started at the truth."""
    points = np.array(experiment.truth.points)
    arrays = experiment.rig.arrays
    for _ in range(4):
        a, b = np.zeros((*points.shape, 3)), np.zeros(points.shape)
        for c in range(len(experiment.rig)):
            lens = (
                arrays.matrix[c],
                arrays.distortions[c],
                bool(arrays.fisheye[c]),
                arrays.T_cam_world[c],
            )
            jacobian = projection_jacobian(points, *lens)
            offset = experiment.pixels[c] - project_points(points, *lens)[0]
            weight = 1 / experiment.sigma_px[c] ** 2
            a += weight[..., None, None] * np.einsum("fkri,fkrj->fkij", jacobian, jacobian)
            b += weight[..., None] * np.einsum("fkri,fkr->fki", jacobian, offset)
        points = points + np.linalg.solve(a, b[..., None])[..., 0]
    errors = ((points - experiment.truth.points) ** 2).sum(axis=2).mean()
    return 100 * float(np.sqrt(errors / np.trace(experiment.bound_m2, axis1=2, axis2=3).mean()) - 1)


def measure(frames: int) -> list[Metric]:
    metrics: list[Metric] = []
    for cameras in (2, 3, 4, 6, 8):
        rig = ring_rig(cameras, mixed_lenses=True)
        if cameras == 2:  # two that face each other would measure next to nothing
            rig = ring_rig(4, mixed_lenses=True).subset(["cam0", "cam1"])
        for scale in (1.0, 0.5):
            experiment = make_experiment(rig, frames, np.random.default_rng(cameras), scale)
            comparison = reconstruct(experiment)
            body = evaluate(comparison).parts["body"]
            name = f"{cameras} cameras, noise x{scale:g}"
            bound = 1000 * np.sqrt(np.trace(experiment.bound_m2, axis1=2, axis2=3).mean())
            regions = body.calibration
            metrics += [
                Metric(f"{name}.bound_rms", float(bound), "mm", "neither"),
                Metric(f"{name}.rms", body.rms_mm, "mm", "lower"),
                Metric(f"{name}.mpjpe", body.mpjpe_mm, "mm", "lower"),
                Metric(f"{name}.found", 100 * body.found, "%", "higher"),
                Metric(f"{name}.excess", excess_percent(comparison, experiment), "%", "lower"),
                Metric(
                    f"{name}.excess_least_squares",
                    least_squares_excess_percent(experiment),
                    "%",
                    "lower",
                    "without robust weights and gates",
                ),
                Metric(
                    f"{name}.in_50", 100 * regions.share[50], "%", "neither", "50 is calibrated"
                ),
                Metric(
                    f"{name}.in_90", 100 * regions.share[90], "%", "neither", "90 is calibrated"
                ),
                Metric(
                    f"{name}.sigma_ratio", regions.sigma_ratio, "1", "neither", "1 is calibrated"
                ),
            ]
            for cauchy in (2.0, 4.0):
                changed = reconstruct(experiment, TriangulationConfig(cauchy_sigmas=cauchy))
                share = evaluate(changed).parts["body"].calibration.share
                note = f"cauchy_sigmas = {cauchy:g}"
                end = f"cauchy_{cauchy:g}"
                excess = excess_percent(changed, experiment)
                metrics += [
                    Metric(f"{name}.excess_{end}", excess, "%", "lower", note),
                    Metric(f"{name}.in_50_{end}", 100 * share[50], "%", "neither", note),
                    Metric(f"{name}.in_90_{end}", 100 * share[90], "%", "neither", note),
                ]
    return metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=150)
    print_report("geometry_bound", measure(parser.parse_args().frames))


if __name__ == "__main__":
    main()
