"""What `mocap sync` reads: 2D people, sound and brightness of each camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from calibration.timing import BrightnessSeries, CameraTracks, SoundTrack, tracks_of_people
from capture.detectors import detector_skeleton
from capture.running_worker import CameraJob
from capture.supervisor import Supervisor
from capture.video import VideoSource
from capture.video_probe import probe_video
from mocap.errors import ObservationError, RigError, valid_choices
from mocap.model import Detections, Observation, Skeleton
from mocap.pipeline.session_run import POLL_S
from mocap.storage.observation_file import load_observations

Progress = Callable[[int, int | None], None]
BRIGHTNESS_STEP = 8
"""Every so many pixels count."""


def body_keypoints(skeleton: Skeleton) -> tuple[int, ...]:
    """Body and feet: hands and faces are found too seldom to follow their speed."""
    return skeleton.indices("body", "feet")


def tracks_from_videos(
    videos: Mapping[str, Path], detector: str, progress: Progress
) -> tuple[list[CameraTracks], list[str]]:
    """Runs the detector on all videos.

    Returns:
        People over time of each camera, by the clock of its own video; and a sentence for each
        camera that was lost on the way.

    Raises:
        InputError: there is no such detector.
        WorkerError: no camera could be read.
    """
    skeleton = detector_skeleton(detector)
    total = sum(probe_video(path).frames for path in videos.values())
    seen: dict[str, list[Observation]] = {name: [] for name in videos}
    jobs = [CameraJob(name, path) for name, path in videos.items()]
    with Supervisor(jobs, detector, "fast") as supervisor:
        while set(supervisor.ended()) != set(videos):
            for observation in supervisor.poll(list(videos), POLL_S):
                seen[observation.camera].append(observation)
            progress(sum(map(len, seen.values())), total)
        lost = [
            f"camera {name!r} was lost: {report.lost}"
            for name, report in supervisor.reports.items()
            if report.lost is not None
        ]
    keypoints = body_keypoints(skeleton)
    return [tracks_of_people(name, seen[name], keypoints) for name in videos], lost


def tracks_from_observations(
    path: Path, names: tuple[str, ...], rate_hz: float
) -> list[CameraTracks]:
    """People over time of each camera of an observation file.

    Args:
        path: the file; see `mocap.storage.observation_file`.
        names: cameras to use; all of the file if empty.
        rate_hz: frame n is at n / rate_hz seconds of each camera's clock.

    Raises:
        RigError: a camera is not in the file.
        ObservationError: the file has no frames.
    """
    file = load_observations(path)
    if not len(file.frame_ids):
        raise ObservationError(f"{path} has no frames; write frame_ids of all frames")
    keypoints = body_keypoints(file.skeleton)
    tracks: list[CameraTracks] = []
    for name in names or file.camera_names:
        if name not in file.camera_names:
            raise RigError(
                f"camera {name!r} of the rig is not in {path}; its cameras are "
                f"{valid_choices(file.camera_names)}"
            )
        own = file.camera == file.camera_names.index(name)
        observations: list[Observation] = []
        for number in file.frame_ids:
            rows = np.flatnonzero(own & (file.frame == number))
            detections = Detections(
                file.detections_px[rows, :, :2], file.detections_px[rows, :, 2], file.score[rows]
            )
            time_ns = round(int(number) / rate_hz * 1e9)
            observations.append(Observation(name, int(number), time_ns, detections))
        tracks.append(tracks_of_people(name, observations, keypoints))
    return tracks


def tracks_from_board(target: Path, videos: Mapping[str, Path]) -> list[CameraTracks]:
    """Searches the videos for a calibration board, instead of people.

    Raises:
        TargetError: the description of the board cannot be used.
        CalibrationError: no camera saw it.
    """
    from calibration.timing import tracks_of_board
    from mocap.cli.footage import scan, video_footage
    from mocap.storage.target_file import load_target

    footage = video_footage(list(videos.values()))
    sightings = scan(load_target(target), footage, "board")
    names = {path.stem: name for name, path in videos.items()}
    tracks = [tracks_of_board(camera) for camera in sightings.cameras]
    return [replace(each, name=names[each.name]) for each in tracks]


def sounds_from_videos(videos: Mapping[str, Path], progress: Progress) -> list[SoundTrack]:
    """The sound of each video."""
    from calibration.timing.audio_file import read_sound

    sounds: list[SoundTrack] = []
    for name, path in videos.items():
        sounds.append(read_sound(path, name))
        progress(len(sounds), len(videos))
    return sounds


def brightness_from_videos(
    videos: Mapping[str, Path], progress: Progress
) -> list[BrightnessSeries]:
    """Mean brightness of each image of each video."""
    total = sum(probe_video(path).frames for path in videos.values())
    done = 0
    found: list[BrightnessSeries] = []
    for name, path in videos.items():
        time_s: list[float] = []
        level: list[float] = []
        source = VideoSource(path)
        try:
            for frame in source:
                time_s.append(frame.time_ns * 1e-9)
                thinned = frame.image_rgb[::BRIGHTNESS_STEP, ::BRIGHTNESS_STEP]
                level.append(float(thinned.mean()))
                done += 1
                progress(done, total)
        finally:
            source.close()
        found.append(BrightnessSeries(name, np.array(time_s), np.array(level)))
    return found
