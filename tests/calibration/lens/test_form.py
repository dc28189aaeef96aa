"""Forms of lens: which parameters are free, how they are written, and their priors."""

import numpy as np
import pytest

from calibration.lens.fit import conforming
from calibration.lens.form import ALL_FORMS, LensForm, forms_of, lens_vector, parse_form
from calibration.lens.plausible import LensPriors, Plausible
from mocap.errors import CalibrationError
from mocap.model import Intrinsics

SIZE = (1280, 720)


@pytest.mark.parametrize("form", ALL_FORMS, ids=lambda f: f.name)
def test_a_form_is_read_as_it_is_written(form):
    assert parse_form(form.name) == form


def test_the_basis_moves_what_is_free_and_nothing_else():
    form = LensForm(False, ("k1", "p2"), square_pixels=True, free_center=False)
    moved = form.basis @ np.array([3.0, 0.1, 0.2])
    expected = dict.fromkeys(form.parameters, 0.0) | {"fx": 3.0, "fy": 3.0, "k1": 0.1, "p2": 0.2}
    assert dict(zip(form.parameters, moved, strict=True)) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [("pinhole", 0), ("pinhole k1", 4), ("pinhole k1 k2 k3", 5), ("fisheye k1", 4),
     ("pinhole k1 k2 p1 p2 k3 k4 k5 k6", 8)],
)  # fmt: skip
def test_intrinsics_hold_as_many_coefficients_as_needed(text, count):
    form = parse_form(text)
    values = np.zeros(len(form.parameters))
    values[:4] = 800, 810, 640, 360
    values[4:] = np.where([n in form.terms for n in form.parameters[4:]], 0.01, 0.0)
    intrinsics = form.intrinsics(SIZE, values)
    assert len(intrinsics.distortions) == count
    np.testing.assert_array_equal(lens_vector(intrinsics), values)


def test_a_lens_made_to_conform():
    form = parse_form("pinhole k1 fixed-centre")
    result = conforming(form, np.array([800.0, 882.0, 1, 2, 0.3, 0.4, 0, 0, 0, 0, 0, 0]), SIZE)
    assert result[0] == result[1] == pytest.approx(840.0)
    assert tuple(result[2:6]) == (639.5, 359.5, 0.3, 0.0)


@pytest.mark.parametrize("text", ["", "telecentric k1", "pinhole k9", "fisheye p1"])
def test_unknown_words_are_named_with_the_choices(text):
    with pytest.raises(CalibrationError, match="lens model") as error:
        parse_form(text)
    assert "pinhole" in str(error.value) or "fx=fy" in str(error.value)


def test_no_model_at_all_is_refused():
    with pytest.raises(CalibrationError, match="no lens model"):
        forms_of([])


@pytest.mark.parametrize("fisheye", [False, True])
def test_derivative_of_the_priors(fisheye):
    form = next(f for f in reversed(ALL_FORMS) if f.fisheye == fisheye)
    priors = LensPriors.of(form, SIZE, 700.0, Plausible())
    values = np.full(len(form.parameters), 0.02)
    values[:4] = 800, 790, 650, 340
    _, slopes = priors.residual(values)
    for place in range(len(values)):
        step = np.zeros(len(values))
        step[place] = 1e-5 * max(1.0, abs(values[place]))
        numeric = (priors.residual(values + step)[0] - priors.residual(values - step)[0]) / (
            2 * step[place]
        )
        np.testing.assert_allclose(slopes[:, place], numeric, rtol=1e-6, atol=1e-7)


def test_focal_lengths_are_those_of_the_fields_of_view():
    short, long = Plausible(view_deg=(53.130102354, 90.0)).focal_px(False, (1000, 500))
    assert (short, long) == pytest.approx((500.0, 1000.0))
    _, long = Plausible(fisheye_view_deg=(np.rad2deg(1.0), 200.0)).focal_px(True, (1000, 500))
    assert long == pytest.approx(1000.0)


def test_without_priors_nothing_pulls():
    form = parse_form("pinhole k1 k2 p1 p2 k3")
    rows, slopes = LensPriors.of(form, SIZE, 700.0, None).residual(
        np.array([5.0, 900.0, -400, 0, 9, 9, 9, 9, 9, 0, 0, 0])
    )
    assert not rows.any() and not slopes.any()


def test_intrinsics_go_to_numbers_and_back():
    given = Intrinsics(SIZE, np.array([[800, 0, 640], [0, 810, 360], [0, 0, 1.0]]), [0.1] * 4,
                       "fisheye")  # fmt: skip
    form = parse_form("fisheye k1 k2 k3 k4 fx,fy")
    assert form.intrinsics(SIZE, lens_vector(given)) == given
