"""2D people for calibration: from a session, from a file, or from videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.image_size import fit_camera_to_image_size
from calibration.people.tracks import PeopleTracks
from capture.detectors import DEFAULT_DETECTOR
from capture.rig_videos import VIDEO_SUFFIXES
from capture.video_probe import probe_video
from mocap.cli.progress import progress_bar, say_error
from mocap.errors import InputError, RigError
from mocap.model import FrameSet, Rig
from mocap.storage.observation_file import load_observations
from mocap.storage.rig_file import load_rig
from mocap.storage.session_reader import Session

if TYPE_CHECKING:
    from mocap.model import Observation

DEFAULT_RATE_HZ = 30.0
SESSION_SUFFIXES = (".h5", ".hdf5")


@dataclass(frozen=True)
class PeopleSource:
    """Where 2D people come from: exactly one of the three.

    Attributes:
        session: a session file, which brings its rig with it.
        observations: a file of 2D people.
        videos: a folder or files, in which a detector finds the people.
        fps: frames per second of the observations.
        detector: for the videos.
        rig: the rig file, if one was named.
        cameras: those to use; all if empty.
    """

    session: Path | None = None
    observations: Path | None = None
    videos: tuple[Path, ...] = ()
    fps: float | None = None
    detector: str = DEFAULT_DETECTOR
    rig: Path | None = None
    cameras: tuple[str, ...] = ()

    def check(self) -> None:
        """Checks that the options go together.

        Raises:
            InputError: they do not.
        """
        given = (self.session is not None, self.observations is not None, bool(self.videos))
        if sum(given) != 1:
            raise InputError("pass one of SESSION, --observations and --videos")
        if self.fps is not None and self.observations is None:
            raise InputError("--fps is for files of 2D people only; videos state their frame rate")
        if self.fps is not None and not 0.1 <= self.fps <= 100_000:
            raise InputError(f"--fps is {self.fps:g}; it must lie between 0.1 and 100000")

    def load(
        self, image_sizes: Mapping[str, tuple[int, int]] | None = None
    ) -> tuple[PeopleTracks, Rig | None]:
        """Reads or finds the people.

        Args:
            image_sizes: by camera, for observations that do not state them.

        Returns:
            The people, and the rig if there is one (its lenses fitted to the size of the images).
        """
        self.check()
        rig = None if self.rig is None else load_rig(self.rig)
        if self.session is not None:
            with Session(self.session) as session:
                rig = session.rig if rig is None else rig
                sizes = {camera.name: camera.intrinsics.size for camera in session.rig}
                tracks = PeopleTracks.from_frame_sets(session.frame_sets(), sizes, session.skeleton)
        elif self.observations is not None:
            file = load_observations(self.observations)
            sizes = dict(image_sizes or {})
            sizes |= {} if rig is None else {c.name: c.intrinsics.size for c in rig}
            tracks = PeopleTracks.from_observation_file(file, self.fps or DEFAULT_RATE_HZ, sizes)
        else:
            tracks = self._from_videos(rig)
        if self.cameras:
            tracks = tracks.subset(self.cameras)
            rig = None if rig is None else rig.subset(self.cameras)
        if rig is not None:
            rig = _fitted(rig, tracks)
            tracks = tracks.subset(rig.names)
        return tracks, rig

    def _from_videos(self, rig: Rig | None) -> PeopleTracks:
        from capture.detectors import detector_skeleton
        from capture.rig_videos import find_videos, list_videos
        from capture.running_worker import CameraJob
        from capture.supervisor import Supervisor
        from mocap.pipeline.session_run import POLL_S

        if rig is not None:
            paths = find_videos(self.videos, self.cameras or rig.names)
        else:
            files = list_videos(self.videos)
            paths = {path.stem: path for path in files}
            if len(paths) < len(files):
                raise InputError("two videos have the same name; name each after its camera")
            if self.cameras:
                paths = find_videos(self.videos, self.cameras)
        infos = {name: probe_video(path) for name, path in paths.items()}
        skeleton = detector_skeleton(self.detector)
        seen: list[Observation] = []
        jobs = [CameraJob(name, path) for name, path in paths.items()]
        total = sum(info.frames for info in infos.values())
        with (
            Supervisor(jobs, self.detector, "fast") as supervisor,
            progress_bar("finding people", total) as progress,
        ):
            while set(supervisor.ended()) != set(paths):
                seen += supervisor.poll(list(paths), POLL_S)
                progress(len(seen), total)
            for name, report in supervisor.reports.items():
                if report.lost is not None:
                    say_error(f"camera {name!r} was lost: {report.lost}", "warning", "yellow")
        sets = [FrameSet(n, o.time_ns, {o.camera: o}) for n, o in enumerate(seen)]
        sizes = {name: info.size for name, info in infos.items()}
        return PeopleTracks.from_frame_sets(sets, sizes, skeleton)


def people_at(paths: tuple[Path, ...], fps: float | None, detector: str) -> PeopleSource:
    """Where people come from, by what the paths are: a session, observations, or videos.

    Raises:
        InputError: the paths are none of these, or the frame rate does not go with them.
    """
    for path in paths:
        if not path.exists():
            raise InputError(f"{path} does not exist")
    first = paths[0]
    session = first.suffix.lower() in SESSION_SUFFIXES
    film = first.suffix.lower() in VIDEO_SUFFIXES or (first.is_dir() and bool(_films(first)))
    if not film and len(paths) > 1:
        raise InputError(
            f"give one session, one file or folder of 2D people, or videos; got {len(paths)} "
            f"paths, of which {first} is no video"
        )
    source = PeopleSource(
        session=first if session else None,
        observations=None if session or film else first,
        videos=paths if film and not session else (),
        fps=fps,
        detector=detector,
    )
    source.check()
    return source


def _films(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES]


def _fitted(rig: Rig, tracks: PeopleTracks) -> Rig:
    known = {camera.name: camera for camera in tracks.cameras}
    missing = [name for name in rig.names if name not in known]
    if len(missing) == len(rig):
        raise RigError(
            f"no camera of the rig ({', '.join(rig.names)}) is among those that saw people "
            f"({', '.join(known)}); rename the cameras"
        )
    if missing:
        raise RigError(
            f"cameras {', '.join(missing)} of the rig saw nothing; name those to use with --cameras"
        )
    for name in rig.names:
        camera, warning = fit_camera_to_image_size(rig[name], known[name].image_size)
        if warning:
            say_error(warning, "warning", "yellow")
        rig = rig.replaced(camera)
    return rig
