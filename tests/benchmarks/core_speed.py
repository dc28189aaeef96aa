"""Cost per frame of association, triangulation and tracking, beside its peers, in one run.

    python tests/benchmarks/core_speed.py [--quick] [--no-peers]

One core: set OMP_NUM_THREADS=1. Times are those of this process's processor, so that other
processes on the machine do not count; `wall` are times by the clock. First the time until the first
frame is done in a fresh process, with the compiled functions loaded from their cache.
The plain baseline is the plain form of association (`mocap.association.matching`) followed by the
plain form of robust triangulation, the NumPy twin, for every keypoint.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from report import Metric, print_report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from synthetic_scene import frame_set, ring_rig, standing_person, views_of

from mocap.association.matching import ViewPeople, group_unknown
from mocap.geometry.kernels import world_rays
from mocap.geometry.triangulation import RobustSettings, triangulate_robust
from mocap.model import FrameSet, Rig, Skeleton
from mocap.model.config import AssociationConfig, ReconstructionConfig
from mocap.model.skeletons import COCO_WHOLEBODY_133, HALPE_26
from mocap.pipeline.reconstructor import Reconstructor
from mocap.reconstruction.person import camera_centers

SIGMA_PX = 3.0
_FRESH = """
import time, sys
sys.path[:0] = {paths!r}
started = time.perf_counter()
from mocap.model.config import ReconstructionConfig
from mocap.model.skeletons import HALPE_26
from mocap.pipeline.reconstructor import Reconstructor
from synthetic_scene import ring_rig
loaded = time.perf_counter()
Reconstructor(ring_rig(5), HALPE_26, ReconstructionConfig()).warm_up()
print(loaded - started, time.perf_counter() - loaded)
"""


def whole_body(skeleton: Skeleton, place: tuple[float, float]) -> np.ndarray:
    """A standing person; hands and face are small clouds where they belong."""
    body = standing_person(HALPE_26, place)
    cloud = np.random.default_rng(3).normal(0, 0.03, (len(skeleton), 3))
    points = np.empty((len(skeleton), 3))
    for k, name in enumerate(skeleton.keypoints):
        if name in HALPE_26:
            points[k] = body[HALPE_26.index(name)]
        else:
            anchor = "nose" if name.startswith("face") else name.split("_")[0] + "_wrist"
            points[k] = body[HALPE_26.index(anchor)] + cloud[k]
    return points


def scene(cameras: int, people: int, skeleton: Skeleton, frames: int) -> tuple[Rig, list[FrameSet]]:
    """People who walk slowly within a ring of cameras."""
    rig = ring_rig(cameras, radius=6.0 + people / 4, mixed_lenses=True)
    width = int(np.ceil(np.sqrt(people)))
    places = [
        (1.1 * (p % width - width / 2), 1.1 * (p // width - width / 2)) for p in range(people)
    ]
    start = np.stack([whole_body(skeleton, place) for place in places])
    rng = np.random.default_rng(0)
    sets = [
        frame_set(n, start + 0.01 * n * np.eye(3)[0], rig, rng=rng, sigma_px=SIGMA_PX)
        for n in range(frames)
    ]
    return rig, sets


def times_ms(
    rig: Rig, sets: Sequence[FrameSet], skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray, int]:
    """Processor and wall time of every frame after the first two, and the people in the last."""
    reconstructor = Reconstructor(rig, skeleton, ReconstructionConfig())
    reconstructor.warm_up()
    spent: list[tuple[float, float]] = []
    found = 0
    for frames in sets:
        wall, cpu = time.perf_counter(), time.thread_time()
        found = len(reconstructor.process(frames))
        spent.append((time.thread_time() - cpu, time.perf_counter() - wall))
    both = 1000 * np.array(spent[2:])
    return both[:, 0], both[:, 1], found


def plain_ms(rig: Rig, frames: FrameSet, skeleton: Skeleton, keypoints: int) -> float:
    """Milliseconds of plain association and of the NumPy twin, scaled up from some keypoints."""
    arrays, settings = rig.arrays, RobustSettings()
    centers = camera_centers(arrays)
    started = time.thread_time()
    views: list[ViewPeople] = []
    for c, name in enumerate(rig.names):
        pixels = np.asarray(frames.observations[name].detections.keypoints_px, float)
        one = slice(c, c + 1)
        rays = world_rays(
            pixels.reshape(1, -1, 2),
            arrays.matrix[one],
            arrays.distortions[one],
            arrays.fisheye[one],
            arrays.T_cam_world[one],
        )
        views.append(ViewPeople(centers[c], rays.reshape(*pixels.shape[:2], 3)))
    groups = group_unknown(views, [set() for _ in views], skeleton, AssociationConfig())
    association = time.thread_time() - started
    group = groups[0]
    pixels = np.stack(
        [
            np.asarray(frames.observations[rig.names[c]].detections.keypoints_px[j], float)
            for c, j in sorted(group.items())
        ]
    )
    subset = rig.subset([rig.names[c] for c in sorted(group)])
    started = time.thread_time()
    for k in range(keypoints):
        triangulate_robust(views_of(subset, pixels[:, k], sigma_px=5.0), settings)
    each = (time.thread_time() - started) / keypoints
    return 1000 * (association + each * len(skeleton) * len(groups))


def aniposelib_ms(cameras: int, points: int) -> tuple[float, float]:
    """Milliseconds of aniposelib's two triangulations for so many points (plain pinholes)."""
    from aniposelib.cameras import Camera as AniposeCamera
    from aniposelib.cameras import CameraGroup

    rig = ring_rig(cameras)
    made = []
    for camera in rig:
        import cv2

        T = camera.T_cam_world
        made.append(
            AniposeCamera(
                matrix=camera.intrinsics.matrix,
                dist=np.zeros(5),
                size=camera.intrinsics.size,
                rvec=cv2.Rodrigues(T[:3, :3])[0].ravel(),
                tvec=T[:3, 3],
                name=camera.name,
            )
        )
    group = CameraGroup(made)
    rng = np.random.default_rng(0)
    world = rng.uniform((-0.8, -0.8, 0.2), (0.8, 0.8, 1.8), (points, 3))
    from synthetic_scene import project_rig

    pixels = project_rig(world, rig) + rng.normal(0, SIGMA_PX, (cameras, points, 2))
    group.triangulate(pixels)

    def spent(function: Callable[[], object]) -> float:
        started = time.perf_counter()
        function()
        return 1000 * (time.perf_counter() - started)

    linear = float(np.median([spent(lambda: group.triangulate(pixels)) for _ in range(5)]))
    return linear, spent(lambda: group.triangulate_ransac(pixels))


