"""Robust triangulation: its properties, and the compiled against the plain form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_scene import make_camera, project_rig, ring_rig, views_of

from mocap.geometry.rotations import matrix_from_rotvec
from mocap.geometry.triangulation import (
    RobustPoint,
    RobustSettings,
    Views,
    consistency_table,
    triangulate_dlt,
    triangulate_robust,
)
from mocap.geometry.triangulation_kernels import triangulate_kernel
from mocap.model import Camera, Rig

SETTINGS = RobustSettings()
NEAR_CENTRE = st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.1, 2)).map(np.array)


def compiled(
    views: list[Views],
    settings: RobustSettings,
    prior_points: np.ndarray | None = None,
    prior_sigma: np.ndarray | None = None,
) -> list[RobustPoint]:
    """`triangulate_kernel` on several keypoints of the same cameras, as `triangulate_robust`."""
    first, count = views[0], len(views)
    points, covariance, reprojection, used, residual, redundancy = triangulate_kernel(
        np.stack([v.pixels for v in views], axis=1),
        np.stack([v.confidence for v in views], axis=1),
        np.stack([v.sigma_px for v in views], axis=1),
        np.stack([v.rays for v in views], axis=1),
        first.centers,
        first.focal_px,
        first.matrix,
        first.distortions,
        first.fisheye,
        first.T_cam_world,
        settings.min_confidence,
        settings.gate_sigmas,
        settings.cauchy_sigmas,
        settings.min_angle_rad,
        settings.max_pairs,
        settings.prior_dof,
        settings.max_rounds,
        consistency_table(settings.cauchy_sigmas, len(first.pixels)),
        np.full((count, 3), np.nan) if prior_points is None else prior_points,
        np.ones(count) if prior_sigma is None else prior_sigma,
    )
    return [
        RobustPoint(
            points[k], covariance[k], reprojection[k], used[:, k], residual[:, k], redundancy[:, k]
        )
        for k in range(count)
    ]


def plain(
    views: list[Views],
    settings: RobustSettings,
    prior_points: np.ndarray | None = None,
    prior_sigma: np.ndarray | None = None,
) -> list[RobustPoint]:
    priors = [None] * len(views) if prior_points is None else list(prior_points)
    sigmas = [np.inf] * len(views) if prior_sigma is None else prior_sigma.tolist()
    return [
        triangulate_robust(v, settings, p, s) for v, p, s in zip(views, priors, sigmas, strict=True)
    ]


both = pytest.mark.parametrize("triangulate", [compiled, plain], ids=["compiled", "plain"])


def assert_same(a: RobustPoint, b: RobustPoint, atol_m: float = 1e-6) -> None:
    np.testing.assert_allclose(a.point, b.point, atol=atol_m)
    np.testing.assert_array_equal(a.used, b.used)
    scale = np.nanmax(np.abs(b.covariance)) if np.isfinite(b.covariance).any() else 1.0
    np.testing.assert_allclose(a.covariance / scale, b.covariance / scale, atol=1e-3)
    np.testing.assert_allclose(a.reprojection_px, b.reprojection_px, atol=1e-2)
    np.testing.assert_allclose(a.residual_px, b.residual_px, atol=1e-2)
    np.testing.assert_allclose(a.redundancy, b.redundancy, atol=1e-3)


@settings(max_examples=80)
@given(
    seed=st.integers(0, 2**32 - 1),
    cameras=st.integers(2, 7),
    noise_px=st.sampled_from([0.0, 0.5, 3.0]),
    missing=st.sampled_from([0.0, 0.3]),
    wrong=st.sampled_from([0.0, 0.3]),
    with_prior=st.booleans(),
    max_rounds=st.sampled_from([0, 1, 3]),
    max_pairs=st.sampled_from([4, 120]),
)
def test_compiled_form_equals_plain_form(
    seed, cameras, noise_px, missing, wrong, with_prior, max_rounds, max_pairs
):
    rng = np.random.default_rng(seed)
    rig = ring_rig(cameras, mixed_lenses=True, start_rad=rng.uniform(0, 6))
    count = 5
    truth = rng.uniform((-1, -1, 0.1), (1, 1, 2), (count, 3))
    pixels = project_rig(truth, rig) + rng.normal(0, 1, (cameras, count, 2)) * noise_px
    pixels[rng.random((cameras, count)) < wrong] += rng.uniform(-300, 300, 2)
    confidence = rng.uniform(0.25, 1.0, (cameras, count))  # below 0.3 is not used
    lost = rng.random((cameras, count)) < missing
    pixels[lost], confidence[lost] = np.nan, 0.0
    sigma = rng.uniform(0.7, 3.0, (cameras, count))
    views = [views_of(rig, pixels[:, k], confidence[:, k], sigma[:, k]) for k in range(count)]
    limits = RobustSettings(max_rounds=max_rounds, max_pairs=max_pairs)
    priors = None, None
    if with_prior:
        expected = truth + rng.normal(0, 0.05, truth.shape)
        expected[0] = np.nan
        priors = expected, rng.uniform(0.02, 0.2, count)
    for a, b in zip(compiled(views, limits, *priors), plain(views, limits, *priors), strict=True):
        assert_same(a, b)


@both
@settings(max_examples=20)
@given(NEAR_CENTRE, st.integers(2, 6), st.booleans())
def test_project_then_triangulate_is_the_identity(triangulate, point, cameras, mixed):
    rig = ring_rig(cameras, mixed_lenses=mixed)
    (found,) = triangulate([views_of(rig, project_rig(point, rig))], SETTINGS)
    np.testing.assert_allclose(found.point, point, atol=1e-8)
    assert found.used.all()
    np.testing.assert_allclose(found.residual_px, 0, atol=1e-4)


@both
@settings(max_examples=20)
@given(st.integers(0, 10_000), st.permutations(range(5)))
def test_the_order_of_the_views_changes_nothing(triangulate, seed, order):
    rng = np.random.default_rng(seed)
    rig = ring_rig(5, mixed_lenses=True)
    pixels = project_rig(rng.uniform((-1, -1, 0), (1, 1, 2)), rig) + rng.normal(0, 1.0, (5, 2))
    pixels[rng.integers(5)] += 150
    (found,) = triangulate([views_of(rig, pixels)], SETTINGS)
    shuffled = Rig(tuple(rig.cameras[i] for i in order))
    (again,) = triangulate([views_of(shuffled, pixels[list(order)])], SETTINGS)
    np.testing.assert_allclose(again.point, found.point, atol=1e-6)
    np.testing.assert_array_equal(again.used, found.used[list(order)])
    np.testing.assert_allclose(again.covariance, found.covariance, rtol=1e-3, atol=1e-9)


def moved(rig: Rig, T_new_old: np.ndarray, scale: float = 1.0) -> Rig:
    """The same rig in a world whose points are x_new = scale * (T_new_old x_old)."""
    cameras = []
    for camera in rig:
        pose = camera.T_cam_world @ np.linalg.inv(T_new_old)
        pose[:3, 3] *= scale
        cameras.append(Camera(camera.name, camera.intrinsics, pose))
    return Rig(tuple(cameras))


@both
@settings(max_examples=20)
@given(
    st.tuples(*[st.floats(-3, 3)] * 3),
    st.tuples(*[st.floats(-20, 20)] * 3),
    st.sampled_from([1.0, 0.5, 3.0]),
)
def test_moving_and_scaling_the_world_moves_the_result(triangulate, rotvec, shift, scale):
    rng = np.random.default_rng(7)
    rig = ring_rig(4, mixed_lenses=True)
    pixels = project_rig(np.array([0.3, -0.2, 1.1]), rig) + rng.normal(0, 1.0, (4, 2))
    (found,) = triangulate([views_of(rig, pixels)], SETTINGS)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = matrix_from_rotvec(np.array(rotvec)), shift
    (again,) = triangulate([views_of(moved(rig, T, scale), pixels)], SETTINGS)
    expected = scale * (T[:3, :3] @ found.point + T[:3, 3])
    np.testing.assert_allclose(again.point, expected, atol=3e-5)
    turned = scale**2 * T[:3, :3] @ found.covariance @ T[:3, :3].T
    np.testing.assert_allclose(again.covariance, turned, atol=1e-3 * np.abs(turned).max())
    np.testing.assert_allclose(again.redundancy, found.redundancy, atol=1e-3)


@both
@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(0, 4))
def test_a_missing_view_equals_a_removed_view(triangulate, seed, lost):
    rng = np.random.default_rng(seed)
    rig = ring_rig(5, mixed_lenses=True)
    pixels = project_rig(rng.uniform((-1, -1, 0), (1, 1, 2)), rig) + rng.normal(0, 1.0, (5, 2))
    kept = [c for c in range(5) if c != lost]
    smaller = Rig(tuple(rig.cameras[c] for c in kept))
    (expected,) = triangulate([views_of(smaller, pixels[kept])], SETTINGS)
    confidence = np.ones(5)
    for change in ("pixels", "confidence"):
        gone = pixels.copy()
        if change == "pixels":
            gone[lost], trust = np.nan, np.where(np.arange(5) == lost, 0.0, 1.0)
        else:
            trust = np.where(np.arange(5) == lost, 0.29, confidence)
        (found,) = triangulate([views_of(rig, gone, trust)], SETTINGS)
        np.testing.assert_array_equal(found.point, expected.point)
        np.testing.assert_array_equal(found.covariance, expected.covariance)
        np.testing.assert_array_equal(found.used[kept], expected.used)
        assert not found.used[lost]
        assert np.isnan(found.residual_px[lost])
        assert found.redundancy[lost] == 0


@both
@pytest.mark.parametrize(("cameras", "wrong"), [(4, 1), (5, 2)])
def test_views_wrong_by_200_px_are_left_out(triangulate, cameras, wrong):
    rng = np.random.default_rng(8)
    rig = ring_rig(cameras)
    trials, exact = 100, 0
    for _ in range(trials):
        truth = rng.uniform((-1, -1, 0.1), (1, 1, 2))
        pixels = project_rig(truth, rig) + rng.normal(0, 1.0, (cameras, 2))
        bad = rng.choice(cameras, wrong, replace=False)
        angle = rng.uniform(0, 2 * np.pi, wrong)
        pixels[bad] += 200 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        (found,) = triangulate([views_of(rig, pixels)], SETTINGS)
        assert not found.used[bad].any()
        assert (found.residual_px[bad] > 100).all()
        # 1 px at 4 m and 900 px focal length is 4.4 mm; three views of 1 px, at 4 sigma.
        assert np.linalg.norm(found.point - truth) < 0.035
        exact += int(found.used.sum() == cameras - wrong)
    # All good views are kept, but for one in a hundred whose own noise is beyond the gate.
    assert exact >= 0.98 * trials


@both
def test_wrong_views_are_kept_when_the_gate_is_wide(triangulate):
    """The test above can fail: rejection comes from the gate."""
    rig = ring_rig(4)
    pixels = project_rig(np.array([0.0, 0.0, 1.0]), rig)
    pixels[2, 0] += 200
    wide = replace(SETTINGS, gate_sigmas=1000.0)
    assert triangulate([views_of(rig, pixels)], wide)[0].used.all()


def assert_nothing(found: RobustPoint) -> None:
    assert np.isnan(found.point).all()
    assert np.isnan(found.covariance).all()
    assert np.isnan(found.reprojection_px)
    assert not found.used.any()
    assert not found.redundancy.any()


@both
@pytest.mark.parametrize("seen", [0, 1])
def test_fewer_than_two_views_give_nothing(triangulate, seen):
    rig = ring_rig(4)
    pixels = project_rig(np.array([0.0, 0.0, 1.0]), rig)
    pixels[seen:] = np.nan
    assert_nothing(triangulate([views_of(rig, pixels, np.isfinite(pixels[:, 0]))], SETTINGS)[0])


@both
def test_parallel_rays_give_nothing(triangulate):
    """Cameras side by side which look at a point 3 km away; the same with a nearer one works."""
    rig = Rig(tuple(make_camera(f"c{i}", (0.4 * i, 0, 1), (0.4 * i, 5, 1)) for i in range(3)))
    far = project_rig(np.array([100.0, 3000.0, 1.0]), rig)
    assert_nothing(triangulate([views_of(rig, far)], SETTINGS)[0])
    same = np.stack([camera.intrinsics.matrix[:2, 2] for camera in rig])  # exactly parallel
    assert_nothing(triangulate([views_of(rig, same)], SETTINGS)[0])
    near = np.array([0.4, 5.0, 1.2])
    found = triangulate([views_of(rig, project_rig(near, rig))], SETTINGS)[0]
    np.testing.assert_allclose(found.point, near, atol=1e-6)


@both
def test_two_views_which_contradict_each_other_give_nothing(triangulate):
    rig = ring_rig(2, start_rad=0.0)
    pixels = project_rig(np.array([0.2, 0.5, 1.0]), rig)
    pixels[0, 1] += 300
    found = triangulate([views_of(rig, pixels)], SETTINGS)[0]
    assert_nothing(found)


@both
def test_points_behind_a_camera_are_not_taken(triangulate):
    """The rays' lines meet behind both cameras; no camera sees what is behind it."""
    rig = Rig(
        (make_camera("a", (0.5, 0, 1), (1.5, 4, 1)), make_camera("b", (-0.5, 0, 1), (-1.5, 4, 1)))
    )
    pixels = np.stack([camera.intrinsics.matrix[:2, 2] for camera in rig])
    assert_nothing(triangulate([views_of(rig, pixels)], SETTINGS)[0])


