"""The calibration of one lens as a whole: truth, choice of the form, weak footage, errors."""

import numpy as np
import pytest
from board_views import BARREL, BOARD, DECENTRED, FISHEYE, PLAIN, film, lens, sightings

from calibration.intrinsics import calibrate_lens
from calibration.lens.form import lens_vector
from calibration.lens.words import candidate_table
from mocap.errors import CalibrationError
from mocap.model import Intrinsics

CENTRED = lens(900.0, distortions=(-0.12,))
MOUSTACHE = lens(640.0, (650.0, 340.0), (0.19, -0.28, 0.0, 0.0, 0.15))


@pytest.mark.parametrize(
    ("truth", "terms"),
    [
        (PLAIN, ()),
        (CENTRED, ("k1",)),
        (BARREL, ("k1", "k2")),
        (MOUSTACHE, ("k1", "k2", "k3")),
        (DECENTRED, ("k1", "k2", "p1", "p2", "k3")),
        (FISHEYE, ("k1", "k2", "k3", "k4")),
    ],
    ids=["plain", "centred", "barrel", "moustache", "decentred", "fisheye"],
)
def test_truth_is_found_and_the_right_form_chosen(truth, terms):
    found = calibrate_lens(film(truth, 21, views=30).sightings, BOARD)
    assert found.intrinsics.lens == truth.lens
    assert found.form.terms == terms, found.reason
    assert found.form.square_pixels
    known = dict(zip(found.parameters, lens_vector(truth), strict=True))
    for name, sigma in found.sigma.items():
        assert abs(found.values[name] - known[name]) < 3.3 * sigma, name
    assert found.rmse_px == pytest.approx(0.3 * np.sqrt(2), rel=0.12)
    assert found.left_out_px > found.rmse_px
    assert found.sigma_px == pytest.approx(0.3, rel=0.12)
    table = candidate_table(found.candidates)
    assert table[0]["form"] == found.form.name and table[0]["evidence"] == 0.0
    assert len(table) > 6
    assert found.form.name in found.reason


def test_pixels_that_are_not_square_are_found():
    truth = lens(900.0, (645.0, 350.0), fy=915.0)
    found = calibrate_lens(film(truth, 22, views=30).sightings, BOARD)
    assert not found.form.square_pixels and found.form.terms == ()
    assert found.values["fy"] / found.values["fx"] == pytest.approx(915 / 900, abs=0.002)


def test_a_centre_in_the_middle_may_be_chosen_but_its_doubt_remains():
    found = calibrate_lens(film(CENTRED, 23, views=40).sightings, BOARD)
    assert not found.form.free_center
    assert (found.values["cx"], found.values["cy"]) == (639.5, 359.5)
    assert 0.2 < found.sigma["cx"] < 5
    assert "cx" in found.prior.free


@pytest.mark.slow
@pytest.mark.parametrize(("truth", "terms"), [(PLAIN, ()), (BARREL, ("k1", "k2"))])
def test_intervals_hold_and_the_choice_is_right_over_seeds(truth, terms):
    known = lens_vector(truth)
    held, right = [], 0
    choices = ["pinhole", "pinhole k1", "pinhole k1 k2", "pinhole k1 k2 k3", "pinhole k1 k2 p1 p2"]
    for seed in range(20):
        seen = film(truth, 1000 + seed, views=10).sightings
        found = calibrate_lens(seen, BOARD, models=choices)
        right += found.form.terms == terms
        for name in ("fx", "cx", "cy", *found.form.terms):
            low, high = found.interval(name)
            held.append(low <= known[found.parameters.index(name)] <= high)
    assert right >= 18
    assert 0.80 <= np.mean(held) <= 0.97


def test_weak_footage_gives_a_sane_lens_and_says_how_weak():
    weak = film(BARREL, 24, views=10, spread=0.15, tilt=0.1)
    found = calibrate_lens(weak.sightings, BOARD)
    assert 500 < found.values["fx"] < 1800
    assert abs(found.values["fx"] - 900) < 3 * found.sigma["fx"]
    assert found.focal_sigma_px > 9
    text = " ".join(found.notes)
    assert "% of the image was covered" in text
    assert "focal length is known to +-" in text
    assert "hardly tilted" in text and "corners" in text


def test_a_board_held_flat_leaves_the_focal_length_to_what_is_plausible():
    found = calibrate_lens(film(PLAIN, 25, views=6, spread=0.1, tilt=0.001).sightings, BOARD)
    assert 350 < found.values["fx"] < 2500
    assert found.focal_sigma_px > 0.05 * found.values["fx"]


def test_the_same_footage_gives_the_same_lens():
    footage = film(BARREL, 26, views=12)
    one, two = (calibrate_lens(footage.sightings, BOARD) for _ in range(2))
    assert one.intrinsics == two.intrinsics
    np.testing.assert_array_equal(one.covariance, two.covariance)


def test_the_unit_of_the_board_does_not_matter():
    from dataclasses import replace

    footage = film(BARREL, 27, views=12)
    one = calibrate_lens(footage.sightings, BOARD, models=["pinhole k1 k2"])
    large = replace(BOARD, square_m=0.6)
    two = calibrate_lens(footage.sightings, large, models=["pinhole k1 k2"])
    np.testing.assert_allclose(one.intrinsics.matrix, two.intrinsics.matrix, rtol=1e-5)
    np.testing.assert_allclose(
        10 * one.T_cam_target[:, :3, 3], two.T_cam_target[:, :3, 3], rtol=1e-4, atol=1e-4
    )


def test_a_mirrored_board_calibrates_as_well():
    footage = film(BARREL, 28, views=16)
    pixels = np.array(footage.sightings.pixels)
    rows = np.arange(24).reshape(4, 6)[:, ::-1].ravel()  # as seen through from its back
    found = calibrate_lens(sightings(pixels[:, rows]), BOARD, models=["pinhole k1 k2"])
    assert found.rmse_px < 0.6
    center = found.T_cam_target[:, :3, :3] @ BOARD.points_m.mean(axis=0)
    sight = center + found.T_cam_target[:, :3, 3]
    # The board's z points out of its back: here to the camera.
    assert np.all(np.sum(found.T_cam_target[:, :3, 2] * sight, axis=-1) < 0)
    assert found.values["fx"] == pytest.approx(900, abs=4 * found.sigma["fx"])


def test_too_few_views_are_refused_with_the_remedy():
    with pytest.raises(CalibrationError, match=r"camera 'cam': 2 usable views .*show the board"):
        calibrate_lens(film(PLAIN, views=2).sightings, BOARD)
    none = film(PLAIN, views=3).sightings.chosen(np.zeros(3, bool))
    with pytest.raises(CalibrationError, match="0 usable views"):
        calibrate_lens(none, BOARD)
    with pytest.raises(CalibrationError, match="no usable view"):
        calibrate_lens(none, BOARD, given=PLAIN)


def test_a_given_lens_of_another_size_is_refused():
    other = Intrinsics((1920, 1080), PLAIN.matrix, PLAIN.distortions)
    with pytest.raises(CalibrationError, match="1920x1080 pixels, the footage has 1280x720"):
        calibrate_lens(film(PLAIN, views=3).sightings, BOARD, given=other)


def test_an_unknown_model_is_refused():
    with pytest.raises(CalibrationError, match="unknown word 'k7'"):
        calibrate_lens(film(PLAIN, views=3).sightings, BOARD, models=["pinhole k7"])
