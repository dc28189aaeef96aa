"""Grouping of free-running cameras into frame sets."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocap.model import Detections, FrameSet, Observation
from mocap.pipeline.sync import BUFFERED_FRAMES, FrameSetAssembler

PERIOD = 33_000_000
NOBODY = Detections.empty(17)


def seen(camera: str, index: int, time_ns: float | None = None) -> Observation:
    when = index * PERIOD if time_ns is None else round(time_ns)
    return Observation(camera, index, when, NOBODY)


def assembler(
    names: str = "ab",
    offsets: dict[str, float] | None = None,
    *,
    period: int = PERIOD,
    max_wait_s: float | None = None,
) -> FrameSetAssembler:
    return FrameSetAssembler(dict.fromkeys(names, 0.0) | (offsets or {}), period, max_wait_s)


def members(sets: list[FrameSet]) -> list[dict[str, int]]:
    return [{n: o.frame_index for n, o in s.observations.items()} for s in sets]


def feed_all(group: FrameSetAssembler, observations: list[Observation]) -> list[FrameSet]:
    sets: list[FrameSet] = []
    for observation in observations:
        assert group.add(observation, 0.0)
        sets += group.ready(0.0)
    group.end(group.wanted())
    return sets + group.ready(0.0)


def test_a_set_waits_for_every_camera():
    group = assembler("abc")
    group.add(seen("a", 0), 0.0)
    group.add(seen("b", 0), 0.0)
    assert group.ready(1e9) == []
    group.add(seen("c", 0), 0.0)
    (one,) = group.ready(0.0)
    assert members([one]) == [{"a": 0, "b": 0, "c": 0}]
    assert (one.number, one.time_ns) == (0, 0)
    assert not group.finished


@given(st.integers(0, 2**31), st.sampled_from([None, 1e9]))
def test_order_of_arrival_between_cameras_is_irrelevant(seed, max_wait_s):
    rng = np.random.default_rng(seed)
    phases = {name: rng.uniform(0, 0.9) for name in "abc"}
    streams = {
        name: [
            seen(name, i, (i + phase + rng.uniform(-0.04, 0.04)) * PERIOD)
            for i in range(12)
            if rng.random() > 0.2
        ]
        for name, phase in phases.items()
    }
    in_order = sorted((o for s in streams.values() for o in s), key=lambda o: o.time_ns)
    expected = feed_all(assembler("abc"), in_order)
    left = {name: list(stream) for name, stream in streams.items()}
    mixed: list[Observation] = []
    while any(left.values()):
        name = rng.choice([n for n, stream in left.items() if stream])
        mixed.append(left[name].pop(0))
    found = feed_all(assembler("abc", max_wait_s=max_wait_s), mixed)
    assert found == expected
    assert [s.number for s in found] == sorted({s.number for s in found})
    assert all(a.time_ns < b.time_ns for a, b in pairwise(found))
    assert sum(len(s.observations) for s in found) == len(in_order)


def test_observations_within_half_a_frame_belong_together():
    both = feed_all(assembler(), [seen("a", 0, 0), seen("b", 0, 0.49 * PERIOD)])
    assert members(both) == [{"a": 0, "b": 0}]
    assert both[0].time_ns == pytest.approx(0.245 * PERIOD)
    apart = feed_all(assembler(), [seen("a", 0, 0), seen("b", 0, 0.51 * PERIOD)])
    assert members(apart) == [{"a": 0}, {"b": 0}]


def test_time_offsets_are_taken_off():
    """Camera b is 100 ms late: what it shows at t + 100 ms happened at t."""
    late = 0.1
    stream = [o for i in range(5) for o in (seen("a", i), seen("b", i, i * PERIOD + late * 1e9))]
    sets = feed_all(assembler(offsets={"b": late}), stream)
    assert members(sets) == [{"a": i, "b": i} for i in range(5)]
    assert [s.time_ns for s in sets] == [i * PERIOD for i in range(5)]
    assert sets[3].observations["b"].time_ns == 3 * PERIOD + 100_000_000  # as it was captured
    without = feed_all(assembler(), stream)
    assert members(without) != members(sets)


def test_times_on_a_clock_that_began_long_ago_are_exact():
    start = 1_790_000_000_123_456_789
    stream = [seen(name, i, 0.0) for i in range(3) for name in "ab"]
    stream = [Observation(o.camera, o.frame_index, start + o.frame_index, NOBODY) for o in stream]
    sets = feed_all(assembler(period=1), stream)
    assert [s.time_ns for s in sets] == [start, start + 1, start + 2]


def test_an_ended_camera_is_not_waited_for():
    group = assembler()
    group.add(seen("a", 0), 0.0)
    assert group.ready(0.0) == []
    group.end(["b"])
    assert members(group.ready(0.0)) == [{"a": 0}]
    assert group.wanted() == ["a"]
    group.end(["a"])
    assert group.finished


def test_what_an_ended_camera_has_delivered_is_still_used():
    group = assembler()
    group.add(seen("b", 0), 0.0)
    group.add(seen("b", 1), 0.0)
    group.end(["b"])
    assert not group.finished
    for i in range(3):
        group.add(seen("a", i), 0.0)
    assert members(group.ready(0.0)) == [{"a": 0, "b": 0}, {"a": 1, "b": 1}, {"a": 2}]


def test_mixed_frame_rates_give_the_slow_camera_every_other_set():
    stream = sorted(
        [seen("a", i, i * PERIOD) for i in range(8)]
        + [seen("b", i, i * 2 * PERIOD + 0.1 * PERIOD) for i in range(4)],
        key=lambda o: o.time_ns,
    )
    sets = feed_all(assembler(), stream)
    assert members(sets) == [{"a": i, "b": i // 2} if i % 2 == 0 else {"a": i} for i in range(8)]
    assert [s.number for s in sets] == list(range(8))


def test_dropped_frames_leave_a_gap_in_the_numbers():
    kept = [0, 1, 2, 5, 6, 9]
    sets = feed_all(assembler(), [seen(name, i) for i in kept for name in "ab"])
    assert [s.number for s in sets] == kept
    one_dropped = [seen("a", i) for i in range(4)] + [seen("b", i) for i in (0, 3)]
    sets = feed_all(assembler(), one_dropped)
    assert members(sets) == [{"a": 0, "b": 0}, {"a": 1}, {"a": 2}, {"a": 3, "b": 3}]


def test_an_incomplete_set_goes_out_after_the_longest_wait():
    group = assembler(max_wait_s=0.25)
    group.add(seen("a", 0), 100.0)
    assert group.ready(100.2) == []
    assert members(group.ready(100.26)) == [{"a": 0}]


def test_what_comes_after_its_set_is_late_and_changes_nothing():
    """Also when it is a little later than the set: it would make a set of its own, and shift the
    numbers of all that follow."""
    group = assembler(max_wait_s=0.25)
    group.add(seen("a", 0, 0), 0.0)
    assert len(group.ready(0.3)) == 1
    for offset in (-0.4, 0.0, 0.1, 0.4):
        assert not group.add(seen("b", 0, offset * PERIOD), 0.3)
    for i in range(1, 6):
        assert group.add(seen("a", i), 0.3)
        assert group.add(seen("b", i, (i + 0.4) * PERIOD), 0.3)
    sets = group.ready(0.3)
    assert members(sets) == [{"a": i, "b": i} for i in range(1, 6)]
    assert [s.number for s in sets] == [1, 2, 3, 4, 5]


def test_a_slow_camera_joins_again_once_it_has_caught_up():
    """Camera b is 4 frames behind until frame 10, when the rest of its frames comes at once."""
    group = assembler(max_wait_s=0.05)
    sets: list[FrameSet] = []
    late = 0
    for i in range(20):
        now = i * PERIOD * 1e-9
        group.add(seen("a", i), now)
        arriving = [i - 4] if 4 <= i < 10 else range(6, 11) if i == 10 else [i] if i > 10 else []
        late += sum(not group.add(seen("b", j), now) for j in arriving)
        sets += group.ready(now)
    assert late >= 6
    assert all(s.observations.keys() == {"a", "b"} for s in sets if s.number >= 12)
    assert [s.number for s in sets] == list(range(20))


def test_frame_sets_never_go_back_in_time():
    """A camera whose clock stumbles: two frames less than half a frame apart."""
    group = assembler()
    stream = [seen("a", 0, 0), seen("b", 0, 0.48 * PERIOD), seen("a", 1, 0.1 * PERIOD)]
    times = [s.time_ns for s in feed_all_or_late(group, stream)]
    assert times == sorted(set(times))


def feed_all_or_late(group: FrameSetAssembler, stream: list[Observation]) -> list[FrameSet]:
    for observation in stream:
        group.add(observation, 0.0)
    group.end("ab")
    return group.ready(0.0)


def test_a_camera_that_is_far_ahead_is_not_asked_for_more():
    group = assembler()
    for i in range(BUFFERED_FRAMES):
        assert group.wanted() == ["a", "b"]
        group.add(seen("a", i), 0.0)
    assert group.wanted() == ["b"]
    group.add(seen("b", 0), 0.0)
    group.ready(0.0)
    assert group.wanted() == ["a", "b"]
