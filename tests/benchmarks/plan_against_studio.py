"""What `mocap plan` predicts beside what is measured on scenes of the studio.

People of the studio walk through a ring of cameras. Their true keypoints, as far as a camera sees
them, are projected with the noise that the settings state, and reconstructed; the root mean square
error is compared with the one that the plan predicts at the same places. The plan knows no people:
"all views" lets every camera see through them, as the plan does, "hidden" leaves out what a body
hides. With a session of rendered videos and its truth, the spread of the real detector's errors is
compared in the same way.

    python tests/benchmarks/plan_against_studio.py [--session SESSION.h5 --truth TRUTH.npz]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from report import Metric, print_report

from mocap.geometry.projection import project_points
from mocap.model import Detections, FrameSet, Observation, Rig
from mocap.model.config import ReconstructionConfig, TriangulationConfig
from mocap.model.skeletons import COCO_WHOLEBODY_133
from mocap.model.truth import Truth
from mocap.pipeline.comparison import compare
from mocap.pipeline.evaluation import evaluate
from mocap.pipeline.metrics import reconstruct_all
from mocap.pipeline.planning import PlanConfig, Volume, error_map
from mocap.reconstruction.person import keypoint_sigma_px
from mocap.storage.rig_file import load_rig
from mocap.storage.session_reader import Session
from mocap.storage.truth_file import load_truth
from mocap.studio.make import make_scene
from mocap.studio.rigs import RigConfig
from mocap.studio.scene import SceneConfig

BODY = np.array(COCO_WHOLEBODY_133.indices("body", "feet"))
SPACING_M = 0.1


def predicted_mm(rig: Rig, points: np.ndarray) -> float:
    """Root mean square of the errors that the plan predicts at some points, (n, 3)."""
    low, high = points.min(axis=0) - SPACING_M, points.max(axis=0) + SPACING_M
    grid = error_map(rig, Volume(tuple(low), tuple(high)), PlanConfig(spacing_m=SPACING_M))
    places = tuple(
        np.abs(axis[None, :] - points[:, i, None]).argmin(axis=1)
        for i, axis in enumerate((grid.x_m, grid.y_m, grid.z_m))
    )
    return 1000 * float(np.sqrt(np.nanmean(grid.error_m[places] ** 2)))


def measured_mm(rig: Rig, truth: Truth, *, hidden: bool, rng: np.random.Generator) -> float:
    """Root mean square error of the reconstruction of the noisy true keypoints."""
    config, arrays = TriangulationConfig(), rig.arrays
    sets: list[FrameSet] = []
    for row in range(len(truth.frame)):
        points = truth.points[row]
        center = np.nanmedian(points, axis=0)
        sigma = keypoint_sigma_px(center, arrays, COCO_WHOLEBODY_133, config)
        observations: dict[str, Observation] = {}
        time_ns = round(float(truth.time_s[row]) * 1e9)
        for c, camera in enumerate(rig):
            pixels, _ = project_points(
                points, arrays.matrix[c], arrays.distortions[c], False, arrays.T_cam_world[c]
            )
            inside = (pixels >= 0).all(axis=1) & (pixels < camera.intrinsics.size).all(axis=1)
            seen = truth.visible[row, c] if hidden else inside
            pixels = pixels + rng.normal(size=pixels.shape) * sigma[c][:, None]
            pixels[~seen] = np.nan
            found = Detections(pixels[None], seen[None].astype(float), np.ones(1))
            observations[camera.name] = Observation(camera.name, row, time_ns, found)
        sets.append(FrameSet(row, time_ns, observations))
    motion = reconstruct_all(sets, rig, COCO_WHOLEBODY_133, ReconstructionConfig())
    errors = motion.points_m[:, BODY] - truth.points[motion.frame][:, BODY]
    return 1000 * float(np.sqrt(np.nanmean((errors**2).sum(axis=2))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--session", type=Path)
    parser.add_argument("--truth", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(5)
    metrics: list[Metric] = []
    for cameras in (3, 4, 8):
        with tempfile.TemporaryDirectory() as name:
            scene = SceneConfig(rig=RigConfig(cameras=cameras), duration_s=4.0)
            folder = make_scene(scene, Path(name) / "scene", render=False)
            rig, truth = load_rig(folder / "rig.toml"), load_truth(folder / "truth.npz")
        predicted = predicted_mm(rig, truth.points[:, BODY].reshape(-1, 3))
        metrics.append(Metric(f"{cameras} cameras.predicted", predicted, "mm", "neither"))
        for what, hidden in (("all views", False), ("hidden", True)):
            measured = measured_mm(rig, truth, hidden=hidden, rng=rng)
            metrics += [
                Metric(f"{cameras} cameras, {what}.measured", measured, "mm", "lower"),
                Metric(
                    f"{cameras} cameras, {what}.excess",
                    100 * (measured / predicted - 1),
                    "%",
                    "neither",
                ),
            ]
    if options.session is not None and options.truth is not None:
        truth = load_truth(options.truth)
        with Session(options.session) as session:
            predicted = predicted_mm(session.rig, truth.points[:, BODY].reshape(-1, 3))
            comparison = compare(session.motion("raw"), session.frames, truth, session.rig.names)
        body = evaluate(comparison).parts["body"]
        metrics += [
            Metric("rendered.predicted", predicted, "mm", "neither"),
            Metric("rendered.spread", body.spread_mm, "mm", "lower", "raw layer"),
            Metric("rendered.rms", body.rms_mm, "mm", "lower", "raw layer, bias included"),
        ]
    print_report("plan_against_studio", metrics)


if __name__ == "__main__":
    main()
