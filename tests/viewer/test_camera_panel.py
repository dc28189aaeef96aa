"""The cameras' pictures beside the 3D view."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mocap.geometry.projection import project_points
from mocap.storage.session_reader import Session
from viewer.camera_panel import CameraPanel

HEIGHT = 400


def grey_pictures(session: Session) -> Callable[[int], dict[str, np.ndarray]]:
    sizes = {camera.name: camera.intrinsics.size for camera in session.rig}
    return lambda _: {n: np.full((h, w, 3), 128, np.uint8) for n, (w, h) in sizes.items()}


def test_people_are_drawn_where_the_cameras_see_them(walkers: Session) -> None:
    panel = CameraPanel(walkers, "raw", HEIGHT, grey_pictures(walkers))
    picture = panel.draw(0)
    assert picture.shape == (HEIGHT, panel.width, 3)
    assert panel.width % 2 == 0
    camera = walkers.rig.cameras[0]
    motion = walkers.motion("raw")
    person = motion.points_m[motion.frame == walkers.frames.number[0]][0]
    lens = camera.intrinsics
    shin = [walkers.skeleton.index(f"left_{joint}") for joint in ("knee", "ankle")]
    pixel, _ = project_points(
        person[shin].mean(axis=0),
        lens.matrix,
        lens.packed_distortions,
        False,
        camera.T_cam_world,
    )
    scale = (HEIGHT // 2) / lens.size[1]
    u, v = np.round((pixel + 0.5) * scale - 0.5).astype(int)
    blue, _, red = picture[v, u].astype(int)
    assert red > blue + 60, "the left shin is not orange"


def test_a_camera_without_a_picture_leaves_its_place_empty(walkers: Session) -> None:
    picture = CameraPanel(walkers, "raw", HEIGHT, lambda _: {}).draw(0)
    assert (picture == picture[0, 0]).all()
