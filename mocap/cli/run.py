"""`mocap run`: from videos or 2D people to a session."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from calibration.image_size import fit_camera_to_image_size
from capture.detectors import DEFAULT_DETECTOR, detector_skeleton, takes_hints
from capture.hints import LAG_FRAMES
from capture.rig_videos import LengthRule, check_videos_known, common_end_s, find_videos
from capture.running_worker import CameraJob
from capture.supervisor import CameraReport, HintPlan, Supervisor
from capture.video import Pace
from capture.video_probe import VideoInfo, probe_video
from mocap.cli.hinting import hint_watcher
from mocap.cli.options import option, required
from mocap.cli.settings import check_cast, check_settings
from mocap.errors import InputError, OutputError, RigError
from mocap.files import check_output
from mocap.model import FrameSet, Rig, Skeleton
from mocap.model.config import ReconstructionConfig, SmoothingConfig
from mocap.pipeline.sync import FrameSetAssembler
from mocap.storage.observation_file import load_observations
from mocap.storage.rig_file import load_rig

if TYPE_CHECKING:
    from mocap.cli.record import FrameStream
    from mocap.pipeline.session_run import RunTiming, Watcher
    from mocap.storage.session_writer import SessionWriter

_log = logging.getLogger(__name__)
DEFAULT_RATE_HZ = 30.0
POSSIBLE_RATES_HZ = (0.1, 100_000)


@dataclass(frozen=True)
class Run:
    """Reconstruct 3D people from several videos, or from 2D people that are there already.

    The videos must be of the same moment; each is named after its camera in the rig. One worker
    process per camera finds the people in the images; this process matches them across the views,
    triangulates, and writes the session, which 'mocap view' shows and 'mocap export' converts.

    Example: mocap run --rig rig.toml --videos FOLDER --out session.h5

    Exit codes: 0 all went well, 2 an input or output is not usable, 3 a camera was lost (the
    session holds what the others saw), 130 interrupted (the session holds what was done so far).
    """

    rig: Annotated[Path, required("RIG")]
    """Calibration: our TOML, or a file of aniposelib, FreeMoCap, Pose2Sim, Caliscope, EasyMocap,
    OpenCV or Qualisys (qca.txt)."""
    out: Annotated[Path, required("SESSION.h5")]
    """The session file to write."""
    videos: Annotated[tuple[Path, ...], option("PATH [PATH ...]")] = ()
    """A folder with one video per camera, or the videos themselves; named after the cameras."""
    observations: Annotated[Path | None, option("OBS.npz|FOLDER")] = None
    """2D people, instead of videos: an NPZ file, or a folder of JSON files of OpenPose, Pose2Sim,
    AlphaPose, MMPose or COCO results; see docs/formats.md."""
    cameras: Annotated[tuple[str, ...], option("NAME [NAME ...]")] = ()
    """Use only these cameras of the rig. Default: all."""
    detector: Annotated[str, option("NAME")] = DEFAULT_DETECTOR
    """Finds the people: mediapipe-multi, mediapipe (one person per image), or module:Class for one
    of your own. Default: mediapipe-multi."""
    fps: Annotated[float | None, option("HZ")] = None
    """Frame rate of --observations, which do not state one. Default: 30. Videos state theirs."""
    skeleton: Annotated[str | None, option("NAME")] = None
    """Skeleton of --observations, where the number of keypoints does not tell it: coco17, body25,
    halpe26, coco_wholebody133 or blazepose_wholebody."""
    units: Annotated[Literal["m", "mm"] | None, option("{m,mm}")] = None
    """Unit of length of a rig file that does not state one."""
    length: LengthRule = "same"
    """Videos of different length: refuse them, stop with the shortest, or read all to the end."""
    pace: Pace = "fast"
    """fast: every frame, as quickly as possible. realtime: as if the videos were live cameras."""
    max_wait_s: float = 0.25
    """At the pace realtime: how long a late camera is waited for, in seconds."""
    hints: bool = True
    """Tell the detector in which places of an image the known 3D people should be, so that small,
    rear and partly hidden people are found. Detectors that cannot look there do without."""
    overwrite: bool = False
    """Replace an existing session."""
    reconstruction: Annotated[ReconstructionConfig, tyro.conf.arg(name="")] = field(
        default_factory=ReconstructionConfig
    )
    """How 2D people become 3D people."""
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)
    """How the smooth layer is made after the run."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        started = time.perf_counter()
        if bool(self.videos) == (self.observations is not None):
            raise InputError("pass either --videos or --observations, and not both")
        if self.videos and self.fps is not None:
            raise InputError("--fps is for --observations only; videos state their frame rate")
        if self.videos and self.skeleton is not None:
            raise InputError("--skeleton is for --observations only; --detector decides for videos")
        if not 0 <= self.max_wait_s < math.inf:
            raise InputError(f"--max-wait-s is {self.max_wait_s:g}; it must be zero or positive")
        check_settings(self.reconstruction)
        check_settings(self.smoothing, "smoothing.")
        check_cast(self.reconstruction)
        rig = load_rig(self.rig, units=self.units)
        all_names = rig.names
        if self.cameras:
            rig = rig.subset(self.cameras)
        if len(rig) < 2:
            raise RigError(
                f"3D needs at least two cameras, got {len(rig)}; choose more with --cameras"
            )
        self._check_output()
        if self.observations is not None:
            return self._run_observations(self.observations, rig, started)
        if not self.cameras:
            check_videos_known(self.videos, all_names)
        return self._run_videos(rig, started)

    def _check_output(self) -> None:
        check_output(self.out, overwrite=self.overwrite)
        inputs = (self.rig, *self.videos, *([self.observations] if self.observations else []))
        for path in inputs:
            if self.out.exists() and path.exists() and self.out.samefile(path):
                raise OutputError(f"--out is one of the inputs, {path}; name another file")

    def _run_observations(self, path: Path, rig: Rig, started: float) -> int:
        rate_hz = DEFAULT_RATE_HZ if self.fps is None else self.fps
        slowest, fastest = POSSIBLE_RATES_HZ
        if not slowest <= rate_hz <= fastest:
            raise InputError(f"--fps is {rate_hz:g}; it must lie between {slowest} and {fastest}")
        observations = load_observations(path, self.skeleton)
        sets = observations.frame_sets(rig, rate_hz)

        def frames(*_: object) -> Iterable[FrameSet]:
            return sets

        return self._record(rig, observations.skeleton, frames, len(sets), {}, started)

    def _run_videos(self, rig: Rig, started: float) -> int:
        skeleton = detector_skeleton(self.detector)
        paths = find_videos(self.videos, rig.names)
        infos: dict[str, VideoInfo] = {}
        for name, path in paths.items():
            infos[name] = probe_video(path)
            camera, warning = fit_camera_to_image_size(rig[name], infos[name].size)
            rig = rig.replaced(camera)
            if warning:
                _log.warning(warning)
        end_s = common_end_s(infos, self.length)
        end_ns = None if end_s is None else round(end_s * 1e9)
        jobs = [CameraJob(name, path, end_ns) for name, path in paths.items()]
        rate_hz = max(info.rate_hz for info in infos.values())
        ends_s = end_s if end_s is not None else max(i.end_s for i in infos.values())
        total = min(max(i.frames for i in infos.values()), math.ceil(ends_s * rate_hz))
        hints = self._hint_plan(infos)
        with Supervisor(jobs, self.detector, self.pace, hints=hints) as supervisor:
            watchers = [] if hints is None else [hint_watcher(rig, skeleton, supervisor, hints)]

            def frames(
                writer: SessionWriter, timing: RunTiming, stopped: Callable[[], bool]
            ) -> Iterable[FrameSet]:
                from mocap.pipeline.session_run import assemble

                assembler = FrameSetAssembler(
                    {camera.name: camera.time_offset_s for camera in rig},
                    round(1e9 / rate_hz),
                    self.max_wait_s if self.pace == "realtime" else None,
                )
                return assemble(supervisor, assembler, writer, timing, stopped)

            return self._record(rig, skeleton, frames, total, supervisor.reports, started, watchers)

    def _hint_plan(self, infos: Mapping[str, VideoInfo]) -> HintPlan | None:
        if not self.hints or not takes_hints(self.detector):
            return None
        slowest_hz = min(info.rate_hz for info in infos.values())
        fast = self.pace == "fast"
        return HintPlan(round(LAG_FRAMES * 1e9 / slowest_hz) if fast else None)

    def _record(
        self,
        rig: Rig,
        skeleton: Skeleton,
        frames: FrameStream,
        total: int,
        reports: dict[str, CameraReport],
        started: float,
        watchers: Sequence[Watcher] = (),
    ) -> int:
        # Imported here, because it takes a while, and the workers can start up meanwhile.
        from mocap.cli.record import RecordingPlan, record

        plan = RecordingPlan(
            out=self.out,
            overwrite=self.overwrite,
            config=self._resolved(),
            reconstruction=self.reconstruction,
            smoothing=self.smoothing,
        )
        return record(plan, rig, skeleton, frames, total, reports, started, watchers)

    def _resolved(self) -> dict[str, Any]:
        config = dataclasses.asdict(self)
        config["videos"] = [str(path) for path in self.videos]
        return config