@both
def test_an_expectation_decides_between_contradicting_pairs_but_moves_nothing(triangulate):
    """Four views, two of which show another point: without more knowledge it is a draw."""
    rig = ring_rig(4)
    here, there = np.array([0.0, 0.0, 1.0]), np.array([0.4, 0.3, 1.3])
    pixels = project_rig(here, rig)
    pixels[2:] = project_rig(there, rig)[2:]
    for expected, used in ((here, [True, True, False, False]), (there, [False, False, True, True])):
        prior = (expected + 0.02)[None]
        (found,) = triangulate([views_of(rig, pixels)], SETTINGS, prior, np.array([0.05]))
        np.testing.assert_array_equal(found.used, used)
        np.testing.assert_allclose(found.point, expected, atol=1e-6)


@both
def test_weights_follow_confidence_and_noise(triangulate):
    """A view that is stated to be ten times as noisy pulls a hundred times less."""
    rig = ring_rig(3)
    truth = np.array([0.1, 0.2, 1.0])
    pixels = project_rig(truth, rig)
    pixels[0, 0] += 3.0
    loose = replace(SETTINGS, gate_sigmas=50.0, cauchy_sigmas=1e3)
    offset = {}
    for name, confidence, sigma in (
        ("equal", np.ones(3), np.ones(3)),
        ("noisy", np.ones(3), np.array([10.0, 1.0, 1.0])),
        ("unsure", np.array([0.35, 1.0, 1.0]), np.ones(3)),
    ):
        (found,) = triangulate([views_of(rig, pixels, confidence, sigma)], loose)
        offset[name] = np.linalg.norm(found.point - truth)
    assert offset["noisy"] < 0.05 * offset["equal"]
    assert offset["noisy"] < offset["unsure"] < 0.6 * offset["equal"]


