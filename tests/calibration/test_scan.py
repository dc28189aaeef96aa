"""The search of footage: what is examined, what comes back, and how it ends."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import cv2
import numpy as np
import pytest
from board_pictures import CHARUCO, CHESSBOARD, picture, points_under, seen_from

from calibration.chessboard_order import consistent_chessboard, look_alikes
from calibration.footage import Footage, Picture
from calibration.image_folders import has_images, image_footage, image_lists
from calibration.scan import scan_footage
from calibration.search_plan import coarse_times, dense_times, frames_at, is_short
from calibration.sightings import CameraSightings, Sightings
from mocap.errors import CalibrationError
from mocap.model import Target

SIZE = (320, 240)
EMPTY = np.full((240, 320), 110, np.uint8)


def view(target=CHARUCO, **how):
    how = {"square_px": 40.0, "turn_rad": 0.2, "tilt": (0.02, 0.01), **how}
    return seen_from(target, size=SIZE, **how)


def shown(target=CHARUCO, **how):
    return picture(target, view(target, **how), size=SIZE)


def filmed(name, images, *, fps=10.0, asked=None):
    """Footage of images; `asked` takes what was wanted of it."""

    def read(wanted):
        if asked is not None:
            asked.append(wanted)
        for frame, image in enumerate(images):
            if wanted is None or frame in wanted:
                yield Picture(frame, frame / (fps or 1.0), image)

    return Footage(name, SIZE, len(images), fps, read)


def test_what_each_camera_saw():
    board, back = shown(), shown(mirrored=True)
    seen = scan_footage(
        CHARUCO,
        [
            filmed("left", [EMPTY, board, EMPTY, board]),
            filmed("behind", [back, back, EMPTY]),
            filmed("away", [EMPTY] * 3),
        ],
    )
    assert seen.target == CHARUCO
    assert seen.names == ("left", "behind", "away")
    left, behind, away = seen.cameras
    assert left.frame.tolist() == [1, 3]
    assert left.time_s.tolist() == [0.1, 0.3]
    assert left.frames_examined == 4
    assert left.nominal_fps == 10.0
    assert np.abs(left.pixels - points_under(CHARUCO, view())).max() < 0.1
    assert np.nanmedian(left.sigma_px) == pytest.approx(1.0)
    assert not left.mirrored.any()
    assert left.notes == ()
    assert behind.mirrored.all()
    assert "from behind" in behind.notes[0]
    assert len(away) == 0
    assert "'away' never saw the target in 3 frames" in away.notes[0]


def test_a_negative_is_noted_once():
    board = shown(replace(CHARUCO, inverted=True))
    seen = scan_footage(CHARUCO, [filmed("a", [board]), filmed("b", [board])])
    assert seen.target.inverted
    assert sum("negative" in note for camera in seen.cameras for note in camera.notes) == 1


def test_no_camera_sees_it_and_why():
    with pytest.raises(CalibrationError, match=r"none of 2 frames of 2 cameras.*swapped") as caught:
        scan_footage(
            replace(CHARUCO, squares=(4, 5)), [filmed("a", [shown()]), filmed("b", [EMPTY])]
        )
    assert "\n" not in str(caught.value)
    with pytest.raises(CalibrationError, match="no camera"):
        scan_footage(CHARUCO, [])


def test_frames_of_another_size_are_refused():
    with pytest.raises(CalibrationError, match="camera 'a': frame 1 is 160x120, the others"):
        scan_footage(CHARUCO, [filmed("a", [EMPTY, np.zeros((120, 160), np.uint8)])])


def test_an_error_of_one_camera_ends_all():
    done, released = [], threading.Event()

    def endless(wanted):
        frame = 0
        while True:
            yield Picture(frame, frame / 10, EMPTY)
            frame += 1
            done.append(frame)

    def broken(wanted):
        yield Picture(0, 0.0, EMPTY)
        released.set()
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        scan_footage(
            CHARUCO,
            [Footage("a", SIZE, 10, 10.0, endless), Footage("b", SIZE, 10, 10.0, broken)],
            workers=2,
        )
    assert released.is_set()
    assert threading.active_count() < 10
    assert not any(thread.name.startswith("scan") for thread in threading.enumerate())


def test_an_interrupt_ends_all():
    def endless(wanted):
        frame = 0
        while True:
            yield Picture(frame, frame / 10, EMPTY)
            frame += 1

    def interrupted(name, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan_footage(
            CHARUCO, [Footage("a", SIZE, 10, 10.0, endless)], progress=interrupted, workers=1
        )
    assert not any(thread.name.startswith("scan") for thread in threading.enumerate())


def test_progress_is_told_by_the_calling_thread_and_ends_complete():
    told = []

    def progress(name, done, total):
        assert threading.current_thread() is threading.main_thread()
        told.append((name, done, total))

    scan_footage(
        CHARUCO, [filmed("a", [shown()] * 3), filmed("b", [shown()] * 2)], progress=progress
    )
    assert ("a", 3, 3) in told
    assert ("b", 2, 2) in told


def test_number_of_workers_does_not_matter():
    footage = [filmed("a", [shown(), EMPTY]), filmed("b", [EMPTY, shown(turn_rad=0.5)])]
    one, two = (scan_footage(CHARUCO, footage, workers=n) for n in (1, 2))
    for a, b in zip(one.cameras, two.cameras, strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        assert a.notes == b.notes


def test_long_footage_is_searched_first_evenly_then_where_the_board_is():
    board = shown()
    images = [board if 100 <= i < 112 else EMPTY for i in range(200)]
    asked = []
    seen = scan_footage(CHARUCO, [filmed("a", images, asked=asked)], most_frames=40).cameras[0]
    assert len(asked) == 2
    assert len(asked[0]) == 20
    assert seen.frames_examined <= 40
    assert np.all((seen.frame >= 100) & (seen.frame < 112))
    assert len(seen) > 2 * np.sum((np.array(asked[0]) >= 100) & (np.array(asked[0]) < 112))


def test_all_frames_of_short_footage_and_all_images_are_searched():
    asked = []
    scan_footage(CHARUCO, [filmed("a", [shown()] * 4, asked=asked)], most_frames=4)
    scan_footage(CHARUCO, [filmed("a", [shown()] * 4, fps=None, asked=asked)], most_frames=2)
    assert asked == [None, None]


def test_search_plan():
    slow, fast = (Footage("x", SIZE, n, f, lambda _: []) for n, f in ((3000, 30.0), (6000, 60)))
    assert not is_short(slow, 2999)
    assert is_short(slow, 3000)
    times = coarse_times([slow, fast], 200)
    assert len(times) == 100
    assert np.ptp(times) < 100
    # Both cameras look at the same instants.
    np.testing.assert_allclose(frames_at(slow, times) / 30, frames_at(fast, times) / 60, atol=0.02)
    again = dense_times(times[[10, 11, 50]], times, 200)
    assert len(again) <= 100
    assert not np.intersect1d(again, times).size
    assert np.all(np.abs(again[:, None] - times[[10, 11, 50]]).min(axis=1) <= 1.6)
    assert len(dense_times(np.zeros(0), times, 200)) == 0
    # The board is in view all the time: nothing is left to look at more densely.
    assert len(dense_times(times, times, 200)) <= 100


def moving(turns):
    """An ambiguous chessboard, with the order in which each frame's corners are numbered."""
    target = Target("chessboard", (8, 6), 0.03)
    orders = look_alikes(target)
    pixels = [
        points_under(target, seen_from(target, turn_rad=0.1 * i, size=SIZE))[orders[turn]]
        for i, turn in enumerate(turns)
    ]
    n = len(turns)
    camera = CameraSightings(
        "a", SIZE, np.arange(n), np.arange(n) / 10, np.array(pixels), np.ones((n, 35)),
        np.zeros(n, bool), np.ones(n), n, 10.0,
    )  # fmt: skip
    return target, Sightings(target, (camera,))


