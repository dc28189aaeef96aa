"""A rig refined on the people it films: before and after, on frames that were not used for it.

Every fourth frame is used to refine, the others to judge: each camera is left out in turn, the
people are reconstructed from the rest, and compared with what the camera left out saw.

    python tests/benchmarks/refine_rig.py [SESSION.h5] [--clip FOLDER] [--samples N]

Without a session, one is made from the clip first. With `--samples` the posterior is drawn too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from quality import DEFAULT_CLIP, MIN_CONFIDENCE, make_session
from report import Metric, print_report

from calibration.people.posterior import sample_rig
from calibration.people.refine import Refinement, refine_rig
from calibration.people.tracks import PeopleTracks
from mocap.model import FrameSet, Motion, Rig
from mocap.model.config import ReconstructionConfig
from mocap.pipeline.metrics import assignment_of, nearest_rows, reconstruct_all, reprojection
from mocap.storage.session_reader import Session

STEP = 4


def left_out_px(session: Session, rig: Rig, sets: list[FrameSet]) -> dict[str, np.ndarray]:
    """Errors of every camera against the reconstruction of the others, body and feet."""
    views = session.views()
    assignment = assignment_of(
        views["frame"], views["person_id"], views["detection_index"], views["swapped"]
    )
    raw = session.motion("raw")
    main_id = max(raw.person_ids, key=lambda i: int((raw.person_id == i).sum()))
    person = raw.person(main_id)
    body = session.skeleton.indices("body", "feet")
    errors: dict[str, np.ndarray] = {}
    for c, camera in enumerate(rig):
        others = rig.subset([n for n in rig.names if n != camera.name])
        other = reconstruct_all(sets, others, session.skeleton, ReconstructionConfig())
        rows = nearest_rows(person, other)
        found = other.rows(np.isin(np.arange(len(other)), rows[rows >= 0]))
        renamed = Motion(
            session.skeleton,
            found.frame,
            found.time_s,
            np.full(len(found), main_id),
            found.points_m,
            found.covariance_m2,
            found.reprojection_px,
            found.n_views,
        )
        only = {
            key: (tuple(i if n == c else -1 for n, i in enumerate(indices)), flags)
            for key, (indices, flags) in assignment.items()
        }
        result = reprojection(renamed, sets, rig, only, MIN_CONFIDENCE)
        errors[camera.name] = result.error_px[np.isin(result.keypoint, body)]
    return errors


def refine_session(session: Session) -> Refinement:
    """Refines the rig of a session on every fourth frame."""
    sizes = {camera.name: camera.intrinsics.size for camera in session.rig}
    tracks = PeopleTracks.from_frame_sets(session.frame_sets(), sizes, session.skeleton)
    return refine_rig(session.rig, tracks.every(STEP))


def measure(session: Session, samples: int = 0) -> list[Metric]:
    """All figures of one session."""
    started = time.perf_counter()
    refined = refine_session(session)
    took = time.perf_counter() - started
    metrics = [Metric("refine.seconds", took, "s", "lower")]
    sets = session.frame_sets()
    for part, chosen in (
        ("train", [s for s in sets if s.number % STEP == 0]),
        ("test", [s for s in sets if s.number % STEP != 0]),
    ):
        for when, rig in (("before", session.rig), ("after", refined.solution.rig)):
            errors = left_out_px(session, rig, chosen)
            median = float(np.median(np.concatenate(list(errors.values()))))
            name = f"{part}.leave_one_out {when}"
            metrics.append(Metric(name, median, "px", "lower", f"{len(chosen)} frames"))
            for camera, values in errors.items():
                one = float(np.median(values))
                metrics.append(Metric(f"{name} {camera}", one, "px", "lower"))
    for change in refined.changes:
        note = "was off" if change.was_off else ""
        metrics += [
            Metric(f"change.rotation {change.name}", change.rotation_deg, "deg", "neither", note),
            Metric(f"change.position {change.name}", 1000 * change.position_m, "mm", "neither"),
        ]
    effect = refined.adjustment.design_effect
    metrics.append(Metric("refine.design_effect", effect, "", "neither", "1: all independent"))
    print(refined.report, file=sys.stderr)
    if samples:
        drawn = sample_rig(refined.adjustment, np.random.default_rng(0), samples=samples)
        print(drawn.report(session.rig.names), file=sys.stderr)
        metrics += [
            Metric("posterior.ess", drawn.ess, "samples", "higher"),
            Metric("posterior.r_hat", float(drawn.r_hat.max()), "", "lower"),
        ]
    return metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("session", type=Path, nargs="?")
    parser.add_argument("--clip", type=Path, default=DEFAULT_CLIP)
    parser.add_argument("--samples", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.session or make_session(Path(folder), options.clip)
        with Session(path) as session:
            print_report("refine_rig", measure(session, options.samples))


if __name__ == "__main__":
    main()
