"""Rays of 2D keypoints: against NumPy's linear algebra, finite differences and the plain forms."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_scene import project_rig, ring_rig, standing_person

from mocap.association.rays import ray_to_ray
from mocap.geometry.kernels import world_rays
from mocap.geometry.ray_space import (
    NEAREST_M,
    add_ray,
    add_view,
    invert_packed,
    miss,
    pack,
    ray_frames,
    ray_gap,
    solve_packed,
)
from mocap.geometry.triangulation import triangulate_dlt
from mocap.model.skeletons import HALPE_26
from mocap.reconstruction.person import camera_centers

RIG = ring_rig(4, mixed_lenses=True)
ARRAYS = RIG.arrays
CENTERS = camera_centers(ARRAYS)
POINTS = standing_person(HALPE_26, (0.2, 0.1), 0.4)
PIXELS = project_rig(POINTS, RIG)


def frames_of(pixels: np.ndarray, confidence: np.ndarray | None = None) -> np.ndarray:
    trust = np.ones(pixels.shape[:2]) if confidence is None else confidence
    return ray_frames(
        pixels,
        trust,
        np.arange(len(pixels)),
        ARRAYS.matrix,
        ARRAYS.distortions,
        ARRAYS.fisheye,
        ARRAYS.T_cam_world,
    )


def test_ray_frames_are_orthonormal_and_begin_with_the_ray():
    frames = frames_of(PIXELS)
    assert np.einsum("ckri,cksi->ckrs", frames, frames) == pytest.approx(
        np.broadcast_to(np.eye(3), frames.shape), abs=1e-12
    )
    rays = world_rays(PIXELS, ARRAYS.matrix, ARRAYS.distortions, ARRAYS.fisheye, ARRAYS.T_cam_world)
    np.testing.assert_array_equal(frames[:, :, 0], rays)


def test_a_missing_keypoint_has_no_frame_and_no_confidence():
    pixels, confidence = PIXELS.copy(), np.ones(PIXELS.shape[:2])
    pixels[1, 3] = np.nan
    confidence[2, 5] = 0.0
    frames = frames_of(pixels, confidence)
    assert confidence[1, 3] == 0.0
    assert not frames[1, 3].any()
    assert not frames[2, 5].any()


def test_the_true_point_misses_nothing_and_a_point_behind_is_out():
    frames = frames_of(PIXELS)
    for c in range(4):
        r1, r2, depth = miss(frames, c, 0, CENTERS, c, *POINTS[0])
        assert (r1, r2) == pytest.approx((0, 0), abs=1e-9)
        assert depth == pytest.approx(np.linalg.norm(POINTS[0] - CENTERS[c]))
        behind = CENTERS[c] - frames[c, 0, 0]
        assert miss(frames, c, 0, CENTERS, c, *behind) == (1e6, 1e6, NEAREST_M)


def test_normal_equations_of_a_view_are_those_of_finite_differences():
    frames, at = frames_of(PIXELS), POINTS[4] + (0.05, -0.1, 0.08)
    for c in range(4):

        def residual(x: np.ndarray, c: int = c) -> np.ndarray:
            return np.array(miss(frames, c, 4, CENTERS, c, *x)[:2])

        step = 1e-6
        jacobian = np.stack(
            [(residual(at + step * e) - residual(at - step * e)) / (2 * step) for e in np.eye(3)], 1
        )
        h, g, packed = np.zeros(6), np.zeros(3), np.zeros(6)
        r1, r2, depth = miss(frames, c, 4, CENTERS, c, *at)
        add_view(frames, c, 4, r1, r2, depth, 7.0, h, g)
        pack(7.0 * jacobian.T @ jacobian, packed)
        assert h == pytest.approx(packed, rel=1e-6, abs=1e-9)
        assert g == pytest.approx(7.0 * jacobian.T @ residual(at), rel=1e-6, abs=1e-9)


def test_packed_matrices_are_solved_and_inverted():
    rng = np.random.default_rng(3)
    a = rng.normal(size=(3, 3))
    a = a @ a.T + 0.1 * np.eye(3)
    b = rng.normal(size=3)
    h, s, inverse = np.zeros(6), np.zeros(3), np.zeros((3, 3))
    pack(a, h)
    assert solve_packed(h, b, s) == pytest.approx(np.linalg.det(a) / (np.trace(a) / 3) ** 3)
    assert s == pytest.approx(np.linalg.solve(a, b))
    invert_packed(h, inverse)
    assert inverse == pytest.approx(np.linalg.inv(a))
    untouched = np.full(3, 5.0)
    assert solve_packed(np.array([1.0, 0, 0, 1.0, 0, 0.0]), b, untouched) == 0.0
    assert (untouched == 5.0).all()


def test_rays_add_up_to_the_linear_triangulation():
    frames = frames_of(PIXELS + np.random.default_rng(1).normal(0, 4.0, PIXELS.shape))
    weights = np.array([1.0, 2.0, 0.5, 1.5])
    h, g, s = np.zeros(6), np.zeros(3), np.zeros(3)
    for c in range(4):
        add_ray(frames[c, 7, 0], CENTERS[c], weights[c], h, g)
    solve_packed(h, g, s)
    assert s == pytest.approx(triangulate_dlt(frames[:, 7, 0], CENTERS, weights))


def test_gaps_between_rays_are_those_of_the_plain_form():
    rng = np.random.default_rng(2)
    rays = rng.normal(size=(2, 200, 3))
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    a, b = np.array([0.0, 0, 0]), np.array([1.0, 0.5, 0.2])
    plain = ray_to_ray(rays[0], a, rays[1], b)
    fast = np.array([ray_gap(p, a, q, b) for p, q in zip(*rays, strict=True)])
    assert np.isinf(plain).any()
    assert fast == pytest.approx(plain)
    assert ray_gap(rays[0, 0], a, rays[0, 0], b) == np.inf
