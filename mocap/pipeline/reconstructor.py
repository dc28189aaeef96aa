"""One frame set in, 3D people out: what live and offline both run."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np

from mocap.geometry.triangulation import gaussian_slope
from mocap.model import Bystander, FrameSet, Keypoints3D, Person3D, Rig, Skeleton
from mocap.model.config import ReconstructionConfig
from mocap.pipeline.admission import Admission
from mocap.pipeline.frame_kernel import process_frame
from mocap.pipeline.frame_state import (
    Result,
    Tracks,
    body_data,
    empty_result,
    empty_tracks,
    grown_tracks,
    rig_data,
    settings_of,
)
from mocap.reconstruction.camera_noise import MIN_VIEWS, ROBUST_SIGMAS2, CameraNoise, NoiseLevel
from mocap.reconstruction.expectation import middle_of
from mocap.reconstruction.noise_kernels import CLASSES
from mocap.reconstruction.posterior import posterior_covariance
from mocap.reconstruction.report_kernels import account_people
from mocap.reconstruction.swap_kernels import WHOLE_BODY
from mocap.tracking.sleep import Sleeper, returning

_ROWS = 8
_NEVER_S = -1e9
_FEW_CAMERAS = 2
"""Where no more cameras see anybody, nothing better will come: whoever is there is told of."""
_SURE_SHARE = 2 / 3
"""Of the cameras that see anybody, so many must show somebody who is told of at once, and three: in
a crowd the rays of different people meet in three views as well."""


@dataclass(frozen=True)
class _Seen2D:
    """All 2D people of one frame set, those of the first camera first."""

    camera: np.ndarray
    counts: np.ndarray
    pixels: np.ndarray
    confidence: np.ndarray


class Reconstructor:
    """Turns frame sets into tracked 3D people. Its state is the tracks and the camera noise.

    The same frame sets in the same order always give the same people, bit for bit.

    Args:
        rig: the cameras.
        skeleton: the keypoints of the detections.
        config: all settings.

    Raises:
        InputError: the capture volume is empty, or the number of performers is not positive.
    """

    def __init__(self, rig: Rig, skeleton: Skeleton, config: ReconstructionConfig) -> None:
        self._names = rig.names
        self._rig_arrays = rig.arrays
        self._rig = rig_data(rig.arrays)
        self._skeleton = skeleton
        self._config = config
        self._admission = Admission.of(config, skeleton)
        self._bystanders: tuple[Bystander, ...] = ()
        self._body = body_data(skeleton, config)
        self._settings = settings_of(config, len(rig), skeleton)
        self._body_parts = np.array(skeleton.indices("body", "feet"))
        self._tracks: Tracks = empty_tracks(_ROWS, len(rig), self._body)
        self._result = empty_result(_ROWS, len(rig), len(skeleton))
        self._last_found_s = np.full(_ROWS, _NEVER_S)
        self._sleepers: list[Sleeper] = []
        self._next_id = 0
        self._noise = CameraNoise.for_cameras(len(rig))
        self._scale = self._noise.scale
        self._level = NoiseLevel.of_classes(
            CLASSES, gaussian_slope(config.triangulation.cauchy_sigmas)
        )
        self._last_time_s: float | None = None
        self._start_s = _NEVER_S
        self._watching = 0
        self._birth = np.zeros(_ROWS, np.int64)
        self._births = 0
        self._confirmed: dict[int, int] = {}
        self._doubtful: dict[int, Person3D] = {}

    @property
    def camera_noise(self) -> dict[str, float]:
        """How noisy each camera was lately, by what the configuration says of all."""
        return {
            name: float(scale) for name, scale in zip(self._names, self._noise.scale, strict=True)
        }

    @property
    def bystanders(self) -> tuple[Bystander, ...]:
        """Who was found in the latest frame but set aside, ordered by id."""
        return self._bystanders

    @property
    def doubtful(self) -> Mapping[int, Person3D]:
        """Who was found in the latest frame but is not told of yet, by a number of his own.

        Their `person_id` is -1. See `mocap.pipeline.look_back`.
        """
        return self._doubtful

    @property
    def confirmed(self) -> Mapping[int, int]:
        """Who was told of first in the latest frame: id by the number in `doubtful`."""
        return self._confirmed

    @property
    def waiting(self) -> Set[int]:
        """Numbers of those who are followed, and may be told of in a later frame."""
        tracks = self._tracks
        return set(self._birth[tracks.active & (tracks.person_id < 0)].tolist())

    def aside(self, person: Person3D, later: Bystander | None) -> Bystander | None:
        """As which bystander somebody counted in a frame before he was told of; None for none.

        Args:
            person: as he was found in that frame.
            later: as what he counts now that he is told of; None for somebody who takes part.
        """
        return None if self._admission is None else self._admission.before(person, later)

    def warm_up(self) -> None:
        """Compiles the kernels, or loads them from their cache, ahead of the first frame."""
        k = len(self._skeleton)
        tracks = empty_tracks(1, len(self._names), self._body)
        result = empty_result(1, len(self._names), k)
        nobody = _Seen2D(
            np.zeros(0, np.int64),
            np.zeros(len(self._names), np.int64),
            np.zeros((0, k, 2)),
            np.zeros((0, k)),
        )
        self._run(0.0, nobody, tracks, result)
        self._people(np.zeros(0, np.int64), nobody, tracks, result, 0.0)

    def process(self, frame_set: FrameSet) -> list[Person3D]:
        """Reconstructs one frame set.

        Returns:
            The people who are seen now, ordered by id. Somebody is found by at least two cameras,
            and may be followed by one. Whoever is outside the capture volume, or too many, is in
            `bystanders` instead: he is followed like anybody else, so that his 2D people are not
            taken for somebody's.
        """
        time_s = frame_set.time_ns * 1e-9
        elapsed_s = 0.0 if self._last_time_s is None else time_s - self._last_time_s
        if self._last_time_s is None or elapsed_s > self._config.tracking.max_lost_s:
            self._start_s = time_s
        self._last_time_s = time_s
        self._let_sleep(time_s)
        seen = self._gather(frame_set)
        tracks = self._tracks
        if tracks.active.sum() + len(seen.camera) // 2 > len(tracks.active):
            self._grow(2 * len(tracks.active) + len(seen.camera))
        self._watching = int(np.count_nonzero(seen.counts))
        self._run(time_s, seen, self._tracks, self._result)
        self._level = self._level.added(self._result.squares, self._result.repeated, elapsed_s)
        for row in self._result.born.nonzero()[0].tolist():
            self._birth[row] = self._births
            self._births += 1
        found = self._result.found.nonzero()[0].tolist()
        person_id = self._tracks.person_id
        self._confirmed = {}
        for row in found:
            self._last_found_s[row] = time_s
            if person_id[row] < 0 and self._is_sure(row, time_s):
                person_id[row] = self._identify(row, time_s)
                self._confirmed[int(self._birth[row])] = int(person_id[row])
        unsure = [row for row in found if person_id[row] < 0]
        doubtful = self._people(np.array(unsure, np.int64), seen, self._tracks, self._result, None)
        self._doubtful = dict(zip(self._birth[unsure].tolist(), doubtful, strict=True))
        told = sorted((int(person_id[row]), row) for row in found if person_id[row] >= 0)
        rows = np.array([row for _, row in told], np.int64)
        people = self._people(rows, seen, self._tracks, self._result, elapsed_s)
        if self._admission is None:
            return people
        admitted, self._bystanders = self._admission.sort(time_s, people)
        return admitted

    def _run(self, time_s: float, seen: _Seen2D, tracks: Tracks, result: Result) -> None:
        process_frame(
            time_s,
            seen.camera,
            seen.pixels,
            seen.confidence,
            self._rig,
            self._scale,
            (self._level.variance, self._level.lasting),
            self._body,
            tracks,
            self._settings,
            result,
        )

    def _gather(self, frame_set: FrameSet) -> _Seen2D:
        k = len(self._skeleton)
        counts = np.zeros(len(self._names), np.int64)
        pixels: list[np.ndarray] = []
        confidence: list[np.ndarray] = []
        for c, name in enumerate(self._names):
            observation = frame_set.observations.get(name)
            if observation is not None and len(observation.detections):
                counts[c] = len(observation.detections)
                pixels.append(observation.detections.keypoints_px)
                confidence.append(observation.detections.confidence)
        return _Seen2D(
            np.repeat(np.arange(len(self._names)), counts),
            counts,
            np.concatenate(pixels).astype(np.float64) if pixels else np.zeros((0, k, 2)),
            np.concatenate(confidence).astype(np.float64) if confidence else np.zeros((0, k)),
        )

    def _grow(self, rows: int) -> None:
        self._tracks = grown_tracks(self._tracks, rows, self._body)
        self._result = empty_result(rows, len(self._names), len(self._skeleton))
        self._birth = np.concatenate([self._birth, np.zeros(rows - len(self._birth), np.int64)])
        more = np.full(rows - len(self._last_found_s), _NEVER_S)
        self._last_found_s = np.concatenate([self._last_found_s, more])

    def _let_sleep(self, time_s: float) -> None:
        tracking, tracks = self._config.tracking, self._tracks
        for row in tracks.active.nonzero()[0].tolist():
            known = tracks.person_id[row] >= 0
            most_s = tracking.max_lost_s if known else 0.5 * tracking.confirm_s
            if time_s - self._last_found_s[row] > most_s:
                tracks.active[row] = False
                if not known:
                    continue
                self._sleepers.append(
                    Sleeper(
                        int(tracks.person_id[row]),
                        float(self._last_found_s[row]),
                        middle_of(tracks.points[row]),
                        tracks.length[row].copy(),
                        tracks.length_count[row].copy(),
                    )
                )
        self._sleepers = [s for s in self._sleepers if time_s - s.time_s <= tracking.max_sleep_s]

    def _is_sure(self, row: int, time_s: float) -> bool:
        """Whether a new person is told of: ghosts of a few views last for a few frames only."""
        tracks = self._tracks
        # Three views of which each keypoint is shown by two are no more than two.
        views = self._result.used[row][:, self._body.chosen].sum(axis=0)
        at_start = tracks.born[row] == self._start_s and self._watching <= _FEW_CAMERAS
        needed = max(3, int(np.ceil(_SURE_SHARE * self._watching)))
        return bool(
            at_start
            or time_s - tracks.born[row] >= self._config.tracking.confirm_s
            or (views >= needed).mean() > 0.5
        )

    def _identify(self, row: int, time_s: float) -> int:
        """The id of somebody who comes back, or a new one."""
        tracks = self._tracks
        sleeper = returning(
            self._sleepers,
            middle_of(tracks.points[row]),
            tracks.length[row],
            tracks.length_count[row],
            time_s,
            self._config.tracking,
        )
        if sleeper is None:
            self._next_id += 1
            return self._next_id - 1
        self._sleepers = [s for s in self._sleepers if s is not sleeper]
        tracks.length[row] = sleeper.length_m
        tracks.length_count[row] = sleeper.count
        return sleeper.person_id

    def _people(
        self,
        rows: np.ndarray,
        seen: _Seen2D,
        tracks: Tracks,
        result: Result,
        elapsed_s: float | None,
    ) -> list[Person3D]:
        """The people in some rows. The noise of the cameras is learnt from them, unless `elapsed_s`
        is None."""
        if elapsed_s is None and not len(rows):
            return []
        n, c, k = len(rows), len(self._names), len(self._skeleton)
        state = np.zeros((n, c, k), np.uint8)
        residual, redundancy = np.zeros((n, c, k)), np.zeros((n, c, k))
        reprojection, n_views = np.zeros((n, k)), np.zeros((n, k), np.int64)
        noise = np.zeros((2, c))
        rig, settings, body = self._rig, self._settings, self._body
        account_people(
            rows,
            tracks.points,
            result.group,
            result.turned,
            result.used,
            seen.pixels,
            seen.confidence,
            body.mirror,
            body.part_bits,
            self._body_parts,
            body.sigma_m,
            settings.floor_px,
            self._scale,
            rig.center,
            rig.focal,
            settings.cauchy,
            body.least,
            MIN_VIEWS,
            ROBUST_SIGMAS2,
            rig.matrix,
            rig.distortions,
            rig.fisheye,
            rig.T_cam_world,
            state,
            residual,
            redundancy,
            reprojection,
            n_views,
            noise,
        )
        if elapsed_s is not None:
            self._noise = self._noise.added(noise[0], noise[1], elapsed_s)
            self._scale = self._noise.scale
        points, covariance = tracks.points[rows], result.covariance[rows]
        group = result.group[rows]
        if self._config.triangulation.covariance == "posterior":
            covariance = self._posterior(points, covariance, group, result.turned[rows], seen)
        first = np.cumsum(seen.counts) - seen.counts
        indices = np.where(group >= 0, group - first, -1).tolist()
        turned, ids = result.turned[rows].tolist(), tracks.person_id[rows].tolist()
        return [
            Person3D(
                ids[i],
                Keypoints3D(
                    points[i],
                    covariance[i],
                    reprojection[i],
                    n_views[i],
                    state[i],
                    residual[i],
                    redundancy[i],
                ),
                tuple(indices[i]),
                tuple(bits & WHOLE_BODY > 0 for bits in turned[i]),
                tuple(turned[i]),
            )
            for i in range(n)
        ]

    def _posterior(
        self,
        points: np.ndarray,
        covariance: np.ndarray,
        group: np.ndarray,
        swapped: np.ndarray,
        seen: _Seen2D,
    ) -> np.ndarray:
        """Covariance by the views alone; as it was where fewer than two show a keypoint."""
        made = covariance.copy()
        for i in range(len(points)):
            there = group[i] >= 0
            if there.sum() < 2:
                continue
            pixels = np.full((len(there), *seen.pixels.shape[1:]), np.nan)
            confidence = np.zeros(pixels.shape[:2])
            pixels[there] = seen.pixels[group[i][there]]
            confidence[there] = seen.confidence[group[i][there]]
            found = posterior_covariance(
                points[i],
                pixels,
                confidence,
                swapped[i],
                self._scale,
                self._level.variance,
                self._rig_arrays,
                self._skeleton,
                self._config.triangulation,
            )
            made[i] = np.where(np.isfinite(found), found, covariance[i])
        return made
