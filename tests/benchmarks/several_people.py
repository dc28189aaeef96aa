"""Several people who meet, hug and cross: ours beside what one would write first, in one run.

    python tests/benchmarks/several_people.py [--people 2 4 6] [--cameras 3 4 5 8] [--seeds N]
        [--seconds S] [--json]

Truth and occlusion come from the studio's bodies, 2D people from a model of a detector
(`crowd_scene.py`). Per scene: people found (recall) and people who are somebody (precision), per
person and frame; exchanges of ids; mean error of the body's keypoints; the share of errors inside
the predicted 50 % and 90 % regions; tracks; and processor time per frame. `smooth` is our smooth
layer.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from report import Metric, print_report

sys.path.insert(0, str(Path(__file__).resolve().parent))

from crowd_scene import DetectorModel, detect, frame_table, make_crowd, ring
from plain_baseline import plain_reconstruction

from mocap.model import FrameTable, Motion, Rig
from mocap.model.config import ReconstructionConfig, SmoothingConfig
from mocap.model.skeletons import COCO_17
from mocap.model.truth import Truth
from mocap.pipeline.comparison import compare
from mocap.pipeline.evaluation import evaluate
from mocap.pipeline.metrics import reconstruct_all
from mocap.pipeline.smooth import smooth_motion
from mocap.storage.truth_file import load_truth, save_truth

MOST_CAMERAS = 8
CHOICES = {3: (0, 3, 5), 4: (0, 2, 4, 6), 5: (0, 2, 3, 5, 7), 6: (0, 1, 3, 4, 6, 7)}
"""Cameras of the ring of eight that stand around, as evenly as it goes."""


@dataclass
class Score:
    """Sums over the seeds of one scene."""

    in_view: int = 0
    missing: int = 0
    false: int = 0
    switches: int = 0
    tracks: int = 0
    error_mm: float = 0.0
    in_50: float = 0.0
    in_90: float = 0.0
    time_s: float = 0.0
    runs: int = 0

    def add(self, motion: Motion, frames: FrameTable, truth: Truth, rig: Rig, took: float) -> None:
        """Takes one run."""
        result = evaluate(compare(motion, frames, truth, rig.names))
        body = result.parts["body"]
        self.in_view += result.people.in_view
        self.missing += result.people.missing
        self.false += result.people.false
        self.switches += result.people.id_switches
        self.tracks += len(motion.person_ids)
        self.error_mm += body.mpjpe_mm
        self.in_50 += 100 * body.calibration.share[50]
        self.in_90 += 100 * body.calibration.share[90]
        self.time_s += took / len(frames)
        self.runs += 1

    def metrics(self, key: str) -> list[Metric]:
        """The figures."""
        n, found = max(self.runs, 1), self.in_view - self.missing
        return [
            Metric(f"{key}.recall", 100 * found / max(self.in_view, 1), "%", "higher"),
            Metric(f"{key}.precision", 100 * found / max(found + self.false, 1), "%", "higher"),
            Metric(f"{key}.id_switches", self.switches / n, "", "lower", "per run"),
            Metric(f"{key}.tracks", self.tracks / n, "", "lower", "per run"),
            Metric(f"{key}.mpjpe", self.error_mm / n, "mm", "lower"),
            Metric(f"{key}.in_50", self.in_50 / n, "%", "neither", "45 to 55 is wanted"),
            Metric(f"{key}.in_90", self.in_90 / n, "%", "neither", "85 to 95 is wanted"),
            Metric(f"{key}.time", 1000 * self.time_s / n, "ms", "lower", "processor, per frame"),
        ]


def run(
    people: int, cameras: int, seeds: int, full: Truth, whole: Rig, model: DetectorModel
) -> list[Metric]:
    chosen = CHOICES.get(cameras, tuple(range(MOST_CAMERAS)))
    rig = whole.subset([whole.names[c] for c in chosen])
    frames = frame_table(full, len(rig))
    scores = {name: Score() for name in ("ours", "smooth", "plain")}
    for seed in range(seeds):
        sets = detect(full, rig, model, seed)
        begun = time.process_time()
        raw = reconstruct_all(sets, rig, COCO_17, ReconstructionConfig())
        took = time.process_time() - begun
        scores["ours"].add(raw, frames, full, rig, took)
        begun = time.process_time()
        smooth = smooth_motion(raw, frames, SmoothingConfig())
        scores["smooth"].add(smooth, frames, full, rig, time.process_time() - begun)
        begun = time.process_time()
        plain = plain_reconstruction(sets, rig, COCO_17)
        scores["plain"].add(plain, frames, full, rig, time.process_time() - begun)
    metrics: list[Metric] = []
    for name, score in scores.items():
        metrics += score.metrics(f"{people} people, {cameras} cameras.{name}")
    return metrics


def print_table(metrics: list[Metric]) -> None:
    """One row per scene and method."""
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for metric in metrics:
        scene, method, what = metric.key.rsplit(".", 2)
        rows.setdefault((scene, method), {})[what] = metric.value
    print("scene                 method  recall  prec.  switches tracks  MPJPE  50 %  90 %     ms")
    for (scene, method), r in rows.items():
        print(
            f"{scene:21s} {method:7s} {r['recall']:6.1f} {r['precision']:6.1f} "
            f"{r['id_switches']:9.1f} {r['tracks']:6.1f} {r['mpjpe']:6.1f} {r['in_50']:5.0f} "
            f"{r['in_90']:5.0f} {r['time']:6.2f}",
            flush=True,
        )


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, nargs="*", default=[2, 4, 6])
    parser.add_argument("--cameras", type=int, nargs="*", default=[3, 4, 5, 8])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--keep", type=Path, help="folder in which the truth is kept between runs")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    arguments = parser.parse_args()
    if not {*arguments.people} <= {2, 3, 4, 5, 6}:
        parser.error("--people are 2 to 6")
    whole = ring(MOST_CAMERAS)
    metrics: list[Metric] = []
    for people in arguments.people:
        full = kept_crowd(people, whole, arguments.seconds, arguments.keep)
        for cameras in arguments.cameras:
            made = run(people, cameras, arguments.seeds, full, whole, DetectorModel())
            if not arguments.json:
                print_table(made)
            metrics += made
    if arguments.json:
        print_report("several_people", metrics)


def kept_crowd(people: int, rig: Rig, seconds: float, folder: Path | None) -> Truth:
    """The truth of a scene, from a file if it was made before."""
    if folder is None:
        return make_crowd(people, rig, seconds)
    file = folder / f"crowd_{people}_{seconds:g}.npz"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        save_truth(file, make_crowd(people, rig, seconds))
    return load_truth(file)


if __name__ == "__main__":
    main()
