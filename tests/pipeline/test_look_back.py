"""What is recorded of people who were doubtful at first: all of them, nobody else, nothing lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from synthetic_scene import frame_set, ring_rig, standing_person

from mocap.model import Bystander, FrameSet, Observation, Person3D, SetAside, skeleton_by_name
from mocap.model.config import ReconstructionConfig
from mocap.pipeline.reconstructor import Reconstructor
from mocap.pipeline.session_run import RunTiming, run_frames

HALPE = skeleton_by_name("halpe26")
RIG = ring_rig(4, radius=5.0)
RATE = 30.0
CONFIG = ReconstructionConfig()
DOUBT = round(CONFIG.tracking.confirm_s * RATE)
COMES = 10
PLACE = (1.2, 0.0)
Frame = tuple[FrameSet, list[Person3D], list[Bystander]]


class Sink:
    """Keeps what a session would."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def add_frame(
        self,
        frame_set: FrameSet,
        people: Sequence[Person3D],
        bystanders: Sequence[Bystander] = (),
    ) -> None:
        self.frames.append((frame_set, list(people), list(bystanders)))

    def add_late(self, observation: Observation) -> None:
        raise AssertionError(observation)

    def flush_if_due(self) -> None: ...


def scene(
    frames: int, there: Callable[[int], bool], place: tuple[float, float] = PLACE
) -> tuple[list[FrameSet], np.ndarray]:
    """Somebody in all views, and somebody whom two of four show when he is there."""
    rng = np.random.default_rng(1)
    people = np.array([standing_person(HALPE, (-0.5, 0.0)), standing_person(HALPE, place)])
    hidden = {name: [1] for name in RIG.names[2:]}
    sets = [
        frame_set(
            n,
            people if there(n) else people[:1],
            RIG,
            rng=rng,
            sigma_px=2.0,
            hidden=hidden if there(n) else None,
        )
        for n in range(frames)
    ]
    return sets, people[1]


def record(
    sets: Sequence[FrameSet], config: ReconstructionConfig = CONFIG
) -> tuple[list[Frame], list[list[Person3D]], list[Frame]]:
    """What is stored, what is told at once, and what late watchers see."""
    sink, told, late = Sink(), [], []
    run_frames(
        sets,
        Reconstructor(RIG, HALPE, config),
        sink,
        RunTiming(),
        total=len(sets),
        progress=lambda _done, _total: None,
        stopped=lambda: False,
        watchers=[lambda _frame, people, _aside: told.append(list(people))],
        late_watchers=[lambda frame, people, aside: late.append((frame, list(people), [*aside]))],
    )
    return sink.frames, told, late


def ids(people: Sequence[Person3D]) -> list[int]:
    return [person.person_id for person in people]


def test_somebody_new_is_recorded_from_his_first_frame_on():
    sets, truth = scene(30, lambda n: n >= COMES)
    frames, told, late = record(sets)
    assert [ids(people) for people in told] == [[0]] * (COMES + DOUBT) + [[0, 1]] * (20 - DOUBT)
    assert [ids(people) for _, people, _ in frames] == [[0]] * COMES + [[0, 1]] * 20
    assert [frame.number for frame, _, _ in frames] == list(range(30))
    for _, people, _ in frames[COMES:]:
        error = np.linalg.norm(people[1].keypoints.points_m - truth, axis=1)
        assert np.nanmean(error) < 0.06
        assert [j >= 0 for j in people[1].detection_index] == [True, True, False, False]
    assert [(s.number, ids(people)) for s, people, _ in late] == [
        (s.number, ids(people)) for s, people, _ in frames
    ]


def test_what_was_told_at_once_is_recorded_bit_for_bit():
    sets, _ = scene(30, lambda n: n >= COMES)
    frames, told, _ = record(sets)
    for (_, stored, _), people in zip(frames, told, strict=True):
        for person in people:
            (same,) = [one for one in stored if one.person_id == person.person_id]
            assert same is person


@pytest.mark.parametrize("last", [COMES, COMES + DOUBT - 2])
def test_whoever_is_never_told_of_is_not_recorded(last: int):
    sets, _ = scene(30, lambda n: COMES <= n <= last)
    frames, _, _ = record(sets)
    assert [ids(people) for _, people, _ in frames] == [[0]] * 30


def test_whoever_is_doubtful_at_the_end_is_not_recorded_and_no_frame_is_lost():
    sets, _ = scene(COMES + DOUBT - 1, lambda n: n >= COMES)
    frames, _, _ = record(sets)
    assert [s.number for s, _, _ in frames] == list(range(len(sets)))
    assert [ids(people) for _, people, _ in frames] == [[0]] * len(sets)


def test_frames_are_held_no_longer_than_needed():
    sets, _ = scene(40, lambda n: COMES <= n < COMES + 2)
    stored: list[int] = []
    sink, reconstructor = Sink(), Reconstructor(RIG, HALPE, CONFIG)
    run_frames(
        sets,
        reconstructor,
        sink,
        RunTiming(),
        total=None,
        progress=lambda done, _total: stored.append(done - len(sink.frames)),
        stopped=lambda: False,
    )
    assert stored[:COMES] == [0] * COMES
    assert 0 < max(stored) <= 1.5 * DOUBT + 2
    assert stored[-1] == 0


def test_a_run_that_breaks_off_stores_what_it_saw():
    sets, _ = scene(30, lambda n: n >= COMES)

    def broken():
        yield from sets[: COMES + 2]
        raise OSError("the disk is gone")

    sink = Sink()
    with pytest.raises(OSError, match="disk"):
        run_frames(
            broken(),
            Reconstructor(RIG, HALPE, CONFIG),
            sink,
            RunTiming(),
            total=None,
            progress=lambda _done, _total: None,
            stopped=lambda: False,
        )
    assert [s.number for s, _, _ in sink.frames] == list(range(COMES + 2))


def test_whoever_comes_back_gets_his_id_in_the_frames_before_as_well():
    """Two views lose him for longer than he is expected, and find him again."""
    gap = round(1.5 * RATE)
    sets, _ = scene(80, lambda n: n < 20 or n >= 20 + gap)
    frames, _, _ = record(sets)
    assert ids(frames[19][1]) == [0, 1]
    assert [ids(people) for _, people, _ in frames[20 + gap :]] == [[0, 1]] * (60 - gap)
    for _, people, _ in frames:
        assert len(set(ids(people))) == len(people)


def test_outside_the_volume_he_is_a_bystander_from_his_first_frame_on():
    sets, _ = scene(30, lambda n: n >= COMES)
    config = replace(CONFIG, volume=(-1.0, 0.5, -2.0, 2.0))
    frames, _, _ = record(sets, config)
    assert [ids(people) for _, people, _ in frames] == [[0]] * 30
    for _, _, aside in frames[COMES:]:
        assert [(one.person_id, one.reason) for one in aside] == [(1, SetAside.OUTSIDE_VOLUME)]


def test_whoever_is_no_performer_is_a_bystander_from_his_first_frame_on():
    sets, _ = scene(30, lambda n: n >= COMES)
    frames, _, _ = record(sets, replace(CONFIG, performers=1))
    assert [ids(people) for _, people, _ in frames] == [[0]] * 30
    for _, _, aside in frames[COMES:]:
        assert [(one.person_id, one.reason) for one in aside] == [(1, SetAside.NOT_A_PERFORMER)]
