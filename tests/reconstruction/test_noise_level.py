"""Noise of all views as the residuals show it, and whether the covariance that is told holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2
from synthetic_scene import detections, project_rig, ring_rig, standing_person

from mocap.geometry.triangulation import gaussian_slope
from mocap.model import FrameSet, Observation, skeleton_by_name
from mocap.model.config import ReconstructionConfig, TriangulationConfig
from mocap.pipeline.reconstructor import Reconstructor
from mocap.reconstruction.camera_noise import NoiseLevel
from mocap.reconstruction.noise_kernels import CLASSES
from mocap.reconstruction.person import keypoint_sigma_px

HALPE = skeleton_by_name("halpe26")
RIG = ring_rig(4)
RATE = 30.0
SLOPE = gaussian_slope(TriangulationConfig().cauchy_sigmas)


def regions(
    scale: float, lasting: float, *, confidence: float = 1.0, frames: int = 75
) -> tuple[float, float]:
    """Shares of errors in the 50 % and the 90 % regions, of somebody who walks in a circle.

    Args:
        scale: standard deviation of the 2D noise by the stated one.
        lasting: share of its variance that keeps for half a second.
        confidence: of all keypoints.
        frames: the first third is not counted.
    """
    rng = np.random.default_rng(4)
    reconstructor = Reconstructor(RIG, HALPE, ReconstructionConfig())
    kept = np.exp(-2 / RATE)
    slow = rng.normal(size=(4, len(HALPE), 2))
    squared: list[np.ndarray] = []
    for n in range(frames):
        t = n / RATE
        place = (0.6 * np.cos(0.7 * t), 0.6 * np.sin(0.7 * t))
        truth = standing_person(HALPE, place, 0.7 * t)
        sigma = keypoint_sigma_px(truth.mean(axis=0), RIG.arrays, HALPE, TriangulationConfig())
        slow = kept * slow + np.sqrt(1 - kept**2) * rng.normal(size=slow.shape)
        noise = np.sqrt(lasting) * slow + np.sqrt(1 - lasting) * rng.normal(size=slow.shape)
        pixels = project_rig(truth, RIG) + scale * sigma[..., None] * noise
        seen = {}
        for c, name in enumerate(RIG.names):
            people = detections(pixels[c][None])
            trust = np.full_like(people.confidence, confidence)
            seen[name] = Observation(name, n, round(t * 1e9), replace(people, confidence=trust))
        (person,) = reconstructor.process(FrameSet(n, round(t * 1e9), seen))
        error = person.keypoints.points_m - truth
        if n >= frames // 3:
            squared.append(
                np.einsum(
                    "ki,kij,kj->k", error, np.linalg.inv(person.keypoints.covariance_m2), error
                )
            )
    values = np.concatenate(squared)
    return float(np.mean(values < chi2.ppf(0.5, 3))), float(np.mean(values < chi2.ppf(0.9, 3)))


@pytest.mark.parametrize("lasting", [0.0, 0.5])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.6])
def test_regions_hold_what_they_promise(scale: float, lasting: float):
    half, most = regions(scale, lasting)
    assert 0.43 < half < 0.63
    assert 0.84 < most < 0.96


def test_regions_hold_when_confidence_is_low_for_no_reason():
    half, most = regions(1.0, 0.0, confidence=0.5)
    assert 0.43 < half < 0.66
    assert 0.84 < most < 0.97


def test_nothing_learnt_yet_is_as_stated_and_half_of_it_lasts():
    level = NoiseLevel.of_classes(CLASSES, SLOPE)
    np.testing.assert_allclose(level.variance, 1.0)
    assert level.lasting == 0.5


def sums(ratio: np.ndarray, count: float, slope: float = SLOPE) -> np.ndarray:
    ones = np.ones(CLASSES)
    return count * np.array([ratio, ones, ones, slope * ones])


def test_each_class_is_learnt_and_one_that_was_never_seen_is_like_the_others():
    level = NoiseLevel.of_classes(CLASSES, SLOPE)
    ratio = np.array([0.0, 0.3, 0.5, 1.0, 2.0])
    seen = sums(ratio, 1e6)
    seen[:, 0] = 0.0
    variance = level.added(seen, np.array([2e5, 1e6]), 0.03).variance
    np.testing.assert_allclose(variance[1:], ratio[1:], rtol=0.01)
    assert variance[0] == pytest.approx(ratio[1:].mean(), rel=0.01)


def test_the_share_that_lasts_is_that_of_repeated_residuals():
    level = NoiseLevel.of_classes(CLASSES, SLOPE)
    none = np.zeros((4, CLASSES))
    assert level.added(none, np.array([2e5, 1e6]), 0.0).lasting == pytest.approx(0.2, abs=0.01)
    assert level.added(none, np.array([-1e6, 1e6]), 0.0).lasting == 0.0


def test_views_whose_pull_no_longer_grows_hold_less():
    level = NoiseLevel.of_classes(CLASSES, SLOPE)
    ones = np.ones(CLASSES)
    wild = level.added(sums(ones, 1e6, 0.5 * SLOPE), np.zeros(2), 0.0)
    np.testing.assert_allclose(wild.variance, 4.0, rtol=0.01)


def test_old_residuals_are_forgotten_and_the_level_is_limited():
    level = NoiseLevel.of_classes(CLASSES, SLOPE).added(
        sums(100 * np.ones(CLASSES), 1e6), np.array([1e6, 1e6]), 0.0
    )
    assert (level.variance == 10.0).all()
    later = level.added(np.zeros((4, CLASSES)), np.zeros(2), 300.0)
    np.testing.assert_allclose(later.variance, 1.0, rtol=0.01)
    assert later.lasting == pytest.approx(0.5, abs=0.01)
