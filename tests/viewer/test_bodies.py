"""Fitted bodies as meshes, over pictures and in the scene."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from anny_truth import anny_model, studio_motion

from mocap.body.surface import surface
from mocap.geometry.projection import project_points
from mocap.model.body_motion import BodyMotion
from mocap.storage.session_reader import Session
from mocap.studio.bodies import Body, PersonConfig
from mocap.studio.motion_config import MotionConfig
from mocap.studio.motions import make_motion
from mocap.studio.rigs import RigConfig, make_rig
from viewer.bodies import Bodies, joined, shadow_of
from viewer.camera_panel import CameraPanel
from viewer.mesh_overlay import MeshOverlay
from viewer.options import ViewOptions
from viewer.render import render_snapshot
from viewer.stage import Mesh

GREY = 128


@pytest.fixture(scope="module")
def motion() -> BodyMotion:
    body = Body(PersonConfig(motion=MotionConfig(kind="reach")))
    pose = make_motion(body.config.motion, body, 2.0)
    return studio_motion(body, [pose(0.1 * i) for i in range(6)], anny_model())


@pytest.mark.parametrize("distortions", [(0.0,) * 5, (-0.3, 0.1, 0.001, -0.001, 0.0)])
def test_the_mesh_lies_where_the_camera_sees_it(motion: BodyMotion, distortions, graphics) -> None:
    camera = make_rig(RigConfig(cameras=4, distortions=distortions), 0).cameras[1]
    lens = camera.intrinsics
    size = (lens.size[0] // 2, lens.size[1] // 2)
    picture = np.full((size[1], size[0], 3), GREY, np.uint8)
    with MeshOverlay(size) as overlay:
        drawn = overlay.draw(picture, camera, Bodies([motion]).mesh(3))
    changed = (drawn != GREY).any(axis=2)
    vertices, _ = surface(motion, [3])
    pixels, _ = project_points(
        vertices[0], lens.matrix, lens.packed_distortions, False, camera.T_cam_world
    )
    seen = np.round((pixels + 0.5) / 2 - 0.5).astype(int)
    assert changed[seen[:, 1], seen[:, 0]].mean() > 0.97
    # And nowhere else: the silhouette is within a pixel of the vertices' hull.
    assert np.abs(seen.min(axis=0) - np.argwhere(changed).min(axis=0)[::-1]).max() <= 2
    assert np.abs(seen.max(axis=0) - np.argwhere(changed).max(axis=0)[::-1]).max() <= 2
    share = changed.sum() / cv2.contourArea(cv2.convexHull(seen.astype(np.float32)))
    assert 0.3 < share < 1.0


def test_a_body_behind_the_camera_is_not_drawn(motion: BodyMotion, graphics) -> None:
    camera = make_rig(RigConfig(cameras=4), 0).cameras[0]
    behind = camera.T_cam_world.copy()
    behind[:3] = np.diag([-1.0, 1.0, -1.0]) @ behind[:3]
    picture = np.full((120, 160, 3), GREY, np.uint8)
    with MeshOverlay((160, 120)) as overlay:
        drawn = overlay.draw(picture, replace(camera, T_cam_world=behind), Bodies([motion]).mesh(0))
    assert (drawn == GREY).all()


def test_only_those_who_are_there_are_drawn(motion: BodyMotion) -> None:
    absent = replace(motion, present=np.arange(6) != 2)
    bodies = Bodies([absent])
    assert len(bodies.mesh(1).triangles) and not len(bodies.mesh(2).triangles)
    assert not len(bodies.mesh(6).triangles) and not len(bodies.mesh(-1).triangles)
    second = replace(motion, person_id=7)
    both = Bodies([motion, second]).mesh(1)
    one = Bodies([motion]).mesh(1)
    assert len(both.vertices_m) == 2 * len(one.vertices_m)
    colours = both.colours.reshape(2, -1, 3)
    assert np.abs(colours[0] - colours[1]).max() > 0.1


def test_a_model_without_surface_shows_its_bones(motion: BodyMotion) -> None:
    skeleton = replace(motion, model="skeleton")
    mesh = Bodies([skeleton]).mesh(0)
    joints = motion.joint_positions_m[0]
    distance = np.linalg.norm(mesh.vertices_m[:, None] - joints[None], axis=2).min(axis=0)
    assert distance.max() < 0.03
    assert np.abs(np.linalg.norm(mesh.normals, axis=1) - 1).max() < 1e-6


def test_joining_and_shadows() -> None:
    one = Mesh(np.eye(3), np.eye(3), np.array([[0, 1, 2]]), np.ones((3, 3)))
    both = joined([one, one])
    assert both.triangles.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert len(joined([]).vertices_m) == 0
    assert (shadow_of(one).vertices_m[:, :2] == one.vertices_m[:, :2]).all()


def test_bodies_replace_keypoints_in_panel_and_scene(
    walkers: Session, motion: BodyMotion, tmp_path: Path, graphics
) -> None:
    frame = int(walkers.frames.number[0])
    placed = replace(motion, frame=np.arange(frame, frame + 6))
    bodies = Bodies([placed])
    sizes = {camera.name: camera.intrinsics.size for camera in walkers.rig}
    pictures = {n: np.full((h, w, 3), GREY, np.uint8) for n, (w, h) in sizes.items()}
    with (
        CameraPanel(walkers, "raw", 400, lambda _: pictures) as plain,
        CameraPanel(walkers, "raw", 400, lambda _: pictures, bodies) as panel,
    ):
        assert (plain.draw(0) != panel.draw(0)).any()
    for name, drawn in (("plain.png", None), ("bodies.png", bodies)):
        render_snapshot(
            walkers,
            tmp_path / name,
            layer="raw",
            frame=frame,
            size=(320, 240),
            view=ViewOptions(labels=False),
            bodies=drawn,
        )
    plain, with_body = (cv2.imread(str(tmp_path / n)) for n in ("plain.png", "bodies.png"))
    assert (plain != with_body).any(axis=2).mean() > 0.01
