"""The fit of a corner's picture against truth, finite differences and an independent solver."""

from __future__ import annotations

import numpy as np
import pytest
from board_pictures import CHARUCO, GRID, picture, points_under, seen_from
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import least_squares
from scipy.special import erf

from calibration.board_layout import corner_windows, inward_axes, light_ahead, places_in_squares
from calibration.board_points import local_axes
from calibration.corner_fit import CornerWindow, fit_corners
from calibration.corner_kernel import PARAMETERS, corner_model

VIEW = {"turn_rad": 0.4, "tilt": (0.03, -0.02), "center": (7.3, -4.6)}


def brightness(x, y, q, side, saddle):
    """The model in its plain form."""
    dx, dy = x - q[0], y - q[1]
    n1 = side * (np.cos(q[2]) * dy - np.sin(q[2]) * dx)
    n2 = side * (np.sin(q[3]) * dx - np.cos(q[3]) * dy)

    def step(n, log_blur):
        return 0.5 * (1 + erf((n - q[10]) * np.exp(-log_blur)))

    both = step(n1, q[4]) * step(n2, q[5]) + saddle * step(-n1, q[4]) * step(-n2, q[5])
    return q[6] + q[7] * both + q[8] * dx + q[9] * dy


@given(
    st.floats(-6, 6),
    st.floats(-6, 6),
    st.floats(-3, 3),
    st.floats(0.5, 2.5),
    st.sampled_from([-1.0, 1.0]),
    st.sampled_from([0.0, 1.0]),
)
def test_slopes_of_the_model_are_those_of_finite_differences(x, y, angle, between, side, saddle):
    q = np.array([0.3, -0.2, angle, angle + between, 0.2, -0.1, 90, 70, 0.4, -0.3, 0.25])
    slopes, unused = np.empty(PARAMETERS), np.empty(PARAMETERS)
    value = corner_model(x, y, q, side, saddle, slopes)
    # Beyond three blurs the kernel takes a step as done.
    assert value == pytest.approx(brightness(x, y, q, side, saddle), abs=0.01)
    for k in range(PARAMETERS):
        h = np.zeros(PARAMETERS)
        h[k] = 1e-6
        ahead = corner_model(x, y, q + h, side, saddle, unused)
        behind = corner_model(x, y, q - h, side, saddle, unused)
        # Where the step is cut off, the difference may straddle the cut.
        assert slopes[k] == pytest.approx((ahead - behind) / 2e-6, abs=0.05 * (1 + abs(slopes[k])))


def fitted(target, image, H, away):
    truth = points_under(target, H)
    axes = inward_axes(target, local_axes(places_in_squares(target), truth))
    return truth, fit_corners(image, truth + away, axes, corner_windows(target))


@pytest.mark.parametrize("target", [CHARUCO, GRID], ids=["saddles", "marker corners"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_corners_come_back_from_a_pixel_away(target, mirrored):
    H = seen_from(target, mirrored=mirrored, **VIEW)
    away = np.random.default_rng(1).uniform(-0.8, 0.8, (len(target.points_m), 2))
    truth, fit = fitted(target, picture(target, H), H, away)
    assert fit.ok.all()
    error = np.linalg.norm(fit.pixels - truth, axis=1)
    assert np.sqrt(np.mean(error**2)) < 0.03
    assert np.all(np.sign(fit.contrast) == light_ahead(target))
    assert 0.7 < np.median(fit.blur_px) / (np.sqrt(2) * 0.75) < 1.3


def test_an_independent_solver_finds_the_same_corner():
    H = seen_from(CHARUCO, **VIEW)
    image = picture(CHARUCO, H, noise=0.5)
    truth, fit = fitted(CHARUCO, image, H, 0.3)
    number = 5
    place = truth[number]
    y, x = np.mgrid[-5:6, -5:6] + np.rint(place)[::-1, None, None]
    shown = image[y.astype(int), x.astype(int)].astype(float)
    axes = local_axes(places_in_squares(CHARUCO), truth)[number]
    start = np.array([*place, *np.arctan2(axes[:, 1], axes[:, 0]), 0, 0, 30, 190, 0, 0, 0.0])
    if fit.contrast[number] < 0:
        start[6:8] = 225, -190
    found = least_squares(lambda q: (brightness(x, y, q, 1.0, 1.0) - shown).ravel(), start)
    np.testing.assert_allclose(found.x[:2], fit.pixels[number], atol=0.02)


def test_predicted_standard_deviation_is_that_of_the_errors():
    H = seen_from(CHARUCO, **VIEW)
    clean, rng, scaled = picture(CHARUCO, H, noise=0.0), np.random.default_rng(0), []
    for _ in range(12):
        noisy = clean + 12.0 * rng.standard_normal(clean.shape)
        image = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        truth, fit = fitted(CHARUCO, image, H, 0.3)
        scaled.append((fit.pixels - truth)[fit.ok] / fit.sigma_px[fit.ok, None])
    assert np.std(np.concatenate(scaled)) == pytest.approx(1.0, abs=0.3)


def test_motion_blur_and_growing_light_do_not_move_corners():
    import cv2

    H = seen_from(CHARUCO, square_px=70, **{**VIEW, "tilt": (0, 0)})
    image = picture(CHARUCO, H, noise=0.0)
    smeared = cv2.filter2D(image, -1, np.full((1, 7), 1 / 7))
    bloomed = cv2.GaussianBlur(cv2.dilate(image, np.ones((3, 3))), (0, 0), 0.7)
    for shown, blurred in ((smeared, True), (bloomed, False)):
        truth, fit = fitted(CHARUCO, shown, H, 0.0)
        assert fit.ok.all()
        assert np.abs(fit.pixels - truth).max() < 0.06
        assert (np.median(fit.blur_px) > 2) == blurred


def test_what_is_no_corner_is_refused():
    H = seen_from(CHARUCO)
    image = picture(CHARUCO, H)
    truth = points_under(CHARUCO, H)
    x, y = np.rint(truth[0]).astype(int)
    image[y - 30 : y + 30, x - 30 : x + 30] = 120
    x, y = np.rint(truth[1]).astype(int)
    image[y - 12 : y + 3, x - 12 : x + 12] = 240
    _, fit = fitted(CHARUCO, image, H, 0.0)
    assert not fit.ok[0]
    assert not fit.ok[1] or fit.sigma_px[1] > 2 * np.median(fit.sigma_px)
    assert fit.ok[2:].all()
    assert np.isnan(fit.pixels[0]).all()
    assert np.isnan(fit.sigma_px[0])


def test_points_that_are_missing_or_outside_stay_missing():
    image = np.full((60, 60), 128, np.uint8)
    window = CornerWindow(0.4, 0.4, 1.0, saddle=True)
    axes = np.tile(np.array([[20.0, 0], [0, 20]]), (3, 1, 1))
    pixels = np.array([[np.nan, np.nan], [-200.0, -200.0], [30.0, 30.0]])
    fit = fit_corners(image, pixels, axes, window)
    assert not fit.ok.any()
    assert np.isnan(fit.pixels).all()
