"""One frame set in, 3D people out: the sequence of steps that live and offline both run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.association.matching import (
    Group,
    ViewPeople,
    group_unknown,
    match_known,
)
from mocap.geometry.kernels import world_rays
from mocap.model import FrameSet, Keypoints3D, Person3D, Rig, Skeleton
from mocap.model.config import ReconstructionConfig
from mocap.reconstruction.camera_noise import CameraNoise
from mocap.reconstruction.expectation import Expectation, middle_of
from mocap.reconstruction.mirror import find_mirrored_views
from mocap.reconstruction.person import (
    ViewedPerson,
    camera_centers,
    keypoint_sigma_px,
    triangulate_person,
)
from mocap.tracking.tracks import Track, mean_separation_m


@dataclass(frozen=True)
class _View:
    """The 2D people of one camera, ready for matching and triangulation."""

    keypoints_px: np.ndarray
    confidence: np.ndarray
    people: ViewPeople


@dataclass(frozen=True)
class _Found:
    """A triangulated group of 2D people."""

    group: Group
    person: ViewedPerson
    keypoints: Keypoints3D
    mirrored: np.ndarray


class Reconstructor:
    """Turns frame sets into tracked 3D people. Its state is the tracks and the camera noise.

    The same frame sets in the same order always give the same people, bit for bit.

    Args:
        rig: the cameras.
        skeleton: the keypoints of the detections.
        config: all settings.
    """

    def __init__(self, rig: Rig, skeleton: Skeleton, config: ReconstructionConfig) -> None:
        self._names = rig.names
        self._rig = rig.arrays
        self._centers = camera_centers(rig.arrays)
        self._skeleton = skeleton
        self._config = config
        self._mirror = np.array(skeleton.mirror)
        self._association = np.array(skeleton.association_indices)
        self._body = np.array(skeleton.indices("body", "feet"))
        self._tracks: list[Track] = []
        self._next_id = 0
        self._noise = CameraNoise.for_cameras(len(rig))
        self._last_time_s: float | None = None

    @property
    def camera_noise(self) -> dict[str, float]:
        """How noisy each camera was lately, by what the configuration says of all."""
        return {
            name: float(scale) for name, scale in zip(self._names, self._noise.scale, strict=True)
        }

    def warm_up(self) -> None:
        """Compiles the kernels, or loads them from their cache, ahead of the first frame."""
        k = len(self._skeleton)
        blank = np.zeros((len(self._names), k, 2))
        person = ViewedPerson.from_keypoints(blank, np.zeros(blank.shape[:2]), self._rig)
        triangulate_person(person, self._rig, self._skeleton, self._config.triangulation)

    def process(self, frame_set: FrameSet) -> list[Person3D]:
        """Reconstructs one frame set.

        Returns:
            The people who are seen by at least two cameras, ordered by id.
        """
        time_s = frame_set.time_ns * 1e-9
        elapsed_s = 0.0 if self._last_time_s is None else time_s - self._last_time_s
        self._last_time_s = time_s
        views = [self._view(frame_set, name, c) for c, name in enumerate(self._names)]
        people_views = [view.people for view in views]
        tracking = self._config.tracking
        self._tracks = [t for t in self._tracks if time_s - t.last_seen_s <= tracking.max_lost_s]
        expectations = [self._expectation(track, time_s) for track in self._tracks]
        known = [e.points_m for e in expectations]
        groups = match_known(
            people_views,
            np.array(known) if known else np.zeros((0, len(self._skeleton), 3)),
            self._skeleton,
            self._config.association,
        )
        found: dict[int, _Found] = {}
        taken: list[set[int]] = [set() for _ in views]
        for i, (track, expected, group) in enumerate(
            zip(self._tracks, expectations, groups, strict=True)
        ):
            if len(group) < 2:
                continue
            result = self._triangulate(views, group, expected)
            if self._keypoints_found(result) < tracking.min_keypoints:
                continue
            found[track.person_id] = result
            self._tracks[i] = track.seen(result.keypoints.points_m, time_s)
            for camera, j in group.items():
                taken[camera].add(j)
        for group in group_unknown(people_views, taken, self._skeleton, self._config.association):
            result = self._triangulate(views, group, None)
            if self._is_new_person(result, found):
                found[self._next_id] = result
                self._tracks.append(Track.born(self._next_id, result.keypoints.points_m, time_s))
                self._next_id += 1
        self._learn_noise(list(found.values()), elapsed_s)
        return [self._person(person_id, found[person_id]) for person_id in sorted(found)]

    def _view(self, frame_set: FrameSet, name: str, camera: int) -> _View:
        observation = frame_set.observations.get(name)
        k = len(self._skeleton)
        if observation is None or not len(observation.detections):
            nobody = np.zeros((0, k))
            people = ViewPeople(self._centers[camera], np.zeros((0, k, 3)))
            return _View(np.zeros((0, k, 2)), nobody, people)
        keypoints = np.asarray(observation.detections.keypoints_px, np.float64)
        confidence = np.asarray(observation.detections.confidence, np.float64)
        rig, c = self._rig, slice(camera, camera + 1)
        rays = world_rays(
            keypoints.reshape(1, -1, 2),
            rig.matrix[c],
            rig.distortions[c],
            rig.fisheye[c],
            rig.T_cam_world[c],
        ).reshape(*keypoints.shape[:2], 3)
        sure = confidence >= self._config.association.min_confidence
        people = ViewPeople(self._centers[camera], np.where(sure[..., None], rays, np.nan))
        return _View(keypoints, confidence, people)

    def _expectation(self, track: Track, time_s: float) -> Expectation:
        triangulation = self._config.triangulation
        points, sigma = track.expected(
            time_s,
            triangulation.prior_sigma_m,
            triangulation.prior_speed_m_s,
            self._config.tracking.max_lost_s,
        )
        return Expectation(points, sigma)

    def _triangulate(
        self, views: list[_View], group: Group, expected: Expectation | None
    ) -> _Found:
        k = len(self._skeleton)
        keypoints = np.full((len(views), k, 2), np.nan)
        confidence = np.zeros((len(views), k))
        for camera, j in group.items():
            keypoints[camera] = views[camera].keypoints_px[j]
            confidence[camera] = views[camera].confidence[j]
        person = ViewedPerson.from_keypoints(keypoints, confidence, self._rig)
        config, scale = self._config.triangulation, self._noise.scale
        mirrored = find_mirrored_views(person, self._rig, self._skeleton, config, expected, scale)
        person = person.mirrored(mirrored, self._mirror)
        result = triangulate_person(person, self._rig, self._skeleton, config, expected, scale)
        return _Found(group, person, result, mirrored)

    def _keypoints_found(self, found: _Found) -> int:
        return int(np.isfinite(found.keypoints.points_m[self._association, 0]).sum())

    def _is_new_person(self, candidate: _Found, found: dict[int, _Found]) -> bool:
        tracking = self._config.tracking
        needed = min(tracking.min_birth_keypoints, len(self._association))
        if self._keypoints_found(candidate) < needed:
            return False
        points = candidate.keypoints.points_m[self._association]
        return all(
            mean_separation_m(points, other.keypoints.points_m[self._association])
            >= tracking.min_separation_m
            for other in found.values()
        )

    def _learn_noise(self, found: list[_Found], elapsed_s: float) -> None:
        stated: list[tuple[Keypoints3D, np.ndarray]] = []
        for one in found:
            center = middle_of(one.keypoints.points_m)
            sigma = keypoint_sigma_px(center, self._rig, self._skeleton, self._config.triangulation)
            stated.append((one.keypoints, sigma))
        self._noise = self._noise.updated(
            stated, [one.person.confidence for one in found], self._body, elapsed_s
        )

    def _person(self, person_id: int, found: _Found) -> Person3D:
        cameras = range(len(self._names))
        return Person3D(
            person_id,
            found.keypoints,
            tuple(found.group.get(c, -1) for c in cameras),
            tuple(bool(found.mirrored[c]) for c in cameras),
        )
