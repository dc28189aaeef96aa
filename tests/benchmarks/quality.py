"""How good the 3D of a session is, without ground truth: raw and smooth layer beside each other.

Reprojection counts every view that has the keypoint, used or not. Leave-one-camera-out
reconstructs without each camera and compares with what that camera saw; a whole-body left / right
exchange that was found counts as its corrected labels ("labels as detected" counts it as errors).

    python tests/benchmarks/quality.py [SESSION.h5] [--clip FOLDER]

Without a session, one is made from the clip first.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from report import Metric, print_report

from mocap.cli.main import main as mocap
from mocap.model import FrameTable, Motion
from mocap.model.config import ReconstructionConfig, SmoothingConfig
from mocap.pipeline.metrics import (
    assignment_of,
    limb_deviation_m,
    nearest_rows,
    reconstruct_all,
    reprojection,
    valid_share,
)
from mocap.pipeline.smooth import smooth_motion
from mocap.storage.session_reader import Session

DEFAULT_CLIP = Path(__file__).resolve().parents[3] / "shared/data/pose2sim_single"
MIN_CONFIDENCE = 0.3


def make_session(folder: Path, clip: Path = DEFAULT_CLIP) -> Path:
    """Runs the main job on a clip."""
    path = folder / "session.h5"
    arguments = ["run", "--rig", str(clip / "calibration/Calib.qca.txt")]
    arguments += ["--videos", str(clip / "videos"), "--out", str(path)]
    if mocap(arguments) != 0:
        raise SystemExit("the run failed")
    return path


def without_camera(session: Session, name: str, layer: str) -> Motion:
    """Raw or smooth layer of the session without one camera."""
    others = [n for n in session.rig.names if n != name]
    config = ReconstructionConfig()
    motion = reconstruct_all(
        session.frame_sets(), session.rig.subset(others), session.skeleton, config
    )
    if layer == "smooth":
        frames = session.frames
        kept = FrameTable(frames.number, frames.time_ns, frames.camera_frame)
        motion = smooth_motion(motion, kept, SmoothingConfig())
    return motion


def measure(session: Session) -> list[Metric]:
    """All figures of the person with the most frames."""
    views = session.views()
    assignment = assignment_of(
        views["frame"], views["person_id"], views["detection_index"], views["swapped"]
    )
    as_detected = {
        key: (indices, [False] * len(flags)) for key, (indices, flags) in assignment.items()
    }
    sets, rig, skeleton = session.frame_sets(), session.rig, session.skeleton
    body = skeleton.indices("body", "feet")
    limbs = [skeleton.index(n) for n in skeleton.association if n != "nose"]
    raw = session.motion("raw")
    main_id = max(raw.person_ids, key=lambda i: int((raw.person_id == i).sum()))
    metrics: list[Metric] = []
    for layer in session.layers:
        person = session.motion(layer).person(main_id)
        deviations = 1000 * np.array(list(limb_deviation_m(person).values()))
        errors = reprojection(person, sets, rig, assignment, MIN_CONFIDENCE)
        left_out: dict[str, list[np.ndarray]] = {"body": [], "limbs": [], "body as detected": []}
        for c, camera in enumerate(rig):
            other = without_camera(session, camera.name, layer)
            rows = nearest_rows(person, other)
            matched = other.rows(np.isin(np.arange(len(other)), rows[rows >= 0]))
            renamed = Motion(
                skeleton,
                matched.frame,
                matched.time_s,
                np.full(len(matched), main_id),
                matched.points_m,
                matched.covariance_m2,
                matched.reprojection_px,
                matched.n_views,
            )
            for name, labels, chosen in (
                ("body", assignment, body),
                ("limbs", assignment, limbs),
                ("body as detected", as_detected, body),
            ):
                only = {
                    key: (tuple(i if n == c else -1 for n, i in enumerate(indices)), flags)
                    for key, (indices, flags) in labels.items()
                }
                result = reprojection(renamed, sets, rig, only, MIN_CONFIDENCE)
                left_out[name].append(result.error_px[np.isin(result.keypoint, chosen)])
        used = person.reprojection_px[:, list(body)]
        metrics += [
            Metric(f"{layer}.frames", len(person), "frames", "higher"),
            Metric(f"{layer}.valid_body", 100 * valid_share(person, body), "%", "higher"),
            Metric(f"{layer}.limb_sd_mean", float(np.nanmean(deviations)), "mm", "lower"),
            Metric(f"{layer}.limb_sd_max", float(np.nanmax(deviations)), "mm", "lower"),
            Metric(
                f"{layer}.reprojection_body", errors.median_px(body), "px", "lower", "all views"
            ),
            Metric(
                f"{layer}.reprojection_limbs", errors.median_px(limbs), "px", "lower", "all views"
            ),
            Metric(f"{layer}.reprojection_used", float(np.nanmedian(used)), "px", "lower"),
        ]
        for name, values in left_out.items():
            median = float(np.median(np.concatenate(values)))
            metrics.append(Metric(f"{layer}.leave_one_out {name}", median, "px", "lower"))
        for camera, values in zip(rig.names, left_out["body"], strict=True):
            median = float(np.median(values)) if len(values) else float("nan")
            metrics.append(Metric(f"{layer}.leave_one_out body {camera}", median, "px", "lower"))
    return metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("session", type=Path, nargs="?")
    parser.add_argument("--clip", type=Path, default=DEFAULT_CLIP)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.session or make_session(Path(folder), options.clip)
        with Session(path) as session:
            print_report("quality", measure(session))


if __name__ == "__main__":
    main()
