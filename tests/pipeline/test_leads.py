"""People in one view only, and people who never move: pointed out, never 3D people or dropped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from reconstructed import Frame, motion_of, run
from synthetic_scene import detections, project_rig, ring_rig, standing_person

from mocap.model import FrameSet, Observation, skeleton_by_name
from mocap.model.config import AssociationConfig, ReconstructionConfig, TrackingConfig
from mocap.pipeline.leads import Lead, LeadFinder
from mocap.pipeline.still_figures import StillFigure, still_figures

HALPE = skeleton_by_name("halpe26")
RIG = ring_rig(4, radius=5.0)
RATE = 30.0
Points = Callable[[float], np.ndarray]


def walker(t: float) -> np.ndarray:
    return standing_person(HALPE, (0.8 * np.cos(0.8 * t), 0.8 * np.sin(0.8 * t)), 0.8 * t)


def alone(camera: int) -> Callable[[float], np.ndarray]:
    """Somebody whom one camera shows: he walks behind the others' backs."""

    def pixels(t: float) -> np.ndarray:
        points = standing_person(HALPE, (-1.5 + 0.3 * t, 1.8), 0.3)
        made = np.full((len(RIG), len(HALPE), 2), np.nan)
        made[camera] = project_rig(points, RIG)[camera]
        return made

    return pixels


def scene(
    people: list[Points], seconds: float, extra: list[Points] | None = None, px: float = 1.5
) -> list[Frame]:
    rng, sets = np.random.default_rng(2), []
    for n in range(round(seconds * RATE)):
        t = n / RATE
        pixels = [project_rig(points(t), RIG) for points in people]
        pixels += [points(t) for points in extra or ()]
        seen = {}
        for c, name in enumerate(RIG.names):
            shown = [p[c] for p in pixels if np.isfinite(p[c]).any()]
            image = np.array(shown).reshape(-1, len(HALPE), 2)
            image = image + rng.normal(0, px, image.shape)
            seen[name] = Observation(name, n, round(t * 1e9), detections(image))
        sets.append(FrameSet(n, round(t * 1e9), seen))
    return run(sets, RIG, HALPE, ReconstructionConfig())


def leads_of(frames: list[Frame]) -> tuple[Lead, ...]:
    finder = LeadFinder(RIG, HALPE, AssociationConfig())
    for frame in frames:
        finder.watch(*frame)
    return finder.leads


def test_who_is_in_one_view_is_a_lead_and_no_3d_person():
    frames = scene([walker], 3.0, [alone(2)])
    assert {p.person_id for _, people, _ in frames for p in people} == {0}
    (lead,) = leads_of(frames)
    assert (lead.camera, lead.first, lead.last, lead.frames) == ("cam2", 0, 89, 90)
    assert not lead.still
    assert "camera cam2 alone saw somebody in 90 frames, 0 to 89" in lead.sentence()
    assert Lead.from_json(json.loads(json.dumps(lead.as_json()))) == lead


def test_who_walks_into_a_second_view_is_a_lead_until_then():
    def pixels(t: float) -> np.ndarray:
        shown = project_rig(standing_person(HALPE, (-1.5, 1.5 - 0.2 * t), 0.3), RIG)
        shown[[0, 3] if t >= 1.0 else [0, 1, 3]] = np.nan
        return shown

    frames = scene([walker], 2.0, [pixels])
    (lead,) = leads_of(frames)
    assert (lead.camera, lead.first) == ("cam2", 0)
    # From the second view on it takes `confirm_s` until the person is told of.
    confirmed = 30 + round(TrackingConfig().confirm_s * RATE)
    assert 28 <= lead.last <= confirmed
    assert {p.person_id for _, people, _ in frames for p in people} == {0, 1}


def test_a_few_frames_or_a_double_are_no_lead():
    frames = scene(
        [walker], 1.0, [lambda t: alone(1)(t) if t < 0.2 else np.full((4, 26, 2), np.nan)]
    )
    assert leads_of(frames) == ()

    def twin(t: float) -> np.ndarray:
        made = project_rig(walker(t), RIG) + 5.0
        made[[0, 1, 3]] = np.nan
        return made

    assert leads_of(scene([walker], 1.0, [twin])) == ()


def test_a_picture_in_one_view_never_moves():
    picture = alone(1)(1.0)
    (lead,) = leads_of(scene([walker], 4.0, [lambda _: picture], px=1.0))
    assert lead.still
    assert "never moves: a poster or a piece of furniture?" in lead.sentence()


def flat_person() -> np.ndarray:
    points = standing_person(HALPE, (0.0, 0.0), 0.0)
    points[:, 1] = 1.8  # a picture on a wall
    return points


def swaying(t: float) -> np.ndarray:
    """Quiet stance: an inverted pendulum of 8 mm at the head, and hands that hang."""
    points = standing_person(HALPE, (1.2, -0.8), 0.5)
    lean = 0.006 * np.sin(2 * np.pi * 0.28 * t) + 0.005 * np.sin(2 * np.pi * 0.11 * t + 1)
    points[:, :2] += lean * points[:, 2:] / 1.7
    hands = [k for k, name in enumerate(HALPE.keypoints) if name.endswith("wrist")]
    points[hands, :2] += 0.008 * np.sin(2 * np.pi * 0.2 * t)
    return points


def test_posters_and_mannequins_are_told_from_people_who_stand():
    poster, doll = flat_person(), standing_person(HALPE, (-1.2, -0.8), 0.4)
    frames = scene([walker, lambda _: poster, lambda _: doll, swaying], 8.0, px=2.0)
    motion = motion_of(frames, HALPE)
    assert len(motion.person_ids) == 4
    place = {i: np.nanmedian(motion.person(i).points_m, axis=(0, 1)) for i in motion.person_ids}
    poster_id = min(place, key=lambda i: np.linalg.norm(place[i][:2] - (0.0, 1.8)))
    doll_id = min(place, key=lambda i: np.linalg.norm(place[i][:2] - (-1.2, -0.8)))
    found = {figure.person_id: figure for figure in still_figures(motion)}
    assert set(found) == {poster_id, doll_id}
    assert found[poster_id].is_flat
    assert not found[doll_id].is_flat
    assert "lies in a plane: a poster?" in found[poster_id].sentence()
    assert f"person {doll_id} never moves" in found[doll_id].sentence()
    assert StillFigure.from_json(json.loads(json.dumps(found[doll_id].as_json()))) == found[doll_id]


def test_nothing_is_said_of_short_sessions_or_of_what_is_only_predicted():
    doll = standing_person(HALPE, (0.0, 0.0))
    motion = motion_of(scene([lambda _: doll], 3.0), HALPE)
    assert still_figures(motion) == []
    longer = motion_of(scene([lambda _: doll], 6.0), HALPE)
    assert len(still_figures(longer)) == 1
    assert still_figures(replace(longer, n_views=np.ones_like(longer.n_views))) == []