def test_max_rounds_0_takes_the_best_hypothesis_as_it_is():
    rng = np.random.default_rng(9)
    rig = ring_rig(2)
    views = views_of(rig, project_rig(np.array([0.3, 0.1, 1.2]), rig) + rng.normal(0, 1, (2, 2)))
    linear = triangulate_dlt(views.rays, views.centers, views.focal_px**2)
    for triangulate in (compiled, plain):
        (found,) = triangulate([views], replace(SETTINGS, max_rounds=0))
        np.testing.assert_allclose(found.point, linear, atol=1e-12)
        (refined,) = triangulate([views], SETTINGS)
        assert np.linalg.norm(refined.point - linear) > 1e-7


def test_dlt_of_parallel_rays_is_nan():
    rays = np.tile([0.0, 1.0, 0.0], (3, 1))
    centers = np.array([[0.0, 0, 0], [1.0, 0, 0], [0, 0, 1.0]])
    assert np.isnan(triangulate_dlt(rays, centers, np.ones(3))).all()
    assert np.isnan(triangulate_dlt(rays, centers, np.zeros(3))).all()


@pytest.mark.parametrize(("cameras", "mixed"), [(2, False), (3, True), (5, True)])
def test_covariance_is_honest(cameras, mixed):
    """The squared Mahalanobis distance of the error has mean 3 and variance 6.

    With the stated noise, without gate and Cauchy weights, and with so much prior weight that
    the scale is the stated one, the mean over n trials has a standard deviation of sqrt(6 / n).
    """
    rng, trials, sigma = np.random.default_rng(10), 1500, 1.7
    rig = ring_rig(cameras, mixed_lenses=mixed)
    truth = np.array([0.3, -0.2, 1.1])
    noise = rng.normal(0, sigma, (trials, cameras, 2))
    limits = RobustSettings(gate_sigmas=100.0, cauchy_sigmas=1e4, prior_dof=1e9)
    clean = project_rig(truth, rig)
    found = compiled([views_of(rig, clean + e, None, sigma) for e in noise], limits)
    error = np.array([f.point - truth for f in found])
    inverse = np.linalg.inv([f.covariance for f in found])
    distance = np.einsum("ni,nij,nj->n", error, inverse, error)
    assert distance.mean() == pytest.approx(3.0, abs=4.5 * np.sqrt(6 / trials))
    # The redundancies of a point add up to the measurements less the unknowns.
    total = np.array([f.redundancy.sum() for f in found])
    np.testing.assert_allclose(total, 2 * cameras - 3, atol=1e-6)


