"""What the whole run costs beyond detection alone, on the same videos, in one run.

Detection alone is the same workers with the same detector over the same transport, whose
observations are thrown away. Both are started as commands of their own, in turn.

    python tests/benchmarks/main_job.py [--clip FOLDER] [--repeats N]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import Metric, print_report

from capture.detectors.registry import DEFAULT_DETECTOR
from capture.rig_videos import find_videos
from capture.running_worker import CameraJob
from capture.supervisor import Supervisor
from mocap.storage.rig_file import load_rig
from mocap.storage.session_reader import Session

DEFAULT_CLIP = Path(__file__).resolve().parents[3] / "shared/data/pose2sim_single"


def detect_only(clip: Path) -> None:
    """Runs the workers and throws away what they see."""
    rig = load_rig(clip / "calibration/Calib.qca.txt")
    videos = find_videos([clip / "videos"], rig.names)
    jobs = [CameraJob(name, path) for name, path in videos.items()]
    with Supervisor(jobs, DEFAULT_DETECTOR, "fast") as supervisor:
        while len(ended := supervisor.ended()) < len(jobs):
            supervisor.poll([name for name in rig.names if name not in ended], 0.1)


def timed(command: list[str]) -> float:
    """Seconds that a command takes."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, default=DEFAULT_CLIP)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--detect-only", action="store_true", help="used by the program itself")
    options = parser.parse_args()
    if options.detect_only:
        detect_only(options.clip)
        return
    alone: list[float] = []
    whole: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        session_path = Path(folder) / "session.h5"
        run = [sys.executable, "-m", "mocap.cli.main", "run", "--overwrite"]
        run += ["--rig", str(options.clip / "calibration/Calib.qca.txt")]
        run += ["--videos", str(options.clip / "videos"), "--out", str(session_path)]
        detect = [sys.executable, __file__, "--detect-only", "--clip", str(options.clip)]
        timed(run)  # kernels are compiled and files are in memory after this
        for _ in range(options.repeats):
            alone.append(timed(detect))
            whole.append(timed(run))
        with Session(session_path) as session:
            central = session.summary["central"]
    frames = central["frames"]
    ratio = statistics.median(w / a for w, a in zip(whole, alone, strict=True))
    print_report(
        "main_job",
        [
            Metric("detection_alone_s", statistics.median(alone), "s", "lower"),
            Metric("whole_run_s", statistics.median(whole), "s", "lower"),
            Metric("overhead", 100 * (ratio - 1), "%", "lower", "median of paired runs"),
            Metric("reconstruct", 1000 * central["reconstruct_s"] / frames, "ms/frame", "lower"),
            Metric("store", 1000 * central["store_s"] / frames, "ms/frame", "lower"),
            Metric("frames", frames, "frames", "neither"),
        ],
    )


if __name__ == "__main__":
    main()
