"""What is said of rigs that are bumped, of clocks that drift, and of good rigs.

    python tests/benchmarks/rig_health.py [--seeds N]

For each number of cameras and people: the share of sessions in which the right camera is named (as
the culprit, or among those it may be), how long that takes, how far off the stated time is; and the
number of clean sessions in which anything is said. Figures are also told as they come, on standard
error.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from report import Metric, print_report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from health_scene import Mishap, events_of, film

RIGS = ((3, 1), (3, 3), (4, 2), (5, 3), (6, 1), (8, 4))


def tell(metrics: list[Metric]) -> None:
    """Prints figures as they come."""
    for metric in metrics:
        print(f"{metric.key}: {metric.value:.3g} {metric.unit}", file=sys.stderr, flush=True)


def bumped(turn_deg: float, seeds: int) -> list[Metric]:
    metrics: list[Metric] = []
    for cameras, people in RIGS:
        named = alone = false = 0
        delays, errors = [], []
        for seed in range(seeds):
            mishap = Mishap(seed % cameras, turn_deg=turn_deg)
            events, noticed = events_of(*film(cameras, people, seed, mishap=mishap))
            name = f"cam{mishap.camera}"
            right = [
                i
                for i, e in enumerate(events)
                if e.kind == "moved" and name in (e.camera, *e.rivals)
            ]
            false += len(events) - len(right)
            if right:
                event = events[right[0]]
                named += 1
                alone += event.camera == name and not event.rivals
                delays.append(noticed[right[0]] - mishap.at_s)
                errors.append(abs(event.time_s - mishap.at_s))
        key = f"bump {turn_deg:g} deg.{cameras} cameras, {people} people"
        metrics += [
            Metric(f"{key}.named", 100 * named / seeds, "%", "higher"),
            Metric(f"{key}.named_alone", 100 * alone / seeds, "%", "higher", "no other suspected"),
            Metric(f"{key}.others", false, "", "lower", "events of other cameras"),
            Metric(f"{key}.delay", max(delays, default=np.nan), "s", "lower", "largest"),
            Metric(f"{key}.time_error", max(errors, default=np.nan), "s", "lower", "largest"),
        ]
        tell(metrics[-5:])
    return metrics


def drifting(ppm: float, seconds: float, seeds: int) -> list[Metric]:
    metrics: list[Metric] = []
    for cameras, people in RIGS:
        named = others = 0
        for seed in range(seeds):
            mishap = Mishap(seed % cameras, drift_ppm=ppm)
            events, _ = events_of(*film(cameras, people, seed, seconds=seconds, mishap=mishap))
            right = [e for e in events if (e.kind, e.camera) == ("clock", f"cam{mishap.camera}")]
            named += bool(right)
            others += len(events) - len(right)
        key = f"drift {ppm:g} ppm in {seconds:g} s.{cameras} cameras, {people} people"
        metrics += [
            Metric(f"{key}.named", 100 * named / seeds, "%", "higher"),
            Metric(f"{key}.others", others, "", "lower", "events of other cameras"),
        ]
        tell(metrics[-2:])
    return metrics


def clean(seeds: int) -> list[Metric]:
    metrics: list[Metric] = []
    for cameras, people in RIGS:
        said = 0
        for seed in range(seeds):
            # Every other session has a detector that is twice as bad.
            error_px = 6.0 if seed % 2 else 3.0
            scene = film(
                cameras,
                people,
                100 + seed,
                seconds=20.0,
                lasting_px=error_px,
                constant_px=error_px,
            )
            said += bool(events_of(*scene)[0])
        key = f"clean.{cameras} cameras, {people} people"
        metrics.append(Metric(f"{key}.false_alarms", said, f"of {seeds}", "lower"))
        tell(metrics[-1:])
    return metrics


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    seeds = parser.parse_args().seeds
    metrics = clean(seeds)
    for turn_deg in (0.5, 1.0, 2.0):
        metrics += bumped(turn_deg, max(1, seeds // 3))
    metrics += drifting(1600.0, 40.0, max(1, seeds // 5))
    print_report("rig_health", metrics)


if __name__ == "__main__":
    main()
