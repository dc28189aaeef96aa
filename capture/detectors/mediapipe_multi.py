"""Several people per image, from the networks in MediaPipe's wheel.

A body is found once by the detection network; from then on its landmarks in one frame say where to
look in the next. Detection runs again every few frames for people who came in, on the whole image
and on its tiles by turns, and at once when somebody was lost. Hands and face are looked for on each
body. The output is that of `MediaPipeHolistic`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from capture.detectors.body_network import (
    BODY_LANDMARKS,
    Body,
    BodyCandidate,
    BodyFinder,
    BodyLandmarks,
)
from capture.detectors.face_mesh import FACE_MESH_OF_IBUG
from capture.detectors.face_network import Face, FaceFinder
from capture.detectors.hand_network import Hand, HandFinder
from capture.detectors.plausibility import (
    body_distance,
    covers,
    is_plausible,
    is_well_seen,
    without_doubles,
)
from capture.detectors.regions import Region
from capture.frames import Frame
from mocap.arrays import Float
from mocap.errors import InputError
from mocap.model import Detections, Skeleton
from mocap.model.skeletons import BLAZEPOSE_WHOLEBODY, FACE_POINTS, hand_keypoints

_SIDES = ("left", "right")
# Of BlazePose: wrist, knuckle of the index finger, knuckle of the little finger.
_HAND_ROOTS = {"left": (15, 19, 17), "right": (16, 20, 18)}
_NOSE = 0
_MIN_WRIST_VISIBILITY = 0.1
_MIN_NOSE_VISIBILITY = 0.3
_ROOM_TO_SEARCH = 1.6
# The landmark network was trained with so much room around the body.
_ROOM_AROUND = 1.25
_LOOKS = 3
_HOPELESS = 0.1
# Of the trunk's length.
_STEADY = 0.15


@dataclass(frozen=True)
class MultiSettings:
    """What decides who is found.

    Attributes:
        detect_every: frames between two detections, which alternate between image and tiles.
        detect_lost_every: the same while somebody is missing who was there within `memory`.
        suggested_every: frames between two looks at suggested regions.
        memory: frames for which somebody lost is looked for.
        min_detection: score of the detection network, in [0, 1].
        min_presence_new: of the landmark network, for somebody new.
        min_presence: of the landmark network, for somebody known.
        tile: side of a tile over the image's short side.
    """

    detect_every: int = 3
    detect_lost_every: int = 2
    suggested_every: int = 2
    memory: int = 30
    min_detection: float = 0.3
    min_presence_new: float = 0.9
    min_presence: float = 0.5
    tile: float = 0.6


@dataclass
class _Person:
    body: Body
    age: int = 0
    hands: dict[str, Hand | None] = field(default_factory=lambda: dict.fromkeys(_SIDES))
    face: Face | None = None


@dataclass
class _Stream:
    people: list[_Person] = field(default_factory=list)
    frames: int = 0
    lost_at: int | None = None
    lost_region: Region | None = None
    rounds: int = 0
    suggested: list[Region] = field(default_factory=list)


class MediaPipeMulti:
    """Body, hands and face of any number of people.

    Attributes:
        skeleton: BlazePose-33 with hands and face.

    Args:
        settings: what decides who is found.

    Raises:
        DependencyError: ai-edge-litert, or mediapipe with its networks, is missing.
    """

    skeleton: Skeleton = BLAZEPOSE_WHOLEBODY

    def __init__(self, settings: MultiSettings | None = None) -> None:
        self._settings = settings or MultiSettings()
        self._finder = BodyFinder(self._settings.min_detection)
        self._landmarks = BodyLandmarks()
        self._hand_finder = HandFinder()
        self._face_finder = FaceFinder()
        self._streams: dict[str, _Stream] = {}
        self._hand_rows = {
            side: [self.skeleton.index(name) for name in hand_keypoints(side)] for side in _SIDES
        }
        self._face_rows = [self.skeleton.index(name) for name in FACE_POINTS]

    def prepare(self, stream: str, size: tuple[int, int]) -> None:
        """Forgets what it knew of the stream, and runs the networks once."""
        width, height = size
        self._streams[stream] = _Stream()
        self._finder.find(np.zeros((height, width, 3), np.uint8), whole_image(size))

    def detect(self, frames: Sequence[tuple[str, Frame]]) -> list[Detections]:
        """Finds the people in each frame; see `Detector.detect`."""
        return [self._detect(name, frame.image_rgb) for name, frame in frames]

    def suggest(self, stream: str, regions: Float[np.ndarray, "regions 4"]) -> None:
        """Says where people may be in the next frame; see `HintedDetector.suggest`."""
        self._streams.setdefault(stream, _Stream()).suggested = [
            Region(*(float(value) for value in row)).scaled(_ROOM_AROUND) for row in regions
        ]

    def close(self) -> None:
        """Forgets all streams."""
        self._streams.clear()

    def _detect(self, name: str, image: np.ndarray) -> Detections:
        stream = self._streams.setdefault(name, _Stream())
        size = (image.shape[1], image.shape[0])
        before = [person.body.region for person in stream.people]
        stream.people = self._followed(stream, image, size)
        if len(stream.people) < len(before):
            stream.lost_at = stream.frames
            stream.lost_region = _left_over(before, stream.people)
        for part in self._parts_to_search(stream, size):
            self._add_new(stream, image, size, part)
        if stream.frames % self._settings.suggested_every == 0:
            self._add_suggested(stream, image, size)
        stream.suggested = []
        stream.people = _single(stream.people)
        if stream.lost_at is not None and stream.frames - stream.lost_at > self._settings.memory:
            stream.lost_at = None
        stream.frames += 1
        for person in stream.people:
            person.age += 1
            self._add_details(person, image)
        return self._as_detections(stream.people)

    def _followed(self, stream: _Stream, image: np.ndarray, size: tuple[int, int]) -> list[_Person]:
        """The people of the last frame who are still there."""
        kept: list[_Person] = []
        for person in stream.people:
            if not person.body.region.is_usable():
                continue
            body = self._landmarks.find(image, person.body.region)
            if body.presence >= self._settings.min_presence and is_plausible(body, size):
                person.body = body
                kept.append(person)
        return _single(kept)

    def _parts_to_search(self, stream: _Stream, size: tuple[int, int]) -> list[Region]:
        """Where to run detection in this frame."""
        whole, parts = whole_image(size), tiles(size, self._settings.tile)
        if stream.frames == 0:
            return [whole, *parts]
        lost = stream.lost_at is not None or not stream.people
        if stream.lost_at == stream.frames and stream.lost_region is not None:
            return [stream.lost_region]
        every = self._settings.detect_lost_every if lost else self._settings.detect_every
        if stream.frames % every:
            return []
        stream.rounds += 1
        turn, tile = stream.rounds % 2, stream.rounds // 2
        return [whole if turn == 0 else parts[tile % len(parts)]]

    def _add_new(
        self, stream: _Stream, image: np.ndarray, size: tuple[int, int], part: Region
    ) -> None:
        for candidate in self._finder.find(image, part):
            if any(_means(candidate, person.body) for person in stream.people):
                continue
            body = self._settled(image, candidate.region, size)
            if body is not None and is_well_seen(body, candidate.score):
                stream.people.append(_Person(body))

    def _add_suggested(self, stream: _Stream, image: np.ndarray, size: tuple[int, int]) -> None:
        """Looks where other views say that somebody is."""
        for region in stream.suggested:
            if any(covers(p.body, region.centre_px, region.side_px) for p in stream.people):
                continue
            body = self._settled(image, region, size)
            # It must be the person who was expected there, and not one who stands in front.
            if body is not None and covers(body, region.centre_px, region.side_px):
                stream.people.append(_Person(body))

    def _settled(self, image: np.ndarray, region: Region, size: tuple[int, int]) -> Body | None:
        """The body in a region, if there is one.

        A person looks the same when looked at again from where the landmarks say it is; a piece of
        furniture changes its pose.
        """
        last: Body | None = None
        for _ in range(_LOOKS):
            body = self._landmarks.find(image, region)
            if not body.region.is_usable() or body.presence < _HOPELESS:
                return None
            sure = body.presence >= self._settings.min_presence_new and is_plausible(body, size)
            if sure and last is not None and body_distance(last, body) <= _STEADY:
                return body
            last, region = body, body.region
        return None

    def _add_details(self, person: _Person, image: np.ndarray) -> None:
        body = person.body
        for side in _SIDES:
            wrist, index, pinky = _HAND_ROOTS[side]
            points = body.landmarks_px
            person.hands[side] = (
                self._hand_finder.find(
                    image, points[wrist], points[index], points[pinky], person.hands[side]
                )
                if body.visibility[wrist] >= _MIN_WRIST_VISIBILITY
                else None
            )
        person.face = (
            self._face_finder.find(image, body.landmarks_px, person.face)
            if body.visibility[_NOSE] >= _MIN_NOSE_VISIBILITY
            else None
        )

    def _as_detections(self, people: Sequence[_Person]) -> Detections:
        count = len(self.skeleton)
        keypoints = np.full((len(people), count, 2), np.nan)
        confidence = np.zeros((len(people), count))
        for i, person in enumerate(people):
            body = person.body
            keypoints[i, :BODY_LANDMARKS] = body.landmarks_px
            confidence[i, :BODY_LANDMARKS] = body.visibility
            for side, hand in person.hands.items():
                if hand is not None:
                    keypoints[i, self._hand_rows[side]] = hand.landmarks_px
                    confidence[i, self._hand_rows[side]] = body.visibility[_HAND_ROOTS[side][0]]
            if person.face is not None:
                keypoints[i, self._face_rows] = person.face.mesh_px[list(FACE_MESH_OF_IBUG)]
                confidence[i, self._face_rows] = body.visibility[_NOSE]
        confidence[~np.isfinite(keypoints).all(axis=2)] = 0.0
        score = confidence[:, :BODY_LANDMARKS].mean(axis=1)
        return Detections(keypoints, np.clip(confidence, 0.0, 1.0), score)


def whole_image(size: tuple[int, int]) -> Region:
    """The square around an image of this width and height."""
    width, height = size
    return Region((width - 1) / 2, (height - 1) / 2, float(max(size)))


def tiles(size: tuple[int, int], share: float) -> list[Region]:
    """Overlapping squares that cover an image.

    Args:
        size: width and height.
        share: side of a square over the image's short side, in (0, 1].
    """
    if not 0 < share <= 1:
        raise InputError(f"the share of a tile is {share:g}; it must lie above 0 and at most at 1")
    side = share * min(size)
    axes: list[np.ndarray] = []
    for length in size:
        # Neighbours overlap by a third at least, so that a small person is whole in one of them.
        count = max(1, int(np.ceil((length - side) / (side * 2 / 3))) + 1)
        first, last = (side - 1) / 2, length - 1 - (side - 1) / 2
        axes.append(np.linspace(first, max(first, last), count))
    return [Region(float(x), float(y), side) for y in axes[1] for x in axes[0]]


def _single(people: list[_Person]) -> list[_Person]:
    """Without doubles; who has been there for longer stays."""
    ranks = [min(p.age, 10) + p.body.presence for p in people]
    kept = without_doubles([p.body for p in people], ranks)
    return [people[i] for i in kept]


def _left_over(before: Sequence[Region], people: Sequence[_Person]) -> Region | None:
    """Upright, with room around: the one of the last frame's regions that nobody is in now."""

    def gap(region: Region) -> float:
        now = [p.body.region.centre_px for p in people]
        gaps = [float(np.linalg.norm(region.centre_px - centre)) for centre in now]
        return min(gaps, default=np.inf) / region.side_px

    usable = [region for region in before if region.is_usable()]
    if not usable:
        return None
    last = max(usable, key=gap)
    return Region(last.x_px, last.y_px, last.side_px * _ROOM_TO_SEARCH)


def _means(candidate: BodyCandidate, body: Body) -> bool:
    return covers(body, candidate.region.centre_px, candidate.region.side_px)
