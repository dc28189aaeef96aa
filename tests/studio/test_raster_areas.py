"""The parts of an image in which bodies are drawn."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mocap.studio.render import disjoint

_span = st.tuples(st.integers(0, 30), st.integers(1, 12)).map(lambda s: slice(s[0], s[0] + s[1]))


@given(st.lists(st.tuples(_span, _span), max_size=8))
def test_parts_are_drawn_once_and_none_is_left_out(areas: list[tuple[slice, slice]]) -> None:
    drawn, wanted = np.zeros((50, 50), int), np.zeros((50, 50), bool)
    for area in disjoint(areas):
        drawn[area] += 1
    for area in areas:
        wanted[area] = True
    assert drawn.max(initial=0) <= 1
    assert (drawn[wanted] == 1).all()


def test_only_what_overlaps_is_joined() -> None:
    left, right = (slice(0, 9), slice(0, 4)), (slice(2, 7), slice(10, 14))
    assert disjoint([left, right]) == [left, right]
    assert disjoint([]) == []
    bridge = (slice(3, 5), slice(3, 11))
    assert disjoint([left, right, bridge]) == [(slice(0, 9), slice(0, 14))]
