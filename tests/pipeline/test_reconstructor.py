"""The whole step from frame sets to tracked people: identities, determinism, and real data."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from synthetic_scene import frame_set, ring_rig, standing_person

from mocap.model import Detections, FrameSet, Observation, Person3D, Rig, skeleton_by_name
from mocap.model.config import ReconstructionConfig, TrackingConfig
from mocap.pipeline.metrics import reconstruct_all
from mocap.pipeline.reconstructor import Reconstructor
from mocap.storage.observation_file import load_observations
from mocap.storage.rig_file import load_rig

HALPE = skeleton_by_name("halpe26")
CONFIG = ReconstructionConfig()
RIG = ring_rig(4, radius=5.0)
RATE = 30.0
Path2D = Callable[[float], tuple[float, float]]


def scene(
    paths: Sequence[Path2D],
    frames: Sequence[int],
    *,
    away: Callable[[int, int], bool] = lambda n, p: n < 0 and p < 0,
    hidden: Mapping[str, Sequence[int]] | None = None,
    noise_px: float = 2.0,
    rig: Rig = RIG,
) -> tuple[list[FrameSet], list[np.ndarray]]:
    """Walking people, and where they are: (people, K, 3) per frame, NaN for those away."""
    rng = np.random.default_rng(1)
    sets, truth = [], []
    for number in frames:
        t = number / RATE
        people = [
            standing_person(HALPE, path(t), 0.4 * p + 0.2 * t) for p, path in enumerate(paths)
        ]
        here = [not away(number, p) for p in range(len(paths))]
        shown = np.array([x for x, h in zip(people, here, strict=True) if h]).reshape(-1, 26, 3)
        sets.append(frame_set(number, shown, rig, rng=rng, sigma_px=noise_px, hidden=hidden))
        truth.append(np.where(np.array(here)[:, None, None], np.array(people), np.nan))
    return sets, truth


def run(sets: Sequence[FrameSet], rig: Rig = RIG) -> list[list[Person3D]]:
    reconstructor = Reconstructor(rig, HALPE, CONFIG)
    return [reconstructor.process(s) for s in sets]


def owner(person: Person3D, truth: np.ndarray) -> int:
    """Which true person this is; its keypoints must be near, on average."""
    error = np.linalg.norm(person.keypoints.points_m - truth, axis=2).mean(axis=1)
    best = int(np.nanargmin(error))
    assert error[best] < 0.03
    return best


def standing(x: float, y: float = 0.0) -> Path2D:
    return lambda t: (x + 0 * t, y)


def test_two_people_keep_their_ids_and_are_where_they_are():
    sets, truth = scene([standing(-1.0), standing(1.0, 0.4)], range(10))
    ids: dict[int, int] = {}
    for people, where in zip(run(sets), truth, strict=True):
        assert [p.person_id for p in people] == [0, 1]
        for p in people:
            assert ids.setdefault(p.person_id, owner(p, where)) == owner(p, where)
            assert not any(p.mirrored)
            assert min(p.detection_index) >= 0


def test_detection_index_tells_which_2d_person_of_each_camera_it_is():
    sets, truth = scene([standing(-1.0), standing(1.0, 0.4)], range(1))
    for p in run(sets)[0]:
        who = owner(p, truth[0])
        # `frame_set` lists the people of camera c from person c (modulo 2) on.
        assert p.detection_index == tuple((who - c) % 2 for c in range(4))


def test_ids_are_stable_when_two_people_cross():
    """They walk past each other at 1.4 m/s, 0.5 m apart at the closest."""
    sets, truth = scene(
        [lambda t: (-1.4 + 1.4 * t, -0.25), lambda t: (1.4 - 1.4 * t, 0.25)], range(61)
    )
    ids: dict[int, set[int]] = {}
    for people, where in zip(run(sets), truth, strict=True):
        assert len(people) == 2
        for p in people:
            ids.setdefault(owner(p, where), set()).add(p.person_id)
    assert ids == {0: {0}, 1: {1}} or ids == {0: {1}, 1: {0}}


@pytest.mark.parametrize("lost_frames", [3, 12, 24])
def test_a_person_who_was_lost_for_less_than_a_second_keeps_the_id(lost_frames):
    sets, truth = scene(
        [standing(-1.0), standing(1.0)],
        range(60),
        away=lambda n, p: p == 1 and 20 <= n < 20 + lost_frames,
    )
    found = run(sets)
    assert {p.person_id for people in found for p in people} == {0, 1}
    before = {p.person_id: owner(p, truth[19]) for p in found[19]}
    after = {p.person_id: owner(p, truth[59]) for p in found[59]}
    assert before == after
    assert [p.person_id for p in found[20]] == [i for i, who in before.items() if who == 0]


def test_a_person_who_comes_back_later_is_known_again():
    sets, _ = scene([standing(-1.0)], range(60), away=lambda n, p: p == 0 and 10 <= n < 45)
    found = run(sets)
    assert [p.person_id for p in found[9]] == [0]
    assert found[20] == []
    assert [p.person_id for p in found[50]] == [0]


def test_a_person_who_comes_back_too_late_or_from_too_far_is_a_new_person():
    sets, _ = scene([standing(-1.0)], range(60), away=lambda n, p: p == 0 and 10 <= n < 45)
    forgetful = ReconstructionConfig(tracking=TrackingConfig(max_lost_s=0.5, max_sleep_s=0.6))
    reconstructor = Reconstructor(RIG, HALPE, forgetful)
    found = [reconstructor.process(s) for s in sets]
    assert [p.person_id for p in found[50]] == [1]
    path = lambda t: (-2.0 if t < 1.0 else 2.0, 0.0)  # noqa: E731
    sets, _ = scene([path], range(60), away=lambda n, p: p == 0 and 10 <= n < 45)
    found = run(sets)
    assert [p.person_id for p in found[50]] == [1]


def test_someone_who_walks_in_gets_the_next_id():
    sets, _ = scene([standing(0.0), standing(1.2)], range(20), away=lambda n, p: p == 1 and n < 10)
    found = run(sets)
    assert [p.person_id for p in found[9]] == [0]
    assert [p.person_id for p in found[10]] == [0, 1]


def seen_by(sets: Sequence[FrameSet], who: int, cameras: Callable[[int], int]) -> None:
    """Takes one of two people out of the views from the `cameras(frame)`-th on, in place."""
    for s in sets:
        for c in range(cameras(s.number), len(RIG)):
            seen = s.observations[RIG.names[c]].detections
            # `frame_set` lists the people of camera c from person c (modulo 2) on.
            other = [(1 - who - c) % 2]
            left = Detections(seen.keypoints_px[other], seen.confidence[other], seen.score[other])
            s.observations[RIG.names[c]] = Observation(RIG.names[c], s.number, s.time_ns, left)  # type: ignore[index]


def test_whom_two_views_show_for_an_instant_is_not_told_of():
    """As where two rays meet by chance at the start of the session, and one view goes on."""
    sets, _ = scene([standing(0.0), standing(1.2)], range(45))
    seen_by(sets, 1, lambda number: 2 if number < 2 else 1)
    assert [len(people) for people in run(sets)] == [1] * 45


def test_whom_two_views_show_for_a_while_is_told_of_and_followed_in_one():
    sets, truth = scene([standing(0.0), standing(1.2)], range(45))
    seen_by(sets, 1, lambda number: 2 if number < 15 else 1)
    found = run(sets)
    first = round(CONFIG.tracking.confirm_s * RATE)
    assert [len(people) for people in found] == [1] * first + [2] * (45 - first)
    assert owner(found[14][1], truth[14]) == 1
    assert [p.person_id for p in found[-1]] == [0, 1]


def test_nobody_one_view_and_no_views():
    empty, _ = scene([standing(0.0)], range(2), away=lambda n, p: n >= 0 and p == 0)
    one, _ = scene([standing(0.0)], range(2), hidden={n: [0] for n in RIG.names[1:]})
    nothing = FrameSet(0, 0, {})
    assert run([nothing, *empty, *one]) == [[], [], [], [], []]


def test_a_dead_camera_costs_one_view():
    sets, truth = scene([standing(0.0)], range(10))
    cut = [
        FrameSet(s.number, s.time_ns, {n: o for n, o in s.observations.items() if n != "cam2"})
        if s.number >= 5
        else s
        for s in sets
    ]
    found = run(cut)
    for number, (people, where) in enumerate(zip(found, truth, strict=True)):
        assert [p.person_id for p in people] == [0]
        owner(people[0], where)
        assert people[0].detection_index[2] == (-1 if number >= 5 else 0)
        assert people[0].keypoints.n_views.max() == (3 if number >= 5 else 4)


def test_a_double_detection_is_not_a_second_person():
    sets, _ = scene([standing(0.0), standing(0.02)], range(5))
    assert [len(people) for people in run(sets)] == [1] * 5


def test_a_mirrored_view_is_found_and_turned_back():
    sets, truth = scene([standing(0.3)], range(6))
    mirror = np.array(HALPE.mirror)
    for s in sets[3:]:
        seen = s.observations["cam1"].detections
        turned = Detections(seen.keypoints_px[:, mirror], seen.confidence[:, mirror], seen.score)
        observation = Observation("cam1", s.number, s.time_ns, turned)
        s.observations["cam1"] = observation  # type: ignore[index]
    for number, (people, where) in enumerate(zip(run(sets), truth, strict=True)):
        assert people[0].mirrored == (False, number >= 3, False, False)
        owner(people[0], where)
        assert people[0].keypoints.n_views.min() == 4


def test_a_camera_with_a_wrong_pose_is_found_out():
    sets, _ = scene([standing(0.0), standing(1.0)], range(20))
    for s in sets:
        seen = s.observations["cam3"].detections
        moved = Detections(seen.keypoints_px + 8.0, seen.confidence, seen.score)
        s.observations["cam3"] = Observation("cam3", s.number, s.time_ns, moved)  # type: ignore[index]
    reconstructor = Reconstructor(RIG, HALPE, CONFIG)
    assert reconstructor.camera_noise == dict.fromkeys(RIG.names, 1.0)
    for s in sets:
        reconstructor.process(s)
    noise = reconstructor.camera_noise
    assert max(noise, key=noise.__getitem__) == "cam3"
    assert noise["cam3"] > 1.3


def test_the_same_frame_sets_give_the_same_people_bit_for_bit():
    sets, _ = scene(
        [lambda t: (-1.0 + t, -0.25), lambda t: (1.0 - t, 0.25)],
        range(15),
        away=lambda n, p: p == 1 and 6 <= n < 9,
        noise_px=6.0,
    )
    fresh = Reconstructor(RIG, HALPE, CONFIG)
    warm = Reconstructor(RIG, HALPE, CONFIG)
    warm.warm_up()
    for s in sets:
        for a, b in zip(fresh.process(s), warm.process(s), strict=True):
            assert (a.person_id, a.detection_index, a.mirrored) == (
                b.person_id,
                b.detection_index,
                b.mirrored,
            )
            for name in vars(a.keypoints):
                left, right = getattr(a.keypoints, name), getattr(b.keypoints, name)
                assert left.tobytes() == right.tobytes(), name
    assert fresh.camera_noise == warm.camera_noise


def test_the_order_of_people_in_a_view_changes_nothing():
    sets, _ = scene([standing(-1.0), standing(1.0, 0.4)], range(4))
    plain = run(sets)
    for s in sets:
        for name in ("cam0", "cam3"):
            o = s.observations[name]
            d = o.detections
            turned = Detections(d.keypoints_px[::-1], d.confidence[::-1], d.score[::-1])
            s.observations[name] = Observation(name, o.frame_index, o.time_ns, turned)  # type: ignore[index]
    for people, others in zip(plain, run(sets), strict=True):
        a = sorted(people, key=lambda p: p.keypoints.points_m[0, 0])
        b = sorted(others, key=lambda p: p.keypoints.points_m[0, 0])
        for p, q in zip(a, b, strict=True):
            np.testing.assert_allclose(p.keypoints.points_m, q.keypoints.points_m, atol=1e-6)


def evaluator(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("pcp", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_real_people_are_found_by_the_evaluator_of_the_benchmark(shared_path, tmp_path):
    """Shelf, five cameras, frames 0 to 239: correct parts of actors 1 to 3, strict protocol."""
    pcp = evaluator(shared_path("shelf_dev/pcp.py"))
    rig = load_rig(shared_path("shelf_dev/calibration.toml"))
    observations = load_observations(shared_path("shelf_dev/detections.npz"))
    sets = observations.frame_sets(rig, 25.0)
    motion = reconstruct_all(sets, rig, observations.skeleton, CONFIG)
    path = tmp_path / "found.npz"
    names = np.array(motion.skeleton.keypoints)
    np.savez(
        path, joint_names=names, frame=motion.frame, points=motion.points_m, id=motion.person_id
    )
    frame, points, ids = pcp.load_pred(path)
    with np.load(shared_path("shelf_dev/gt.npz")) as truth:
        result = pcp.evaluate(frame, points, ids, truth, "strict", None)
    assert result["average"]["actors"] == [1, 2, 3]
    assert result["average"]["PCP"] >= 97.5
    assert result["id_switches_total"] == 0
    assert len(motion.person_ids) <= 6


def test_the_posterior_covariance_tells_of_views_that_contradict_each_other():
    wrist, knee = HALPE.index("left_wrist"), HALPE.index("left_knee")
    points = standing_person(HALPE, (0.1, 0.0), 0.3)
    other = points.copy()
    other[wrist] += (0.25, 0.2, 0.2)
    right, wrong = frame_set(0, points[None], RIG), frame_set(0, other[None], RIG)
    seen = {
        name: (wrong if c >= 2 else right).observations[name] for c, name in enumerate(RIG.names)
    }
    found = {}
    for mode in ("map", "posterior"):
        triangulation = replace(CONFIG.triangulation, covariance=mode)
        config = replace(CONFIG, triangulation=triangulation)
        (person,) = Reconstructor(RIG, HALPE, config).process(FrameSet(0, 0, seen))
        found[mode] = person.keypoints
    np.testing.assert_array_equal(found["map"].points_m, found["posterior"].points_m)
    trace = {m: np.trace(k.covariance_m2, axis1=1, axis2=2) for m, k in found.items()}
    assert np.sqrt(trace["posterior"][wrist]) > 0.15
    assert np.sqrt(trace["map"][wrist]) < 0.06
    assert 0.3 < trace["posterior"][knee] / trace["map"][knee] < 3


def test_a_crowd_is_found_without_anybody_else():
    """Twenty people 1.1 m apart in five views: rays of different people meet in three as well."""
    rig = ring_rig(5, radius=11.0, mixed_lenses=True)
    places = [(1.1 * (p % 5 - 2.5), 1.1 * (p // 5 - 2.5)) for p in range(20)]
    start = np.stack([standing_person(HALPE, place) for place in places])
    rng, reconstructor = np.random.default_rng(0), Reconstructor(rig, HALPE, CONFIG)
    for n in range(12):
        truth = start + 0.01 * n * np.eye(3)[0]
        found = reconstructor.process(frame_set(n, truth, rig, rng=rng, sigma_px=3.0))
        places_m = np.array([person.keypoints.points_m.mean(axis=0) for person in found])
        apart = np.linalg.norm(places_m[:, None] - truth.mean(axis=1), axis=2)
        assert apart.min(axis=1).max() < 0.1
        assert len(set(apart.argmin(axis=1).tolist())) == len(found)
        assert len(found) == 20 or n < 6