def measure(quick: bool, peers: bool) -> list[Metric]:
    metrics: list[Metric] = []
    paths = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]
    output = subprocess.run(
        [sys.executable, "-c", _FRESH.format(paths=paths)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    metrics += [
        Metric("import", float(output[0]), "s", "lower", "fresh process"),
        Metric("first_call", float(output[1]), "s", "lower", "kernels from their cache"),
    ]
    frames = 40 if quick else 120
    data = Path(__file__).resolve().parents[3] / "shared/data/shelf_dev"
    if data.exists():
        from shelf import RATE_HZ, Shelf

        shelf = Shelf(data)
        sets = shelf.observations.frame_sets(shelf.rig, RATE_HZ)
        cpu, wall, _ = times_ms(shelf.rig, sets, shelf.observations.skeleton)
        note = "5 views, 25 keypoints, about 3 people"
        for name, values in (("cpu", cpu), ("wall", wall)):
            metrics += [
                Metric(f"shelf.{name}.median", float(np.median(values)), "ms", "lower", note),
                Metric(f"shelf.{name}.p99", float(np.percentile(values, 99)), "ms", "lower", note),
            ]
    rig, sets = scene(5, 4, COCO_WHOLEBODY_133, frames)
    cpu, wall, found = times_ms(rig, sets, COCO_WHOLEBODY_133)
    note = f"5 views, 133 keypoints, {found} people"
    ours = float(np.median(cpu))
    metrics += [
        Metric("whole_body.cpu.median", ours, "ms", "lower", note),
        Metric("whole_body.cpu.p99", float(np.percentile(cpu, 99)), "ms", "lower", note),
        Metric("whole_body.wall.median", float(np.median(wall)), "ms", "lower", note),
    ]
    plain = plain_ms(rig, sets[5], COCO_WHOLEBODY_133, 20)
    metrics += [
        Metric("whole_body.plain", plain, "ms", "neither", "plain association and NumPy twin"),
        Metric("whole_body.plain_by_ours", plain / ours, "times", "higher"),
    ]
    if peers:
        linear, ransac = aniposelib_ms(5, 4 * 133)
        metrics += [
            Metric("aniposelib.triangulate", linear, "ms", "neither", "532 points, no association"),
            Metric("aniposelib.triangulate_ransac", ransac, "ms", "neither", "532 points"),
            Metric("aniposelib.triangulate_by_ours", linear / ours, "times", "higher"),
            Metric("aniposelib.ransac_by_ours", ransac / ours, "times", "higher"),
        ]
    cases = [(c, 4) for c in (2, 4, 8, 16, 32)] + [(5, p) for p in (1, 2, 5, 10, 20)]
    for cameras, people in cases[:: 3 if quick else 1]:
        rig, sets = scene(cameras, people, HALPE_26, 14)
        cpu, _, found = times_ms(rig, sets, HALPE_26)
        value = float(np.median(cpu))
        each = 1e6 * value / (cameras * people * 26)
        note = f"26 keypoints, {found} people found; {each:.0f} ns per observation"
        metrics.append(Metric(f"curve.{cameras}_views.{people}_people", value, "ms", "lower", note))
    return metrics


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer frames and points of the curves"
    )
    parser.add_argument("--no-peers", action="store_true", help="without aniposelib")
    options = parser.parse_args()
    print_report("core_speed", measure(options.quick, not options.no_peers))


if __name__ == "__main__":
    main()
