"""Noise of each camera, learnt from residuals."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_scene import project_rig, ring_rig, standing_person

from mocap.model import skeleton_by_name
from mocap.model.config import TriangulationConfig
from mocap.reconstruction.camera_noise import MIN_VIEWS, ROBUST_SIGMAS2, CameraNoise
from mocap.reconstruction.person import ViewedPerson, keypoint_sigma_px, triangulate_person
from mocap.reconstruction.report_kernels import learn_noise

HALPE = skeleton_by_name("halpe26")
BODY = np.array(HALPE.indices("body", "feet"))
CONFIG = TriangulationConfig()
RIG = ring_rig(5)
CENTER = np.array([0.0, 0.0, 1.0])
STATED = keypoint_sigma_px(CENTER, RIG.arrays, HALPE, CONFIG)


def learnt(
    frames: int,
    bias_px: np.ndarray,
    *,
    noise: float = 1.0,
    start: CameraNoise | None = None,
    cameras: int = 5,
    wild: int = 0,
) -> CameraNoise:
    """After some frames with the stated noise times `noise` and a shift of each camera."""
    rng = np.random.default_rng(1)
    state = start or CameraNoise.for_cameras(5)
    for i in range(frames):
        truth = standing_person(HALPE, rng.uniform(-0.5, 0.5, 2), rng.uniform(0, 6))
        pixels = project_rig(truth, RIG) + rng.normal(0, 1, (5, 26, 2)) * STATED[..., None] * noise
        pixels += bias_px[:, None]
        if wild:
            pixels[2, rng.choice(BODY, wild, replace=False)] += 400
        confidence = np.ones((5, 26))
        pixels[cameras:], confidence[cameras:] = np.nan, 0.0
        person = ViewedPerson.from_keypoints(pixels, confidence, RIG.arrays)
        found = triangulate_person(person, RIG.arrays, HALPE, CONFIG, None, state.scale)
        sums = np.zeros((2, 5))
        learn_noise(
            *(found.view_state, found.residual_px, found.redundancy, found.n_views, STATED),
            *(state.scale, confidence, BODY, MIN_VIEWS, ROBUST_SIGMAS2, sums),
        )
        state = state.added(sums[0], sums[1], 0.04 if i else 0.0)
    return state


def test_nothing_learnt_yet_is_one():
    np.testing.assert_array_equal(CameraNoise.for_cameras(3).scale, 1.0)


def test_noise_as_stated_stays_at_one():
    assert (learnt(40, np.zeros((5, 2))).scale < 1.15).all()


@pytest.mark.parametrize("camera", range(5))
def test_a_camera_that_is_off_by_20_px_gets_the_largest_scale(camera):
    bias = np.zeros((5, 2))
    bias[camera] = (16.0, -12.0)
    scale = learnt(40, bias).scale
    assert scale.argmax() == camera
    assert scale[camera] > 2
    assert scale[camera] > 1.5 * np.delete(scale, camera).max()


def test_scales_stay_within_their_limits():
    assert (learnt(10, np.zeros((5, 2)), noise=0.01).scale == 1.0).all()
    wild = CameraNoise(np.full(5, 1e9), np.full(5, 10.0))
    np.testing.assert_array_equal(wild.scale, 4.0)


def test_two_views_teach_nothing():
    """They cannot tell who is wrong."""
    bias = np.zeros((5, 2))
    bias[1] = 20.0
    state = learnt(5, bias, cameras=2)
    np.testing.assert_array_equal(state.squares, 0)
    np.testing.assert_array_equal(state.redundancy, 0)


def test_single_wild_keypoints_are_not_the_cameras_fault():
    assert (learnt(40, np.zeros((5, 2)), wild=2).scale < 1.25).all()


def test_what_was_learnt_is_forgotten():
    bias = np.zeros((5, 2))
    bias[3] = 20.0
    bad, nothing = learnt(40, bias), np.zeros(5)
    nobody = bad.added(nothing, nothing, 10.0)  # one time constant without anybody
    np.testing.assert_allclose(nobody.squares, bad.squares / np.e)
    np.testing.assert_allclose(nobody.redundancy, bad.redundancy / np.e)
    assert nobody.scale[3] < bad.scale[3]
    later = bad.added(nothing, nothing, 100.0)
    np.testing.assert_allclose(later.scale, 1.0, atol=0.01)
    back_in_time = bad.added(nothing, nothing, -5.0)
    np.testing.assert_array_equal(back_in_time.squares, bad.squares)
