from __future__ import annotations

import numpy as np
import pytest

from mocap.errors import SessionError
from mocap.storage.session_reader import Session
from viewer.feed import load_feed


def test_people_come_with_their_ids_in_their_frames(walkers, stick_figures):
    feed = load_feed(walkers, "smooth")
    expected = stick_figures["two_walkers"](12)
    assert len(feed) == 12
    assert feed.counts.tolist() == [1] * 4 + [2] * 8
    assert feed.max_people == 2
    assert feed.busiest_frame == 8
    for position, people in enumerate(expected):
        found = feed.people(position)
        assert found.person_ids == tuple(i for i, _ in people)
        assert found.ranks == tuple({3: 0, 8: 1}[i] for i, _ in people)
        np.testing.assert_allclose(found.points_m, [p for _, p in people])
        assert not found.doubtful.any()


def test_frames_go_by_number_and_people_without_keypoints_are_left_out(make_session, stick_figures):
    people = stick_figures["two_walkers"](4)
    people[2].append((5, np.full_like(people[2][0][1], np.nan)))
    with Session(make_session(people, numbers=[10, 11, 15, 16])) as session:
        feed = load_feed(session, "raw")
        assert feed.counts.tolist() == [1, 2, 2, 2]
        assert feed.person_ids == (3, 8)
        np.testing.assert_allclose(feed.times_s, [0, 0.04, 0.2, 0.24])


def test_uncertain_keypoints_are_doubtful(make_session, stick_figures):
    path = make_session(stick_figures["two_walkers"](2), sigma_m=0.03)
    with Session(path) as session:
        feed = load_feed(session, "raw")
        assert not feed.people(0, 0.031).doubtful.any()
        assert feed.people(0, 0.029).doubtful.all()
        assert not feed.people(0, 0.0).doubtful.any()


def test_points_that_were_filled_in_are_doubtful(walkers):
    feed = load_feed(walkers, "smooth")
    views = np.array(feed.motion.n_views)
    views[0, 7] = 0
    object.__setattr__(feed.motion, "n_views", views)
    assert np.flatnonzero(feed.people(0, 0.05).doubtful[0]).tolist() == [7]


def test_labels_stand_above_the_heads(walkers):
    people = load_feed(walkers, "raw").people(11)
    top = np.nanmax(people.points_m[:, :, 2], axis=1)
    above = people.label_points_m[:, 2] - top
    assert ((above > 0.05) & (above < 0.2)).all()


def test_a_layer_that_is_not_there_and_a_session_without_frames_are_refused(make_session):
    empty = Session(make_session([], "none"))
    with empty, pytest.raises(SessionError, match="no frames"):
        load_feed(empty, "raw")
    with Session(make_session([[]], "nobody")) as session:
        with pytest.raises(SessionError, match="no layer 'best'"):
            load_feed(session, "best")
        assert load_feed(session, "raw").max_people == 0
