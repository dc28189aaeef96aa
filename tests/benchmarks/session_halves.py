"""How repeatable a rig is: two halves of one session, with given lenses and with lenses solved.

The cameras did not move between the halves, so every pair must come out the same. The two real
sessions have no pair in common: the rig was rebuilt between them (51 to 131 degrees). A half is
the instants up to the middle, or, where one camera saw the board for a short time only, alternate
blocks of eight frames. The error against the reference of the session, which was made with the
lenses that came with it, shows what repeatability hides.

    python tests/benchmarks/session_halves.py [--data FOLDER]
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from report import Metric, print_report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from board_scene import real_session, reference_rig

from calibration.sightings import Sightings
from calibration.with_board import BoardOptions, calibrate_with_board
from mocap.model import Rig

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
IN_FIRST_HALF: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "charuco_4cam": lambda frame: frame // 8 % 2 == 0,
    "charuco_offset": lambda frame: frame <= 88,
}


def pair_differences(a: Rig, b: Rig) -> tuple[np.ndarray, np.ndarray]:
    """Of the relative pose of every pair: degrees, and millimetres of the centre."""
    turns: list[float] = []
    shifts: list[float] = []
    for one, other in itertools.combinations(a.names, 2):
        p, q = (rig[other].T_cam_world @ rig[one].T_world_cam for rig in (a, b))
        cosine = (np.trace(p[:3, :3] @ q[:3, :3].T) - 1) / 2
        turns.append(float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))))
        centers = [-pose[:3, :3].T @ pose[:3, 3] for pose in (p, q)]
        shifts.append(1000 * float(np.linalg.norm(centers[0] - centers[1])))
    return np.array(turns), np.array(shifts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    metrics: list[Metric] = []
    for session, first in IN_FIRST_HALF.items():
        sightings, lenses = real_session(options.data / session)
        reference = reference_rig(options.data / session, lenses)
        for given in (True, False):
            rigs: list[Rig] = []
            for part in (first, lambda frame, first=first: ~first(frame), np.isfinite):
                cameras = tuple(c.chosen(part(c.frame)) for c in sightings.cameras)
                found = calibrate_with_board(
                    Sightings(sightings.target, cameras),
                    lenses if given else {},
                    BoardOptions(floor="none"),
                )
                rigs.append(found.solution.rig)
            name = f"{session}.{'given' if given else 'solved'}"
            compared = {"halves": rigs[:2], "whole_to_reference": (rigs[2], reference)}
            for what, pair in compared.items():
                turns, shifts = pair_differences(*pair)
                for figure, value, unit in (
                    ("median", np.median(turns), "deg"),
                    ("worst", turns.max(), "deg"),
                    ("median_shift", np.median(shifts), "mm"),
                    ("worst_shift", shifts.max(), "mm"),
                ):
                    key = f"{name}.{what}.{figure}"
                    metrics.append(Metric(key, float(value), unit, "lower", "six pairs of cameras"))
    print_report("session_halves", metrics)


if __name__ == "__main__":
    main()
