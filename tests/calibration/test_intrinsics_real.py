"""The calibration of one lens on real images."""

import tomllib

import cv2
import numpy as np
import pytest
from board_views import sightings

from calibration.detection import find_target
from calibration.intrinsics import calibrate_lens
from mocap.model import Intrinsics, Target

BROWN = "pinhole k1 k2 p1 p2 k3 fx,fy"


def _corners(folder, pattern, target):
    found = []
    size = (0, 0)
    for path in sorted(folder.glob(pattern)):
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        size = image.shape[::-1]
        board = find_target(image, target)
        if board is not None:
            found.append(board.points.pixels)
    return sightings(np.array(found), size=size)


@pytest.fixture(scope="module")
def checker(shared_path):
    target = Target("chessboard", (5, 8), 0.06)
    return _corners(shared_path("checker_intrinsics"), "*.jpg", target), target


def test_checker_images_give_the_known_lens(checker):
    found = calibrate_lens(*checker, models=[BROWN])
    assert len(found.frame) == 7
    assert found.rmse_px <= 0.15
    assert found.intrinsics.focal_px == pytest.approx(1672.5, abs=12)
    assert found.values["cx"] == pytest.approx(560, abs=8)
    assert found.values["cy"] == pytest.approx(936, abs=6)
    assert found.values["k1"] == pytest.approx(-0.045, abs=0.02)
    assert not found.lens_misfit


def test_checker_images_ask_for_two_terms_and_agree(checker):
    found = calibrate_lens(*checker)
    assert found.form.terms in (("k1",), ("k1", "k2"))
    assert found.form.square_pixels and not found.form.fisheye
    assert found.intrinsics.focal_px == pytest.approx(1672.5, abs=12)
    assert found.values["k1"] == pytest.approx(-0.045, abs=0.02)


def test_checker_images_as_opencv_solves_them(checker):
    seen, target = checker
    places = [target.points_m.astype(np.float32)] * len(seen)
    rmse, matrix, coefficients, *_ = cv2.calibrateCamera(
        places, [p.astype(np.float32) for p in seen.pixels], seen.image_size, None, None,
        criteria=(3, 500, 1e-15),
    )  # fmt: skip
    found = calibrate_lens(seen, target, models=[BROWN], plausible=None, robust=False)
    assert found.rmse_px == pytest.approx(rmse, rel=1e-4)
    np.testing.assert_allclose(found.intrinsics.matrix, matrix, rtol=1e-3)
    np.testing.assert_allclose(
        found.intrinsics.distortions[:2], coefficients.ravel()[:2], rtol=1e-2, atol=1e-3
    )


def test_the_square_size_does_not_matter_to_a_lens(shared_path):
    seen = _corners(shared_path("chessboard"), "cam_0*.jpg", Target("chessboard", (10, 7), 0.03))
    assert len(seen) == 4
    small, large = (
        calibrate_lens(seen, Target("chessboard", (10, 7), side), models=["pinhole k1"])
        for side in (0.03, 0.1)
    )
    assert small.intrinsics.focal_px == pytest.approx(large.intrinsics.focal_px, rel=1e-4)
    assert small.rmse_px < 0.8
    # Four views in a corner of the image: weak, and said to be.
    assert small.focal_sigma_px > 0.01 * small.intrinsics.focal_px
    assert any("only 4 views" in note for note in small.notes)


def _charuco(folder):
    rows = np.genfromtxt(folder / "corners_opencv5.csv", delimiter=",", names=True)
    shipped = tomllib.loads((folder / "camera_array.toml").read_text())["cameras"]
    target = Target("charuco", (4, 5), 0.054, 0.0405, "DICT_4X4_1000", inverted=True)
    for number, entry in sorted(shipped.items()):
        own = rows[rows["cam"] == int(number)]
        frame = np.unique(own["frame"]).astype(int)
        pixels = np.full((len(frame), 12, 2), np.nan)
        place = np.searchsorted(frame, own["frame"].astype(int)), own["corner_id"].astype(int)
        pixels[place] = np.stack([own["x_px"], own["y_px"]], axis=-1)
        lens = Intrinsics(tuple(entry["size"]), entry["matrix"], entry["distortions"])
        name = f"cam_{number}"
        yield sightings(pixels, fps=6.0, name=name, frame=frame), target, lens


@pytest.mark.slow
@pytest.mark.parametrize("session", ["charuco_4cam", "charuco_offset"])
def test_weak_charuco_footage_comes_near_the_shipped_lenses_and_says_it_is_weak(
    shared_path, session
):
    for seen, target, shipped in _charuco(shared_path(session)):
        found = calibrate_lens(seen, target)
        # The shipped lenses are from other videos, and not exact either: 1 % of them is theirs.
        doubt = np.hypot(found.focal_sigma_px, 0.01 * shipped.focal_px)
        assert abs(found.intrinsics.focal_px - shipped.focal_px) < 3 * doubt, seen.name
        assert found.intrinsics.focal_px == pytest.approx(shipped.focal_px, rel=0.04)
        assert found.rmse_px < 0.25
        assert any("% of the image was covered" in note for note in found.notes), found.notes
