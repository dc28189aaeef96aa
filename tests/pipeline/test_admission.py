"""Capture volume and performers: who counts, who is set aside, and that nobody flickers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from synthetic_scene import frame_set, ring_rig, standing_person

from mocap.errors import InputError
from mocap.model import Bystander, FrameSet, Person3D, SetAside, skeleton_by_name
from mocap.model.config import ReconstructionConfig
from mocap.pipeline.reconstructor import Reconstructor

HALPE = skeleton_by_name("halpe26")
RIG = ring_rig(4, radius=6.0)
RATE = 30.0
Place = Callable[[float], tuple[float, float]]
INSIDE = replace(ReconstructionConfig(), volume=(-1.0, 1.0, -2.0, 2.0))


def scene(
    places: Sequence[Place],
    frames: int,
    *,
    hidden: dict[str, Sequence[int]] | None = None,
    come_s: Sequence[float] = (),
    gone_s: Sequence[float] = (),
) -> list[FrameSet]:
    rng, sets = np.random.default_rng(3), []
    for n in range(frames):
        t = n / RATE
        here = [
            p
            for p in range(len(places))
            if t >= (*come_s, *[0.0] * 9)[p] and t < (*gone_s, *[np.inf] * 9)[p]
        ]
        people = np.array([standing_person(HALPE, places[p](t), 0.2 * t) for p in here])
        unseen = {c: [here.index(p) for p in who if p in here] for c, who in (hidden or {}).items()}
        people = people.reshape(-1, len(HALPE), 3)
        sets.append(frame_set(n, people, RIG, rng=rng, sigma_px=1.5, hidden=unseen))
    return sets


Frame = tuple[list[Person3D], tuple[Bystander, ...]]


def run(sets: Sequence[FrameSet], config: ReconstructionConfig) -> list[Frame]:
    reconstructor = Reconstructor(RIG, HALPE, config)
    return [(reconstructor.process(s), reconstructor.bystanders) for s in sets]


def place_of(person: Person3D) -> np.ndarray:
    return person.keypoints.points_m[:, :2].mean(axis=0)


def test_without_wishes_everybody_counts():
    frames = run(scene([lambda _: (0, 0), lambda _: (2.5, 0)], 10), ReconstructionConfig())
    assert all(len(people) == 2 and not bystanders for people, bystanders in frames)


def test_somebody_outside_is_set_aside_with_his_2d_people():
    sets = scene([lambda _: (0.0, 0.0), lambda _: (2.5, 0.3)], 20)
    everybody = run(sets, ReconstructionConfig())
    for (people, aside), (both, _) in zip(run(sets, INSIDE), everybody, strict=True):
        (person,), (one,) = people, aside
        np.testing.assert_allclose(place_of(person), (0, 0), atol=0.1)
        assert one.reason is SetAside.OUTSIDE_VOLUME
        np.testing.assert_allclose(one.middle_m[:2], (2.5, 0.3), atol=0.15)
        # The person inside is the same, bit for bit, as if nothing had been asked for.
        same = next(p for p in both if p.person_id == person.person_id)
        np.testing.assert_array_equal(same.keypoints.points_m, person.keypoints.points_m)
        other = next(p for p in both if p.person_id == one.person_id)
        assert one.detection_index == other.detection_index


def test_nobody_flickers_at_the_border_and_ids_survive_it():
    def sway(t: float) -> tuple[float, float]:
        return 0.8 + 0.3 * float(np.sin(2 * np.pi * t)), 0.0

    frames = run(scene([sway], 90), INSIDE)
    assert all(len(people) == 1 for people, _ in frames)  # up to 0.1 m outside of 1 m

    def wander(t: float) -> tuple[float, float]:
        return 2.2 * float(np.sin(t)), 0.0

    counts = [len(people) for people, _ in run(scene([wander], 180), INSIDE)]
    assert np.abs(np.diff(counts)).sum() == 4  # out and in on either side
    ids = {p.person_id for people, _ in run(scene([wander], 180), INSIDE) for p in people}
    assert ids == {0}


def test_the_volume_limits_heights_as_well():
    high = replace(ReconstructionConfig(), volume=(-5, 5, -5, 5, 2.0, 4.0))
    frames = run(scene([lambda _: (0, 0)], 5), high)
    assert all(not people and len(aside) == 1 for people, aside in frames)


def test_the_performer_is_who_is_seen_best_and_stays():
    """Somebody seen by two of four cameras was there first; the other comes after a second."""
    sets = scene(
        [lambda _: (1.5, 0.5), lambda _: (-0.8, 0.0)],
        150,
        hidden={"cam1": [0], "cam2": [0]},
        come_s=(0.0, 1.0),
    )
    one = replace(ReconstructionConfig(), performers=1)
    frames = run(sets, one)
    assert all(len(people) <= 1 for people, _ in frames)
    owner = [float(place_of(people[0])[0]) for people, _ in frames if people]
    assert owner[0] == pytest.approx(1.5, abs=0.1)
    assert owner[-1] == pytest.approx(-0.8, abs=0.1)
    assert (np.abs(np.diff(owner)) > 1).sum() == 1
    assert {b.reason for _, aside in frames for b in aside} == {SetAside.NOT_A_PERFORMER}


def test_equals_keep_their_places_and_a_free_place_is_given_away():
    places: list[Place] = [lambda _, x=x: (x, 0.3 * x) for x in (-1.8, 0.0, 1.8)]
    sets = scene(places, 150, come_s=(0.0, 0.0, 0.5), gone_s=(2.5,))
    frames = run(sets, replace(ReconstructionConfig(), performers=2))
    early = [sorted(round(float(place_of(p)[0]), 0) for p in people) for people, _ in frames[5:70]]
    assert all(x == [-2.0, 0.0] for x in early)
    late = [sorted(round(float(place_of(p)[0]), 0) for p in people) for people, _ in frames[-20:]]
    assert all(x == [0.0, 2.0] for x in late)


def test_both_wishes_together():
    places: list[Place] = [lambda _: (2.5, 0.0), lambda _: (0.5, 0.0), lambda _: (-0.6, 0.0)]
    config = replace(INSIDE, performers=1)
    for people, aside in run(scene(places, 20), config):
        assert len(people) == 1
        assert abs(float(place_of(people[0])[0])) < 1
        assert sorted(b.reason for b in aside) == [1, 2]


def test_performers_of_no_number():
    for number in (0, -3):
        with pytest.raises(InputError, match="must be 1 or more"):
            Reconstructor(RIG, HALPE, replace(ReconstructionConfig(), performers=number))
