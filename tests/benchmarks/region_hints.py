"""What it brings to tell the detector where the known 3D people are: with and without, in one run.

    python tests/benchmarks/region_hints.py FOLDER [--rig RIG] [--lag N] [--frames N] [--width W]

FOLDER holds `videos`, and `rig.toml` or what --rig names. With a `truth.npz` of the studio, recall
is the share of the people of whom a camera sees three in ten keypoints or more that the detector
found there, and a 2D person that is nobody's is false. Without truth, 2D people that belong to a
3D person are counted instead. `--width` scales the images down first, so that people are small.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from report import Metric, print_report

from calibration.image_size import fit_camera_to_image_size
from capture.detectors.mediapipe_multi import MediaPipeMulti
from capture.frames import Frame
from capture.video import VideoSource
from mocap.geometry.projection import project_points
from mocap.model import Camera, Detections, FrameSet, Observation, Rig
from mocap.model.config import ReconstructionConfig
from mocap.model.truth import Truth
from mocap.pipeline.reconstructor import Reconstructor
from mocap.pipeline.region_hints import RegionForecast
from mocap.storage.rig_file import load_rig
from mocap.storage.truth_file import load_truth

FOUND_SHARE = 0.15
SEEN_SHARE = 0.3


@dataclass
class Count:
    """What one camera's detector found."""

    seen: int = 0
    found: int = 0
    false: int = 0
    people: int = 0
    matched: int = 0
    detect_s: float = 0.0
    missing: list[tuple[int, int]] = field(default_factory=list)


def small(camera: Camera, factor: float) -> Camera:
    """The camera with its images scaled."""
    lens = camera.intrinsics
    matrix = lens.matrix.copy()
    matrix[:2] *= factor
    matrix[:2, 2] += (factor - 1) / 2
    width, height = lens.size
    size = (round(width * factor), round(height * factor))
    return replace(camera, intrinsics=replace(lens, size=size, matrix=matrix))


def load(
    folder: Path, rig: Rig, limit: int, width: int | None
) -> tuple[Rig, list[dict[str, Frame]]]:
    """The rig for the images, and the frames of all cameras."""
    streams: dict[str, list[Frame]] = {}
    for camera in rig:
        source = VideoSource(next(iter(sorted((folder / "videos").glob(f"{camera.name}.*")))))
        fitted, _ = fit_camera_to_image_size(camera, source.size)
        factor = 1.0 if width is None else width / source.size[0]
        rig = rig.replaced(small(fitted, factor))
        frames: list[Frame] = []
        for frame in source:
            if len(frames) == limit:
                break
            image = frame.image_rgb
            if factor != 1.0:
                size = rig[camera.name].intrinsics.size
                image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            frames.append(replace(frame, image_rgb=image))
        source.close()
        streams[camera.name] = frames
    count = min(len(frames) for frames in streams.values())
    return rig, [{name: frames[i] for name, frames in streams.items()} for i in range(count)]


def run(
    rig: Rig, frames: list[dict[str, Frame]], lag: int | None, truth: Truth | None
) -> dict[str, Count]:
    """Detects and reconstructs in step; hints are `lag` frames old, None for no hints."""
    detector = MediaPipeMulti()
    skeleton = detector.skeleton
    reconstructor = Reconstructor(rig, skeleton, ReconstructionConfig())
    forecast = RegionForecast(rig, skeleton)
    counts = {name: Count() for name in rig.names}
    hints: list[dict[str, np.ndarray]] = []
    period_s = (frames[1][rig.names[0]].time_ns - frames[0][rig.names[0]].time_ns) * 1e-9
    for number, images in enumerate(frames):
        observations: dict[str, Observation] = {}
        for name, frame in images.items():
            begun = time.process_time()
            if lag is not None and number >= lag:
                detector.suggest(name, hints[number - lag][name])
            (people,) = detector.detect([(name, frame)])
            counts[name].detect_s += time.process_time() - begun
            observations[name] = Observation(name, frame.index, frame.time_ns, people)
            if truth is not None:
                score(counts[name], people, truth, number, rig, name)
        time_ns = frames[number][rig.names[0]].time_ns
        found = reconstructor.process(FrameSet(number, time_ns, observations))
        ahead_s = 0.0 if lag is None else lag * period_s
        hints.append(forecast.regions(time_ns * 1e-9, found, ahead_s))
        for c, name in enumerate(rig.names):
            counts[name].people += len(observations[name].detections)
            counts[name].matched += sum(p.detection_index[c] >= 0 for p in found)
    return counts


def score(count: Count, people: Detections, truth: Truth, number: int, rig: Rig, name: str) -> None:
    """Compares the 2D people of an image with the truth."""
    skeleton = MediaPipeMulti.skeleton
    common = [n for n in truth.joint_names if n in skeleton]
    common = [n for n in common if skeleton.parts[skeleton.index(n)] == "body"]
    of_truth = [truth.joint_names.index(n) for n in common]
    own = [skeleton.index(n) for n in common]
    c = truth.camera_names.index(name)
    camera = rig[name]
    arrays = Rig((camera,)).arrays
    taken: set[int] = set()
    for row in np.flatnonzero(truth.frame == number):
        pixels, _ = project_points(
            truth.points[row, of_truth],
            arrays.matrix[0],
            arrays.distortions[0],
            bool(arrays.fisheye[0]),
            arrays.T_cam_world[0],
        )
        size = float(np.ptp(pixels[np.isfinite(pixels[:, 0])], axis=0).max())
        best, who = FOUND_SHARE, -1
        for j in range(len(people)):
            gap = np.linalg.norm(people.keypoints_px[j, own] - pixels, axis=1)
            share = float(np.nanmedian(gap)) / size
            if j not in taken and share < best:
                best, who = share, j
        taken |= {who} - {-1}
        if truth.visible[row, c, of_truth].mean() >= SEEN_SHARE:
            count.seen += 1
            count.found += who >= 0
            if who < 0:
                count.missing.append((number, int(truth.id[row])))
    count.false += len(people) - len(taken)


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rig", type=Path)
    parser.add_argument("--lag", type=int, default=8)
    parser.add_argument("--frames", type=int, default=90)
    parser.add_argument("--width", type=int)
    arguments = parser.parse_args()
    rig = load_rig(arguments.rig or arguments.folder / "rig.toml")
    file = arguments.folder / "truth.npz"
    truth = load_truth(file) if file.exists() else None
    rig, frames = load(arguments.folder, rig, arguments.frames, arguments.width)
    metrics: list[Metric] = []
    for word, lag in (("without", None), ("with", arguments.lag)):
        counts = run(rig, frames, lag, truth)
        for name, count in counts.items():
            per_image = 1000 * count.detect_s / len(frames)
            key = f"{name}.{word}"
            if truth is not None:
                recall = 100 * count.found / max(count.seen, 1)
                metrics.append(Metric(f"{key}.recall", recall, "%", "higher", f"of {count.seen}"))
                metrics.append(Metric(f"{key}.false", count.false, "", "lower"))
            metrics.append(Metric(f"{key}.people", count.people, "", "neither"))
            metrics.append(Metric(f"{key}.matched", count.matched, "", "higher", "of a 3D person"))
            metrics.append(Metric(f"{key}.detect", per_image, "ms", "lower", "processor time"))
    print_report("region_hints", metrics)


if __name__ == "__main__":
    main()
