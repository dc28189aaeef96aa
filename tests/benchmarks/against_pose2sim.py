"""Our 3D and Pose2Sim's, from the same 2D keypoints and the same rig, judged by the same figures.

Pose2Sim needs an environment of its own:

    python -m venv P2S && P2S/bin/pip install pose2sim==0.10.49
    python tests/benchmarks/against_pose2sim.py --pose2sim P2S/bin/python [SESSION.h5]

Its defaults are kept (Butterworth 6 Hz, thresholds 20 and 15 px), but all frames are asked for.
Reprojection counts every view that has the keypoint. "labels as detected" counts keypoints whose
left and right the detector has exchanged as errors, "labels corrected" does not.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from quality import MIN_CONFIDENCE, make_session, without_camera
from report import Metric, print_report

from mocap.model import Motion
from mocap.pipeline.metrics import (
    assignment_of,
    limb_deviation_m,
    reprojection,
    valid_share,
)
from mocap.storage.session_reader import Session

BLAZEPOSE_BODY = 33
RUN = """
import matplotlib; matplotlib.use("Agg")
import sys, pathlib, Pose2Sim, toml
config = toml.load(pathlib.Path(Pose2Sim.__file__).parent / "Demo_SinglePerson" / "Config.toml")
config["project"].update(frame_range="all", frame_rate=float(sys.argv[1]))
config["pose"].update(pose_model="BLAZEPOSE", display_detection=False)
config["triangulation"].update(make_c3d=False)
config["filtering"].update(display_figures=False, save_filt_plots=False, make_c3d=False)
from Pose2Sim.Pose2Sim import personAssociation, triangulation, filtering
personAssociation(config); triangulation(config); filtering(config)
"""


def write_project(session: Session, cameras: list[str], folder: Path) -> None:
    """Rig and 2D keypoints of some cameras as a Pose2Sim project."""
    (folder / "calibration").mkdir(parents=True)
    sections = []
    for camera in session.rig.subset(cameras):
        lens = camera.intrinsics
        sections.append(
            f'[{camera.name}]\nname = "{camera.name}"\n'
            f"size = {[float(n) for n in lens.size]}\nmatrix = {lens.matrix.tolist()}\n"
            f"distortions = {lens.distortions.tolist()[:4]}\n"
            f"rotation = {camera.rotation_vector.tolist()}\n"
            f"translation = {camera.translation_m.tolist()}\nfisheye = false\n"
        )
    (folder / "calibration/Calib.toml").write_text("\n".join(sections))
    for frame_set in session.frame_sets():
        for name in cameras:
            people = []
            observation = frame_set.observations.get(name)
            if observation is not None and len(observation.detections):
                body = slice(0, BLAZEPOSE_BODY)
                pixels = np.nan_to_num(observation.detections.keypoints_px[0][body])
                confidence = observation.detections.confidence[0][body]
                flat = np.column_stack([pixels, confidence]).ravel().tolist()
                people = [{"person_id": [-1], "pose_keypoints_2d": flat}]
            path = folder / f"pose/{name}_json/{name}_{frame_set.number:06d}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"version": 1.3, "people": people}))


def our_name(marker: str) -> str:
    """Our name of a Pose2Sim marker (RBigToe, LShoulder, Nose ...)."""
    # Its BlazePose table spells one of them "Lknee".
    side = {"L": "left_", "R": "right_"}.get(marker[0], "")
    rest = marker[1:] if side else marker
    words = re.sub(r"(?<!^)(?=[A-Z])", "_", rest).lower()
    return side + {"foot_index": "big_toe"}.get(words, words)


def read_trc(path: Path, session: Session) -> Motion:
    """A TRC file of Pose2Sim (Y-up) in our world frame and skeleton."""
    lines = path.read_text().splitlines()
    markers = [name for name in lines[3].split("\t")[2:] if name]
    rows = [
        [float(v) if v.strip() else np.nan for v in line.split("\t")] for line in lines[5:] if line
    ]
    data = np.array([row[: 2 + 3 * len(markers)] for row in rows])
    skeleton, frames = session.skeleton, session.frames
    index = (data[:, 0] - data[0, 0]).astype(int)
    points = np.full((len(data), len(skeleton), 3), np.nan)
    for i, marker in enumerate(markers):
        y_up = data[:, 2 + 3 * i : 5 + 3 * i]
        points[:, skeleton.index(our_name(marker))] = y_up[:, [2, 0, 1]]
    n, k = points.shape[:2]
    return Motion(
        skeleton,
        frames.number[index],
        frames.time_ns[index] * 1e-9,
        np.zeros(n, np.int64),
        points,
        np.full((n, k, 3, 3), np.nan),
        np.full((n, k), np.nan),
        np.zeros((n, k), np.int64),
    )


def pose2sim(session: Session, cameras: list[str], python: Path) -> tuple[Motion, float]:
    """Runs Pose2Sim; returns its filtered result and the seconds it took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        write_project(session, cameras, folder)
        (folder / "Config.toml").write_text("")
        started = time.perf_counter()
        result = subprocess.run(
            [str(python), "-c", RUN, str(session.frames.rate_hz)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        took = time.perf_counter() - started
        found = sorted((folder / "pose-3d").glob("*filt*.trc"))
        if not found:
            raise SystemExit(f"Pose2Sim failed:\n{result.stderr[-2000:]}")
        return read_trc(found[0], session), took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("session", type=Path, nargs="?")
    parser.add_argument("--pose2sim", type=Path, required=True, help="Python that has Pose2Sim")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.session or make_session(Path(folder))
        with Session(path) as session:
            print_report("against_pose2sim", compare(session, options.pose2sim))


def compare(session: Session, python: Path) -> list[Metric]:
    """All figures of both."""
    names = list(session.rig.names)
    ours = session.motion("smooth")
    ours = ours.person(max(ours.person_ids, key=lambda i: int((ours.person_id == i).sum())))
    theirs, seconds = pose2sim(session, names, python)
    keypoints = np.flatnonzero(np.isfinite(theirs.points_m[..., 0]).any(axis=0)).tolist()
    views = session.views()
    mine = views["person_id"] == ours.person_id[0]
    corrected = assignment_of(
        views["frame"][mine],
        np.zeros(mine.sum(), np.int64),
        views["detection_index"][mine],
        views["swapped"][mine],
    )
    as_detected = {
        key: (indices, [False] * len(flags)) for key, (indices, flags) in corrected.items()
    }
    metrics = [Metric("pose2sim.seconds", seconds, "s", "lower", "association to filter")]
    for who, motion in (("ours", ours), ("pose2sim", theirs)):
        spread = 1000 * np.array(list(limb_deviation_m(motion).values()))
        metrics += [
            Metric(f"{who}.frames", len(motion), "frames", "higher"),
            Metric(f"{who}.valid", 100 * valid_share(motion, keypoints), "%", "higher"),
            Metric(f"{who}.limb_sd_mean", float(spread.mean()), "mm", "lower"),
        ]
        for label, assignment in (("corrected", corrected), ("as detected", as_detected)):
            renamed = with_person_id(motion, 0)
            errors = reprojection(
                renamed, session.frame_sets(), session.rig, assignment, MIN_CONFIDENCE
            )
            metrics.append(
                Metric(
                    f"{who}.reprojection labels {label}", errors.median_px(keypoints), "px", "lower"
                )
            )
    left_out: dict[str, list[np.ndarray]] = {}
    for c, name in enumerate(names):
        others = [n for n in names if n != name]
        ours_without = without_camera(session, name, "smooth")
        biggest = max(
            ours_without.person_ids, key=lambda i: int((ours_without.person_id == i).sum())
        )
        for who, motion in (
            ("ours", ours_without.person(biggest)),
            ("pose2sim", pose2sim(session, others, python)[0]),
        ):
            for label, labels in (("corrected", corrected), ("as detected", as_detected)):
                only = {
                    key: (tuple(i if n == c else -1 for n, i in enumerate(indices)), flags)
                    for key, (indices, flags) in labels.items()
                }
                errors = reprojection(
                    with_person_id(motion, 0),
                    session.frame_sets(),
                    session.rig,
                    only,
                    MIN_CONFIDENCE,
                )
                chosen = errors.error_px[np.isin(errors.keypoint, keypoints)]
                left_out.setdefault(f"{who}.leave_one_out labels {label}", []).append(chosen)
    for key, values in left_out.items():
        metrics.append(Metric(key, float(np.median(np.concatenate(values))), "px", "lower"))
    return metrics


def with_person_id(motion: Motion, person_id: int) -> Motion:
    """The same rows under another id."""
    return Motion(
        motion.skeleton,
        motion.frame,
        motion.time_s,
        np.full(len(motion), person_id),
        motion.points_m,
        motion.covariance_m2,
        motion.reprojection_px,
        motion.n_views,
    )


if __name__ == "__main__":
    main()
