"""What is recorded of people who were not sure to be there at first.

Somebody new is told of after he has been seen for a while (`confirm_s`), as ghosts of crossing
rays do not last. Online nothing else can be done. A recording can wait: here frames are held until
it is known which of those who were doubtful in them turned out to be there, and these are added.
Nobody is added whom the reconstruction did not tell of in the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from mocap.model import Bystander, FrameSet, Person3D
from mocap.pipeline.reconstructor import Reconstructor


class SettledFrame(NamedTuple):
    """A frame of which nothing more will be known.

    Attributes:
        frame_set: what the cameras saw.
        people: ordered by id.
        bystanders: ordered by id.
    """

    frame_set: FrameSet
    people: list[Person3D]
    bystanders: list[Bystander]


@dataclass
class LookBack:
    """Holds the latest frames, for one and a half times `confirm_s` at most.

    Attributes:
        reconstructor: is asked about each frame after it was processed.
    """

    reconstructor: Reconstructor
    _held: deque[tuple[SettledFrame, dict[int, Person3D]]] = field(default_factory=deque)

    def add(self, frame_set: FrameSet, people: Sequence[Person3D]) -> list[SettledFrame]:
        """Takes the frame that the reconstructor has just processed, with its people.

        Returns:
            The frames that are settled now, in order of time.
        """
        bystanders = list(self.reconstructor.bystanders)
        frame = SettledFrame(frame_set, list(people), bystanders)
        for birth, person_id in self.reconstructor.confirmed.items():
            self._tell(birth, person_id, frame)
        self._held.append((frame, dict(self.reconstructor.doubtful)))
        waiting = self.reconstructor.waiting
        settled: list[SettledFrame] = []
        while self._held and not self._held[0][1].keys() & waiting:
            settled.append(self._held.popleft()[0])
        return settled

    def finish(self) -> list[SettledFrame]:
        """The frames that are left; whoever is doubtful still is not in them."""
        left = [frame for frame, _ in self._held]
        self._held.clear()
        return left

    def _tell(self, birth: int, person_id: int, now: SettledFrame) -> None:
        """Adds somebody to the frames held, as performer or bystander as he is one now."""
        aside = next((b for b in now.bystanders if b.person_id == person_id), None)
        for frame, doubtful in self._held:
            person = doubtful.pop(birth, None)
            there = {one.person_id for one in (*frame.people, *frame.bystanders)}
            # Whoever comes back cannot be there twice.
            if person is None or person_id in there:
                continue
            person = replace(person, person_id=person_id)
            bystander = self.reconstructor.aside(person, aside)
            if bystander is None:
                frame.people.append(person)
                frame.people.sort(key=lambda one: one.person_id)
            else:
                frame.bystanders.append(bystander)
                frame.bystanders.sort(key=lambda one: one.person_id)
