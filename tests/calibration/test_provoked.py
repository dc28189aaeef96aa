"""Each fault of footage or description, through the whole calibration with a board: the cause is
named, by a verdict or, where no rig comes out, by the message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from board_scene import BoardScene, board_scene

from calibration.sightings import CameraSightings, Sightings
from calibration.with_board import BoardCalibration, BoardOptions, calibrate_with_board
from mocap.errors import CalibrationError
from mocap.geometry.rotations import matrix_from_rotvec

OPTIONS = BoardOptions(floor="none", time_offsets="none")


@pytest.fixture(scope="module")
def scene() -> BoardScene:
    return board_scene(3, seed=3, duration_s=6.0, fps=12.0)


def calibrated(scene: BoardScene, seen: Sightings, **options) -> BoardCalibration:
    lenses = {c.name: c.intrinsics for c in scene.rig} | options.pop("lenses", {})
    return calibrate_with_board(seen, lenses, options.pop("options", OPTIONS), **options)


def with_camera(
    seen: Sightings, number: int, change: Callable[[CameraSightings], CameraSightings]
) -> Sightings:
    cameras = list(seen.cameras)
    cameras[number] = change(cameras[number])
    return replace(seen, cameras=tuple(cameras))


def causes(found: BoardCalibration) -> dict[str, tuple[str, ...]]:
    return {each.check: each.cameras for each in found.verdict.findings}


def test_nothing_wrong(scene):
    found = calibrated(scene, scene.sightings, old_rig=scene.rig)
    assert found.verdict.grade == "pass", found.verdict.text()


@pytest.mark.slow
def test_mirrored_and_turned_boards_are_named_though_no_pose_is_left(scene):
    nx, ny = scene.sightings.target.shape
    width = scene.rig.cameras[2].intrinsics.size[0]

    def image(pixels):
        return np.stack([width - 1 - pixels[..., 0], pixels[..., 1]], axis=-1)

    def layout(pixels):
        return pixels.reshape(-1, ny, nx, 2)[:, :, ::-1].reshape(pixels.shape)

    for change, words in (
        (image, "cam2 delivers mirrored pictures"),
        (layout, "cam2 numbers the target's points from the other side"),
        (lambda pixels: pixels[:, ::-1], "cam2 numbers the target's points from the opposite"),
    ):
        seen = with_camera(
            scene.sightings, 2, lambda c, f=change: replace(c, pixels=f(np.array(c.pixels)))
        )
        with pytest.raises(CalibrationError, match=words):
            calibrated(scene, seen)


def test_cameras_that_never_see_the_board_together_are_told_as_that(scene):
    cameras = [c.chosen((c.time_s < 3.0) == (c.name != "cam2")) for c in scene.sightings.cameras]
    with pytest.raises(CalibrationError, match=r"not connected .*cam0, cam1 \| cam2"):
        calibrated(scene, replace(scene.sightings, cameras=tuple(cameras)))


def test_one_video_twice(scene):
    first = scene.sightings.cameras[1]
    seen = with_camera(scene.sightings, 2, lambda c: replace(first, name=c.name))
    lens = scene.rig.cameras[1].intrinsics
    assert causes(calibrated(scene, seen, lenses={"cam2": lens}))["collapsed"] == ("cam1", "cam2")


@pytest.mark.slow
def test_two_exchanged_videos(scene):
    one, two = scene.sightings.cameras[1:]
    cameras = (scene.sightings.cameras[0], replace(two, name="cam1"), replace(one, name="cam2"))
    seen = replace(scene.sightings, cameras=cameras)
    for rig in ("old_rig", "lens_rig"):
        found = causes(calibrated(scene, seen, **{rig: scene.rig}))
        assert found == {"exchanged": ("cam1", "cam2")}


@pytest.mark.parametrize("factor", [pytest.param(0.9, marks=pytest.mark.slow), 1.06])
def test_a_wrong_focal_length_is_no_bump(scene, factor):
    lens = scene.rig.cameras[1].intrinsics
    wrong = replace(lens, matrix=lens.matrix @ np.diag([factor, factor, 1.0]))
    # Where offsets are free they are drawn along.
    options = BoardOptions(floor="none")
    found = calibrated(scene, scene.sightings, lenses={"cam1": wrong}, options=options)
    assert causes(found)["lens_model"] == ("cam1",), found.verdict.text()
    assert "bumped" not in causes(found)


@pytest.mark.parametrize("factor", [1.0, pytest.param(1.06, marks=pytest.mark.slow)])
def test_a_bump_is_one_also_beside_a_wrong_focal_length(scene, factor):
    lens, other = scene.rig.cameras[2].intrinsics, scene.rig.cameras[1].intrinsics
    turn = lens.matrix @ matrix_from_rotvec(np.array([0, 0.012, 0])) @ np.linalg.inv(lens.matrix)

    def bumped(camera: CameraSightings) -> CameraSightings:
        pixels = np.array(camera.pixels)
        later = camera.time_s >= 2.0
        moved = np.concatenate([pixels[later], np.ones((*pixels[later].shape[:2], 1))], -1)
        moved = moved @ turn.T
        pixels[later] = moved[..., :2] / moved[..., 2:]
        return replace(camera, pixels=pixels)

    wrong = replace(other, matrix=other.matrix @ np.diag([factor, factor, 1.0]))
    found = calibrated(scene, with_camera(scene.sightings, 2, bumped), lenses={"cam1": wrong})
    assert not {"back_print", "lens_model", "sync"} & set(causes(found))
    (bump,) = (f for f in found.verdict.findings if f.check == "bumped")
    assert bump.cameras == ("cam2",)
    assert bump.figures["time_s"] == pytest.approx(2.0, abs=0.3)


def test_blurred_pictures(scene):
    rng = np.random.default_rng(0)
    seen = with_camera(
        scene.sightings,
        1,
        lambda c: replace(c, sharpness=np.where(rng.random(len(c)) < 0.75, 0.15, 1.0)),
    )
    assert causes(calibrated(scene, seen)) == {"motion_blur": ("cam1",)}


def test_cameras_out_of_step(scene):
    late = board_scene(3, seed=3, duration_s=6.0, fps=12.0, offset_frames=(0.0, 0.0, 1.3))
    found = calibrated(late, late.sightings)
    assert causes(found)["sync"] == ("cam2",)
    assert found.verdict.findings[0].figures["offset_ms"] == pytest.approx(108, abs=5)


def test_half_the_square_size_against_an_earlier_rig(scene):
    target = replace(scene.sightings.target, square_m=0.06, marker_m=0.045)
    found = calibrated(scene, replace(scene.sightings, target=target), old_rig=scene.rig)
    assert "square_size" in causes(found)
    assert found.verdict.grade == "fail"
