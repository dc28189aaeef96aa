"""How well calibrations hit the true rig of the studio, and whether they know how well.

For 2, 4 and 8 cameras, with and without lens distortion: errors of centres (mm) and rotations
(degrees) against the truth after the best rigid motion (board) or similarity (people, whose scale
is told apart), the share of true errors inside the regions that are promised to hold 50 and 90 %,
and time offsets of 0.4 and 7.3 frames. Corners have white noise; keypoints have noise that is new
in every frame, noise that lasts for half a second, and a constant error of each keypoint in each
camera.

    OMP_NUM_THREADS=1 python tests/benchmarks/calibration_truth.py [--quick] [--only board|people]
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from report import Metric, print_report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from calibration_truth_trial import Trial, board_trial, people_trial

LEVELS = (0.5, 0.9)
_STRIDE = 1000
OFFSET_FRAMES = (0.0, 0.4, 7.3, 0.0, 0.4, 7.3, 0.0, 0.4)


@dataclass(frozen=True)
class Cell:
    """One kind of trial.

    Attributes:
        source: "board" or "people".
        cameras: how many.
        distorted: whether lenses are.
        seeds: how many trials.
        seeds_quick: the same with `--quick`.
    """

    source: str
    cameras: int
    distorted: bool
    seeds: int
    seeds_quick: int

    @property
    def name(self) -> str:
        lens = "distorted" if self.distorted else "plain"
        return f"{self.source}.{self.cameras} cameras.{lens}"


CELLS = tuple(
    Cell(source, cameras, distorted, *seeds)
    for source, cameras, seeds in (
        ("board", 2, (12, 2)),
        ("board", 4, (6, 1)),
        ("board", 8, (3, 0)),
        ("people", 2, (20, 2)),
        ("people", 4, (6, 1)),
        ("people", 8, (3, 0)),
    )
    for distorted in (True, False)
)


def run(task: tuple[Cell, int]) -> tuple[str, Trial]:
    """One trial; in a process of its own."""
    cell, seed = task
    trial = board_trial if cell.source == "board" else people_trial
    # No two trials share their noise, or what one of them misses would count twice.
    return cell.name, trial(
        cell.cameras,
        seed + _STRIDE * CELLS.index(cell),
        distorted=cell.distorted,
        offset_frames=OFFSET_FRAMES[: cell.cameras],
    )


def metrics_of(name: str, trials: list[Trial]) -> list[Metric]:
    """The figures of one cell."""
    centre = np.concatenate([t.centre_mm for t in trials])
    rotation = np.concatenate([t.rotation_deg for t in trials])
    offset = np.concatenate([t.offset_frames for t in trials])
    note = f"{len(trials)} trials"
    result = [
        Metric(f"{name}.centre_median", float(np.median(centre)), "mm", "lower", note),
        Metric(f"{name}.centre_worst", float(centre.max()), "mm", "lower", note),
        Metric(f"{name}.rotation_median", float(np.median(rotation)), "deg", "lower", note),
        Metric(f"{name}.rotation_worst", float(rotation.max()), "deg", "lower", note),
        Metric(f"{name}.offset_worst", float(offset.max()), "frames", "lower", note),
    ]
    if name.startswith("people"):
        scale = np.array([t.scale - 1 for t in trials])
        result.append(
            Metric(f"{name}.scale_error", 100 * float(np.median(scale)), "%", "lower", note)
        )
    return result


def coverage_of(name: str, trials: list[Trial]) -> list[Metric]:
    """Share of true errors inside the promised regions."""
    result: list[Metric] = []
    for what in ("centre", "rotation", "offset"):
        inside = np.concatenate([getattr(t, f"{what}_p") for t in trials])
        for level in LEVELS:
            share = 100 * float(np.mean(inside < level))
            result.append(
                Metric(
                    f"{name}.{what}_inside_{100 * level:.0f}",
                    share,
                    "%",
                    "neither",
                    f"{len(inside)} cameras of {len(trials)} trials",
                )
            )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=float, default=1.0, help="that many times the trials")
    options = parser.parse_args()
    begun = time.perf_counter()
    tasks = [
        (cell, seed)
        for cell in CELLS
        if options.only in cell.name
        for seed in range(
            cell.seeds_quick if options.quick else max(1, round(options.seeds * cell.seeds))
        )
    ]
    # The longest first, so that both processes end together.
    tasks.sort(key=lambda task: -task[0].cameras)
    found: dict[str, list[Trial]] = {}
    with ProcessPoolExecutor(options.jobs) as pool:
        for name, trial in pool.map(run, tasks):
            found.setdefault(name, []).append(trial)
    metrics: list[Metric] = []
    for name in sorted(found):
        metrics += metrics_of(name, found[name])
    for kind in sorted({name.rsplit(".", 1)[0] for name in found} | {"board", "people"}):
        trials = [t for name, own in found.items() if name.startswith(kind) for t in own]
        if trials:
            metrics += coverage_of(kind, trials)
    for name in sorted(found):
        if not options.quick:
            metrics += coverage_of(name, found[name])
    metrics.append(Metric("seconds", time.perf_counter() - begun, "s", "lower"))
    print_report("calibration_truth", metrics)


if __name__ == "__main__":
    main()
