"""People found in the Shelf sequence, scored against its ground truth for several sets of cameras.

    python tests/benchmarks/shelf.py [--data FOLDER] [--cameras 0 1 2] [--layer raw|smooth] [--json]

FOLDER holds `calibration.toml`, `detections.npz`, `gt.npz` and the evaluator `pcp.py`. Every
person counts (protocol strict, head rule fourda). Beside the PCP of actors 1 to 3: identity
switches, tracks, tracks shorter than 5 frames, and people who match nobody with truth.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from report import Metric, print_report

from mocap.model import FrameTable, Motion
from mocap.model.config import ReconstructionConfig, SmoothingConfig
from mocap.pipeline.metrics import reconstruct_all
from mocap.pipeline.smooth import smooth_motion
from mocap.storage.observation_file import load_observations
from mocap.storage.rig_file import load_rig

DEFAULT_DATA = Path(__file__).resolve().parents[3] / "shared/data/shelf_dev"
CAMERA_SETS = ("01234", "023", "123", "024", "12", "24", "13", "03")
RATE_HZ = 25.0


def load_evaluator(folder: Path) -> ModuleType:
    """The evaluator that comes with the data."""
    spec = importlib.util.spec_from_file_location("pcp", folder / "pcp.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pcp"] = module
    spec.loader.exec_module(module)
    return module


class Shelf:
    """The sequence with its truth."""

    def __init__(self, folder: Path = DEFAULT_DATA) -> None:
        self.rig = load_rig(folder / "calibration.toml")
        self.observations = load_observations(folder / "detections.npz")
        self.truth = dict(np.load(folder / "gt.npz"))
        self.evaluator = load_evaluator(folder)

    def motion(
        self, cameras: str, layer: str = "raw", config: ReconstructionConfig | None = None
    ) -> Motion:
        """The people that are found with some of the cameras ("024")."""
        rig = self.rig.subset([self.rig.names[int(c)] for c in cameras])
        sets = self.observations.frame_sets(rig, RATE_HZ)
        motion = reconstruct_all(
            sets, rig, self.observations.skeleton, config or ReconstructionConfig()
        )
        if layer == "smooth":
            count = len(sets)
            table = FrameTable(
                np.arange(count),
                np.array([s.time_ns for s in sets], np.int64),
                np.zeros((count, len(rig)), np.int64),
            )
            motion = smooth_motion(motion, table, SmoothingConfig())
        return motion

    def score(self, motion: Motion) -> dict[str, Any]:
        """What the evaluator says of them."""
        points = self.evaluator.to_shelf(
            np.asarray(motion.points_m, float), self.observations.skeleton.keypoints, "fourda"
        )
        frames = np.asarray(self.observations.frame_ids)[motion.frame]
        return self.evaluator.evaluate(
            frames, points, np.asarray(motion.person_id), self.truth, "strict"
        )


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--cameras", nargs="*", default=list(CAMERA_SETS))
    parser.add_argument("--layer", default="raw", choices=["raw", "smooth"])
    parser.add_argument("--json", action="store_true", help="print JSON only")
    arguments = parser.parse_args()
    shelf = Shelf(arguments.data)
    metrics: list[Metric] = []
    for cameras in arguments.cameras:
        score = shelf.score(shelf.motion(cameras, arguments.layer))
        average, tracks = score["average"], score["tracks"]
        lower_arms = average["parts"]["Lower arms"]
        note = f"cameras {' '.join(cameras)}, {arguments.layer}"
        metrics += [
            Metric(f"pcp_{cameras}", average["PCP"], "%", "higher", note),
            Metric(f"lower_arms_{cameras}", lower_arms, "%", "higher", note),
            Metric(f"id_switches_{cameras}", score["id_switches_total"], "", "lower", note),
            Metric(f"tracks_{cameras}", tracks["total"], "", "neither", note),
            Metric(f"short_{cameras}", tracks["shorter_than_5_frames"], "", "lower", note),
            Metric(
                f"doubles_{cameras}", score["people"]["surplus_on_annotated"], "", "lower", note
            ),
        ]
        if not arguments.json:
            print(
                f"{cameras:6s} PCP {average['PCP']:5.1f}  lower arms {lower_arms:5.1f}  switches "
                f"{score['id_switches_total']}  tracks {tracks['total']}  shorter than 5 frames "
                f"{tracks['shorter_than_5_frames']}  doubles "
                f"{score['people']['surplus_on_annotated']}"
            )
    if arguments.json:
        print_report("shelf", metrics)


if __name__ == "__main__":
    main()
