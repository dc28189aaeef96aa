"""Searches the footage of all cameras for a target.

Each camera is searched by a thread: decoding, detection and fitting leave Python's lock alone.
The thread that asked waits, tells the progress, and on an error or an interrupt lets the others
end after the frame they are at.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

import numpy as np

from calibration.absence import explain_absence
from calibration.chessboard_order import consistent_chessboard
from calibration.detection import Found, TargetFinder, print_notes
from calibration.footage import Footage, Progress
from calibration.search_plan import coarse_times, dense_times, frames_at, is_short
from calibration.sightings import CameraSightings, Sightings
from mocap.errors import CalibrationError
from mocap.model import Target

MOST_FRAMES = 1200
"""So many frames of a video are searched by default."""
THOROUGH_FRAMES = 60
"""Of so few frames each is worth a long search."""
LEAST_MIRRORED = 0.9
"""Share of mirrored views at which a camera is said to look at the back."""
_POLL_S = 0.1


@dataclass
class _Search:
    """The search of one camera, carried on from pass to pass."""

    footage: Footage
    finder: TargetFinder
    total: int = 0
    done: int = 0
    found: dict[int, tuple[float, Found]] = field(default_factory=dict)

    def run(self, wanted: Sequence[int] | None, stop: threading.Event) -> None:
        """Searches frames, until told to stop."""
        chosen = None if wanted is None else set(wanted)
        for picture in self.footage.read(wanted):
            if stop.is_set():
                return
            if chosen is not None and picture.frame not in chosen:
                continue
            height, width = picture.image.shape[:2]
            if (width, height) != tuple(self.footage.image_size):
                raise CalibrationError(
                    f"camera {self.footage.name!r}: frame {picture.frame} is {width}x{height}, "
                    f"the others are {self.footage.image_size[0]}x{self.footage.image_size[1]}; "
                    f"remove it"
                )
            found = self.finder.find(picture.image)
            if found is not None:
                self.found[picture.frame] = (picture.time_s, found)
            self.done += 1
        self.done = self.total


def scan_footage(
    target: Target,
    footage: Sequence[Footage],
    *,
    most_frames: int = MOST_FRAMES,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Sightings:
    """Finds the target in what all cameras filmed.

    Whether the print is a negative, in which layout it is, and which side a camera sees is found
    out, and told in the notes of the cameras.

    Args:
        target: the board as described.
        footage: of each camera, in the order of the rig.
        most_frames: how many frames of a video are searched; images all are.
        progress: is told how far each camera is.
        workers: how many cameras are searched at once; by default one per core.

    Returns:
        All sightings, with the target as it turned out to be printed. A camera that never saw it
        has none, and a note why.

    Raises:
        CalibrationError: no camera saw the target; the message says what is seen instead.
        TargetError: the dictionary of the markers is unknown or too small.
    """
    searches = [
        _Search(each, TargetFinder(target, thorough=each.frame_count <= THOROUGH_FRAMES))
        for each in footage
    ]
    if not searches:
        raise CalibrationError("there is no camera to search for the target; name its footage")
    short = [search for search in searches if is_short(search.footage, most_frames)]
    long = [search for search in searches if search not in short]
    times = coarse_times([search.footage for search in long], most_frames) if long else np.zeros(0)
    plan: list[tuple[_Search, Sequence[int] | None]] = [(search, None) for search in short]
    plan += [(search, frames_at(search.footage, times).tolist()) for search in long]
    _run(plan, progress, workers)
    found_s = np.array([time for search in long for time, _ in search.found.values()])
    times = dense_times(found_s, times, most_frames) if long else times[:0]
    if len(times):
        _run([(s, frames_at(s.footage, times).tolist()) for s in long], progress, workers)
    return _sightings(target, searches)


def _run(
    plan: Sequence[tuple[_Search, Sequence[int] | None]],
    progress: Progress | None,
    workers: int | None,
) -> None:
    """Runs one pass of all cameras."""
    for search, wanted in plan:
        search.total = search.done + (search.footage.frame_count if wanted is None else len(wanted))
    stop = threading.Event()
    told: dict[str, tuple[int, int]] = {}

    def tell() -> None:
        for search, _ in plan:
            state = (min(search.done, search.total), search.total)
            if progress is not None and told.get(search.footage.name) != state:
                told[search.footage.name] = state
                progress(search.footage.name, *state)

    count = workers or min(len(plan), os.cpu_count() or 1)
    with ThreadPoolExecutor(count, thread_name_prefix="scan") as pool:
        jobs: set[Future[None]] = set()
        try:
            jobs = {pool.submit(search.run, wanted, stop) for search, wanted in plan}
            pending = jobs
            while pending:
                done, pending = wait(pending, timeout=_POLL_S, return_when=FIRST_EXCEPTION)
                for job in done:
                    job.result()
                tell()
        except BaseException:
            stop.set()
            for job in jobs:
                job.cancel()
            raise


def _sightings(target: Target, searches: Sequence[_Search]) -> Sightings:
    """Puts together what was found; the print is what most points say."""
    votes: Counter[Target] = Counter()
    for search in searches:
        for _, found in search.found.values():
            votes[found.target] += int(found.points.seen.sum())
    if not votes:
        images = [image for search in searches for image in search.finder.images_without[:2]]
        raise CalibrationError(
            f"the target ({target.describe()}) was found in none of "
            f"{sum(search.finder.searched for search in searches)} frames of "
            f"{len(searches)} cameras: {explain_absence(images[:6], target)}"
        )
    printed = votes.most_common(1)[0][0]
    cameras = [_camera(search, printed) for search in searches]
    notes = print_notes(target, printed)
    first = next(i for i, camera in enumerate(cameras) if len(camera))
    # What is true of the board is said once.
    cameras[first] = replace(cameras[first], notes=(*notes, *cameras[first].notes))
    return consistent_chessboard(Sightings(printed, tuple(cameras)))


def _camera(search: _Search, printed: Target) -> CameraSightings:
    frames = sorted(frame for frame, (_, f) in search.found.items() if f.target == printed)
    points = [search.found[frame][1].points for frame in frames]
    count = len(printed.points_m)
    sigma = np.array([each.sigma_px for each in points]).reshape(-1, count)
    # The picture tells how corners differ; how large their errors are, the adjustment finds out.
    usual = float(np.nanmedian(sigma)) if np.isfinite(sigma).any() else 1.0
    mirrored = np.array([each.mirrored for each in points], bool)
    return CameraSightings(
        search.footage.name,
        search.footage.image_size,
        np.array(frames, np.int64),
        np.array([search.found[frame][0] for frame in frames], np.float64),
        np.array([each.pixels for each in points]).reshape(-1, count, 2),
        sigma / usual,
        mirrored,
        np.array([each.sharpness for each in points], np.float64),
        search.finder.searched,
        search.footage.nominal_fps,
        _camera_notes(search, printed, mirrored),
    )


def _camera_notes(search: _Search, printed: Target, mirrored: np.ndarray) -> tuple[str, ...]:
    name = search.footage.name
    if search.finder.searched == 0:
        return (f"camera {name!r}: none of its frames could be read",)
    if len(mirrored) == 0:
        why = explain_absence(search.finder.images_without[:3], printed)
        return (f"camera {name!r} never saw the target in {search.finder.searched} frames: {why}",)
    if mirrored.mean() >= LEAST_MIRRORED:
        return (
            f"camera {name!r} sees the board from behind, through it, in {int(mirrored.sum())} of "
            f"{len(mirrored)} frames; points keep their numbers",
        )
    if mirrored.any():
        return (
            f"camera {name!r} sees the board from behind, through it, in {int(mirrored.sum())} of "
            f"{len(mirrored)} frames, from the front in the others; points keep their numbers",
        )
    return ()
