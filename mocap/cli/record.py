"""From a stream of frame sets to a finished session file, with progress and summary."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from capture.supervisor import CameraReport
from mocap.cli.exit_codes import EXIT_CAMERA_LOST, EXIT_INTERRUPTED
from mocap.cli.interrupt import Interruption
from mocap.cli.progress import errors, progress_bar, say_error
from mocap.cli.summary import print_summary, run_summary
from mocap.cli.versions import software_versions
from mocap.errors import WorkerError
from mocap.model import FrameSet, Rig, Skeleton
from mocap.model.config import ReconstructionConfig, SmoothingConfig
from mocap.pipeline.leads import LeadFinder
from mocap.pipeline.reconstructor import Reconstructor
from mocap.pipeline.rig_health import RigHealth
from mocap.pipeline.session_run import RunTiming, Watcher, run_frames
from mocap.pipeline.smooth import smooth_motion, warm_up_smoothing
from mocap.pipeline.still_figures import StillFigure, still_figures
from mocap.storage.session_reader import Session
from mocap.storage.session_writer import SessionWriter

FrameStream: TypeAlias = Callable[
    [SessionWriter, RunTiming, Callable[[], bool]], Iterable[FrameSet]
]
"""Makes the frame sets, given where late observations go, where time is noted, and whether to
stop."""


@dataclass(frozen=True)
class RecordingPlan:
    """What to make of a stream of frame sets.

    Attributes:
        out: the session file to write.
        overwrite: whether an existing file may be replaced.
        config: the resolved configuration, which the session keeps.
        reconstruction: how 2D people become 3D people.
        smoothing: how the smooth layer is made.
    """

    out: Path
    overwrite: bool
    config: Mapping[str, Any]
    reconstruction: ReconstructionConfig
    smoothing: SmoothingConfig


def record(
    plan: RecordingPlan,
    rig: Rig,
    skeleton: Skeleton,
    frames: FrameStream,
    total: int,
    reports: dict[str, CameraReport],
    started: float,
    watchers: Sequence[Watcher] = (),
) -> int:
    """Reconstructs, writes and smooths, and prints what came out.

    Args:
        plan: what to make.
        rig: the cameras.
        skeleton: the keypoints.
        frames: makes the frame sets.
        total: how many there will be.
        reports: of the camera workers, filled in while they run.
        started: when the command began, on `time.perf_counter`.
        watchers: are shown every frame as well.

    Returns:
        The exit code.

    Raises:
        WorkerError: too few cameras were left; what was seen before is in the session.
    """
    reconstructor = Reconstructor(rig, skeleton, plan.reconstruction)
    with errors.status("preparing (after an installation the kernels are compiled once: 20 s)"):
        reconstructor.warm_up()
        if plan.smoothing.enabled:
            warm_up_smoothing()
    timing, health = RunTiming(), RigHealth(rig, skeleton)
    leads = LeadFinder(rig, skeleton, plan.reconstruction.association)
    broken_off: WorkerError | None = None
    with (
        Interruption() as interruption,
        SessionWriter(
            plan.out,
            rig,
            skeleton,
            config=plan.config,
            software=software_versions(),
            overwrite=plan.overwrite,
        ) as writer,
    ):
        try:
            with progress_bar("frames", total) as progress:
                run_frames(
                    frames(writer, timing, interruption.requested),
                    reconstructor,
                    writer,
                    timing,
                    total=total,
                    progress=progress,
                    stopped=interruption.requested,
                    watchers=watchers,
                    late_watchers=(health.watch, leads.watch),
                )
        except WorkerError as error:
            broken_off = error
            if not writer.frames:
                # Nothing was seen: an empty session would only be in the way.
                writer.close()
                plan.out.unlink()
                raise
        smooth_s, still = _smooth(writer, plan)
        lost = {name: r.lost for name, r in reports.items() if r.lost is not None}
        summary = run_summary(
            timing,
            reports,
            reconstructor.camera_noise,
            smooth_s,
            time.perf_counter() - started,
            health.events,
            leads.leads,
            still,
        )
        writer.finish(summary, interrupted=interruption.requested() or broken_off is not None)
    print_summary(plan.out, summary)
    if broken_off is not None:
        raise broken_off
    if interruption.requested():
        return EXIT_INTERRUPTED
    for name, error in lost.items():
        say_error(f"camera {name!r} was lost: {error}; the session holds what the others saw")
    return EXIT_CAMERA_LOST if lost else 0


def _smooth(writer: SessionWriter, plan: RecordingPlan) -> tuple[float, list[StillFigure]]:
    """Makes the smooth layer, and looks for people who never move.

    Returns:
        The seconds it took, and those people.
    """
    begun = time.perf_counter()
    writer.flush()
    with Session(plan.out) as session:
        raw, frames = session.motion("raw"), session.frames
    still = still_figures(raw)
    if len(raw) and plan.smoothing.enabled and writer.frames > 1:
        writer.add_smooth(smooth_motion(raw, frames, plan.smoothing))
    return time.perf_counter() - begun, still