def test_an_ambiguous_chessboard_keeps_its_order_within_a_camera():
    target, seen = moving([0, 1, 1, 0, 1])
    kept = consistent_chessboard(seen).cameras[0]
    true = [points_under(target, seen_from(target, turn_rad=0.1 * i, size=SIZE)) for i in range(5)]
    np.testing.assert_allclose(kept.pixels, true)
    assert "looks the same" in kept.notes[0]
    assert "guessed 0 times" in kept.notes[0]


@pytest.mark.parametrize(
    ("squares", "count"), [((9, 6), 1), ((8, 6), 2), ((7, 5), 2), ((7, 7), 4), ((6, 6), 2)]
)
def test_look_alikes_are_what_colors_cannot_tell(squares, count):
    target = Target("chessboard", squares, 0.03)
    orders = look_alikes(target)
    assert len(orders) == count
    np.testing.assert_array_equal(orders[0], np.arange(len(target.points_m)))
    plain = picture(target, seen_from(target), noise=0.0)
    for order in orders[1:]:
        # The map from the board to the board in another order leaves the picture as it is.
        H, _ = cv2.findHomography(target.points_m[:, :2] / 0.03, target.points_m[order, :2] / 0.03)
        turned = picture(target, seen_from(target) @ H, noise=0.0)
        assert np.mean(np.abs(turned.astype(int) - plain)) < 1.0
    assert len(look_alikes(CHARUCO)) == 1
    unambiguous = Sightings(CHARUCO, ())
    assert consistent_chessboard(unambiguous) is unambiguous


