from __future__ import annotations

from itertools import pairwise

from capture.pacing import MAX_STRIDE, Pacer

PERIOD_S = 1 / 60


def simulate(work_s: float, frames: int = 600, begin_s: float = 0.0) -> list[int]:
    """Numbers of the frames kept by a camera whose frames take `work_s` each."""
    pacer, now, kept = Pacer(PERIOD_S), begin_s, []
    for number in range(frames):
        due = number * PERIOD_S
        if pacer.keeps(number, due - now):
            kept.append(number)
            now = max(now, due) + (work_s(number) if callable(work_s) else work_s)
    return kept


def test_nothing_is_left_out_when_there_is_time() -> None:
    assert simulate(0.9 * PERIOD_S) == list(range(600))


def test_a_slow_camera_keeps_multiples_of_a_power_of_two() -> None:
    kept = [n for n in simulate(3.1 * PERIOD_S) if n > 100]
    assert {b - a for a, b in pairwise(kept)} == {4}
    assert all(n % 4 == 0 for n in kept)


def test_cameras_of_different_speed_agree() -> None:
    one, other = simulate(3 * PERIOD_S), simulate(5 * PERIOD_S, begin_s=0.3)
    late = {n for n in other if n > 100}
    assert len(late) > 40
    assert late <= set(one)


def test_it_takes_more_frames_again_when_it_has_become_faster() -> None:
    kept = simulate(lambda number: (6 if number < 200 else 0.5) * PERIOD_S)
    assert all(n % 8 == 0 for n in kept if 50 < n < 200)
    assert [n for n in kept if n > 500] == list(range(501, 600))


def test_the_stride_is_bounded() -> None:
    pacer = Pacer(PERIOD_S)
    for number in range(100_000):
        pacer.keeps(number, -1000.0)
    assert pacer.stride == MAX_STRIDE
