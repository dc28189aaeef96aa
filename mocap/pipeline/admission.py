"""Who of those that are found in 3D is one of the people of a session, and who a bystander.

A capture volume and a number of performers decide. A step of its own behind the reconstruction:
bystanders are followed like anybody else, so that their 2D people are explained, and their ids are
known when they come in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mocap.errors import InputError
from mocap.model import Bystander, Person3D, SetAside, Skeleton
from mocap.model.config import ReconstructionConfig
from mocap.pipeline.capture_volume import CaptureVolume
from mocap.reconstruction.expectation import middle_of

LEAVE_M = 0.25
"""Somebody inside counts until this far outside, so that nobody flickers at the border."""
BETTER = 1.25
"""A place is taken over by somebody who has been seen better and longer by this factor."""
BETTER_S = 0.5
"""And by what the median person is seen in this time."""
MEMORY_S = 10.0
"""What lies back further counts less and less: whoever was there first, but badly, gives way."""
_LONGEST_STEP_S = 0.2


@dataclass
class Admission:
    """Sorts the people of each frame; its state is who was inside and who has a place.

    Attributes:
        body: keypoints whose middle is that of the body.
        volume: where people count; None for everywhere.
        performers: how many count; None for all.
        place_s: how long an absent performer's place is kept.
    """

    body: np.ndarray
    volume: CaptureVolume | None
    performers: int | None
    place_s: float
    _inside: set[int] = field(default_factory=set)
    _evidence: dict[int, float] = field(default_factory=dict)
    _seen_s: dict[int, float] = field(default_factory=dict)
    _places: set[int] = field(default_factory=set)
    _last_s: float | None = None

    @classmethod
    def of(cls, config: ReconstructionConfig, skeleton: Skeleton) -> Admission | None:
        """What a configuration asks for; None if everybody counts everywhere.

        Raises:
            InputError: the volume is empty, or the number of performers is not positive.
        """
        volume = CaptureVolume.of(config.volume, config.volume_corners)
        if config.performers is not None and config.performers < 1:
            raise InputError(f"--performers is {config.performers}; it must be 1 or more")
        if volume is None and config.performers is None:
            return None
        body = np.array(skeleton.indices("body") or tuple(range(len(skeleton))))
        return cls(body, volume, config.performers, config.tracking.max_lost_s)

    def sort(
        self, time_s: float, people: Sequence[Person3D]
    ) -> tuple[list[Person3D], tuple[Bystander, ...]]:
        """Takes one frame; frames come in order of time.

        Args:
            time_s: of the session clock.
            people: all who were found, ordered by id.

        Returns:
            The people who count, and those who were set aside, both ordered by id.
        """
        elapsed_s = 0.0 if self._last_s is None else time_s - self._last_s
        self._last_s = time_s
        middles = [middle_of(person.keypoints.points_m[self.body]) for person in people]
        inside = [
            person
            for person, middle in zip(people, middles, strict=True)
            if self._is_inside(person.person_id, middle)
        ]
        chosen = {person.person_id for person in inside}
        if self.performers is not None:
            chosen = self._performers(time_s, min(elapsed_s, _LONGEST_STEP_S), inside)
        within = {person.person_id for person in inside}
        aside = tuple(
            Bystander(
                person.person_id,
                SetAside.NOT_A_PERFORMER if person.person_id in within else SetAside.OUTSIDE_VOLUME,
                middle,
                person.detection_index,
            )
            for person, middle in zip(people, middles, strict=True)
            if person.person_id not in chosen
        )
        return [person for person in people if person.person_id in chosen], aside

    def before(self, person: Person3D, later: Bystander | None) -> Bystander | None:
        """As which bystander somebody counts in a frame before he was told of; None for none.

        He is a performer there if he is one as soon as he is told of, and was in the volume.

        Args:
            person: as he was found in that frame.
            later: as what he counts when he is told of; None for somebody who takes part.
        """
        middle = middle_of(person.keypoints.points_m[self.body])
        reason = None if later is None else later.reason
        if self.volume is not None and not self.volume.depth_m(middle) >= 0.0:
            reason = SetAside.OUTSIDE_VOLUME
        if reason is None:
            return None
        return Bystander(person.person_id, reason, middle, person.detection_index)

    def _is_inside(self, person_id: int, middle_m: np.ndarray) -> bool:
        if self.volume is None:
            return True
        if not np.isfinite(middle_m).all():
            return person_id in self._inside
        least = -LEAVE_M if person_id in self._inside else 0.0
        if self.volume.depth_m(middle_m) >= least:
            self._inside.add(person_id)
            return True
        self._inside.discard(person_id)
        return False

    def _performers(self, time_s: float, step_s: float, people: Sequence[Person3D]) -> set[int]:
        """Ids of those present who have a place.

        Evidence is the mean number of views of the body's keypoints, summed over the time that
        somebody is there, and forgotten with the time constant `MEMORY_S`. Free places go to
        whoever has most; a taken one changes hands only when somebody has much more.
        """
        assert self.performers is not None
        views: dict[int, float] = {}
        for person in people:
            i = person.person_id
            views[i] = float(person.keypoints.n_views[self.body].mean())
            # The first frame counts as well, so that those who begin together are told apart.
            kept = self._evidence.get(i, 0.0) * math.exp(-step_s / MEMORY_S)
            self._evidence[i] = kept + views[i] * max(step_s, 1e-3)
            self._seen_s[i] = time_s
        self._places = {i for i in self._places if time_s - self._seen_s[i] <= self.place_s}
        waiting = sorted((i for i in views if i not in self._places), key=self._rank, reverse=True)
        for i in waiting:
            if len(self._places) < self.performers:
                self._places.add(i)
                continue
            weakest = min(self._places, key=self._rank)
            margin = BETTER_S * float(np.median(list(views.values())))
            if self._evidence[i] > BETTER * self._evidence[weakest] + margin:
                self._places.discard(weakest)
                self._places.add(i)
        return self._places & views.keys()

    def _rank(self, person_id: int) -> tuple[float, int]:
        return self._evidence[person_id], -person_id