def test_chessboards_with_an_odd_and_an_even_side_need_no_guess():
    seen = scan_footage(CHESSBOARD, [filmed("a", [shown(CHESSBOARD, square_px=25, turn_rad=t)
                                                  for t in (0.0, 3.1, 1.6)])])  # fmt: skip
    for i, t in enumerate((0.0, 3.1, 1.6)):
        truth = points_under(CHESSBOARD, view(CHESSBOARD, square_px=25, turn_rad=t))
        assert np.nanmax(np.abs(seen.cameras[0].pixels[i] - truth)) < 0.2
    assert seen.cameras[0].notes == ()


def save(path, image=EMPTY):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


@pytest.mark.parametrize(
    ("names", "cameras"),
    [
        (["cam01_01_int.jpg", "cam01_02_int.jpg"], {"cam01": [1, 2]}),
        (
            ["cam_10_frame_070.jpg", "cam_2_frame_070.jpg", "cam_2_frame_008.jpg"],
            {"cam_2": [8, 70], "cam_10": [70]},
        ),
        (["left/2.png", "left/10.png", "right/2.png"], {"left": [2, 10], "right": [2]}),
        (["image2.png", "image10.png"], {"footage": [2, 10]}),
        (["b.png", "a.png"], {"footage": [0, 1]}),
        (["one/a1.png", "one/b1.png"], {"one": [0, 1]}),
    ],
)
def test_images_are_grouped_by_folder_or_name(names, cameras, tmp_path):
    folder = tmp_path / "footage"
    for name in names:
        save(folder / name)
    (folder / "notes.txt").write_text("no image")
    lists = image_lists(folder)
    assert has_images(folder)
    assert {each.name: list(each.numbers) for each in lists} == cameras
    assert [each.name for each in lists] == list(cameras)
    assert all(path.is_file() for each in lists for path in each.paths)


def test_folders_that_tell_nothing_are_refused(tmp_path):
    with pytest.raises(CalibrationError, match="holds no images"):
        image_lists(tmp_path)
    assert not has_images(tmp_path)
    save(tmp_path / "a.png")
    save(tmp_path / "cam1" / "a.png")
    with pytest.raises(CalibrationError, match="one folder per camera"):
        image_lists(tmp_path)


def test_broken_and_odd_images_are_left_out_with_a_warning(tmp_path, caplog):
    (tmp_path / "im0.png").write_bytes(b"no picture")
    save(tmp_path / "im1.png", shown())
    save(tmp_path / "im2.png", np.zeros((10, 10), np.uint8))
    (tmp_path / "im3.png").touch()
    footage = image_footage(image_lists(tmp_path)[0])
    assert footage.image_size == SIZE
    assert footage.nominal_fps is None
    with caplog.at_level(logging.WARNING):
        seen = scan_footage(CHARUCO, [footage]).cameras[0]
    assert seen.frame.tolist() == [1]
    assert seen.time_s.tolist() == [1.0]
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 3
    assert "im0.png cannot be read" in warnings[0]
    assert "im2.png is 10x10, the first image" in warnings[1]
    for name in ("im1.png", "im2.png"):
        (tmp_path / name).unlink()
    with pytest.raises(CalibrationError, match=r"none of its 2 images can be read .*im0\.png"):
        image_footage(image_lists(tmp_path)[0])
