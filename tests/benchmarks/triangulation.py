"""Triangulation of a whole body, ours and a peer's, on the same keypoints in one run.

Compares the compiled robust triangulation with its NumPy twin and with aniposelib's `triangulate`
(linear, no outlier treatment) and `triangulate_ransac`, for time and for error against the truth,
with one view in five wrong.

    python tests/benchmarks/triangulation.py [--views C]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from report import Metric, print_report

from mocap.geometry.projection import project_points
from mocap.geometry.triangulation import RobustSettings, Views, triangulate_robust
from mocap.model import Camera, Intrinsics, Rig
from mocap.model.config import TriangulationConfig
from mocap.model.skeletons import COCO_WHOLEBODY_133
from mocap.reconstruction.person import (
    ViewedPerson,
    camera_centers,
    focal_lengths,
    keypoint_sigma_px,
    triangulate_person,
)

NOISE_PX = 3.0
OUTLIER_PX = 150.0


def ring(cameras: int) -> Rig:
    """Cameras on a circle of 4 m, 2 m high, that look at the middle."""
    result: list[Camera] = []
    for i in range(cameras):
        angle = 2 * np.pi * i / cameras
        center = np.array([4 * np.cos(angle), 4 * np.sin(angle), 2.0])
        forward = np.array([0, 0, 1.0]) - center
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation, -rotation @ center
        matrix = np.array([[900.0, 0, 639.5], [0, 900.0, 359.5], [0, 0, 1]])
        distortions = np.array([-0.05, 0.02, 1e-4, -1e-4, 0.0])
        result.append(Camera(f"cam{i}", Intrinsics((1280, 720), matrix, distortions), pose))
    return Rig(tuple(result))


def scene(rig: Rig, keypoints: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """True points (K, 3), and their noisy pixels (C, K, 2) with one view in five wrong."""
    points = rng.uniform((-0.4, -0.4, 0.0), (0.4, 0.4, 1.8), (keypoints, 3))
    arrays = rig.arrays
    pixels = np.stack(
        [
            project_points(
                points, arrays.matrix[c], arrays.distortions[c], False, arrays.T_cam_world[c]
            )[0]
            for c in range(len(rig))
        ]
    )
    pixels += rng.normal(0, NOISE_PX, pixels.shape)
    wrong = rng.integers(0, len(rig), keypoints)
    pixels[wrong, np.arange(keypoints)] += rng.choice([-1, 1], (keypoints, 2)) * OUTLIER_PX
    return points, pixels


def milliseconds(function: Callable[[], object], repeats: int) -> float:
    """Median time of a call; the caller has made the first one, which compiles."""
    times: list[float] = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--views", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    skeleton, config = COCO_WHOLEBODY_133, TriangulationConfig()
    rig = ring(options.views)
    arrays = rig.arrays
    truth, pixels = scene(rig, len(skeleton), rng)
    confidence = np.ones(pixels.shape[:2])
    person = ViewedPerson.from_keypoints(pixels, confidence, arrays)
    sigma = keypoint_sigma_px(truth.mean(axis=0), arrays, skeleton, config)
    settings = RobustSettings(min_angle_rad=np.deg2rad(config.min_angle_deg))

    def compiled() -> np.ndarray:
        return triangulate_person(person, arrays, skeleton, config).points_m

    def twin() -> np.ndarray:
        points = []
        for k in range(len(skeleton)):
            views = Views(
                pixels[:, k],
                confidence[:, k],
                sigma[:, k],
                person.rays[:, k],
                camera_centers(arrays),
                focal_lengths(arrays),
                arrays.matrix,
                arrays.distortions,
                arrays.fisheye,
                arrays.T_cam_world,
            )
            points.append(triangulate_robust(views, settings).point)
        return np.array(points)

    from aniposelib.cameras import Camera as PeerCamera
    from aniposelib.cameras import CameraGroup

    peer = CameraGroup(
        [
            PeerCamera(
                matrix=c.intrinsics.matrix,
                dist=c.intrinsics.distortions,
                size=c.intrinsics.size,
                rvec=c.rotation_vector,
                tvec=c.translation_m,
                name=c.name,
            )
            for c in rig
        ]
    )

    def error_mm(points: np.ndarray) -> float:
        return 1000 * float(np.nanmedian(np.linalg.norm(points - truth, axis=1)))

    what = f"{len(skeleton)} keypoints, {options.views} views, one view of each keypoint wrong"
    metrics: list[Metric] = []
    for name, function, repeats in (
        ("compiled", compiled, 200),
        ("numpy twin", twin, 1),
        ("aniposelib triangulate", lambda: peer.triangulate(pixels), 20),
        ("aniposelib triangulate_ransac", lambda: peer.triangulate_ransac(pixels)[0], 1),
    ):
        points = np.asarray(function()).reshape(-1, 3)
        metrics += [
            Metric(f"{name}.time", milliseconds(function, repeats), "ms/person", "lower", what),
            Metric(f"{name}.median_error", error_mm(points), "mm", "lower", what),
        ]
    print_report("triangulation", metrics)


if __name__ == "__main__":
    main()