def test_covariance_is_nearly_honest_with_the_usual_settings():
    """Cauchy weights and the learnt scale cost some sharpness: within a third of the truth."""
    rng, trials, sigma, cameras = np.random.default_rng(11), 1000, 2.0, 4
    rig = ring_rig(cameras)
    truth = np.array([0.3, -0.2, 1.1])
    pixels = project_rig(truth, rig) + rng.normal(0, sigma, (trials, cameras, 2))
    found = compiled([views_of(rig, p, None, sigma) for p in pixels], SETTINGS)
    error = np.array([f.point - truth for f in found])
    inverse = np.linalg.inv([f.covariance for f in found])
    distance = np.einsum("ni,nij,nj->n", error, inverse, error)
    assert 2.0 < distance.mean() < 4.0


def test_covariance_grows_when_views_disagree_more_than_stated():
    rng = np.random.default_rng(12)
    rig = ring_rig(5)
    clean = project_rig(np.array([0.3, -0.2, 1.1]), rig)
    traces = []
    for noise in (0.5, 2.5):
        views = [views_of(rig, clean + rng.normal(0, noise, clean.shape)) for _ in range(200)]
        traces.append(np.mean([np.trace(f.covariance) for f in compiled(views, SETTINGS)]))
    assert traces[1] > 2 * traces[0]


def test_consistency_table_against_weighted_gaussian_samples() -> None:
    cauchy, n = 2.0, 6
    rng = np.random.default_rng(3)
    # The residuals of n views of which the fit has taken 3 of 2 n measurements.
    r = rng.normal(0, np.sqrt((2 * n - 3) / (2 * n)), (400_000, 2))
    s = (r**2).sum(axis=1)
    weight = 1 / (1 + s / cauchy**2)
    slope = np.mean(weight * (1 - s * weight / cauchy**2))
    share = np.mean(weight * s) / np.mean(s)
    factor = np.mean(weight**2 * s) / np.mean(s) / slope**2 * np.mean(weight)
    np.testing.assert_allclose(consistency_table(cauchy, n)[n], (share, factor), rtol=0.01)


def test_consistency_of_least_squares_is_one() -> None:
    np.testing.assert_allclose(consistency_table(1e6, 8), 1.0, atol=1e-9)
