"""The people of a scene in motion, and the truth about them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mocap.arrays import Float
from mocap.errors import StudioError
from mocap.model import Rig
from mocap.model.skeletons import COCO_WHOLEBODY_133
from mocap.model.truth import Truth
from mocap.studio.bodies import Body, BodyFrame, BodyPose
from mocap.studio.motions import make_motion
from mocap.studio.raycasting import RaycastingScene, visible_points
from mocap.studio.render import Mesh
from mocap.studio.room import RoomConfig
from mocap.studio.scene import SceneConfig

_log = logging.getLogger(__name__)

CAMERA_CLEARANCE_M = 0.2
"""A camera nearer to a body's surface than this is inside it, or sees nothing else."""

_HEAD = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_DEPTHS_M = (("face_", 0.02), ("left_hand_", 0.025), ("right_hand_", 0.025))
_HEAD_DEPTH_M, _FOOT_DEPTH_M, _BODY_DEPTH_M = 0.04, 0.05, 0.13


class Cast:
    """The people of a scene.

    Attributes:
        bodies: one per person; their index is the person's id.

    Args:
        config: the scene.
        start_s: the earliest time at which the people are needed.
        end_s: the latest.
        cache_folder: where the body model is kept.
        progress: called with a sentence when something slow begins.
    """

    def __init__(
        self,
        config: SceneConfig,
        start_s: float,
        end_s: float,
        cache_folder: Path | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.bodies = [Body(person, cache_folder, progress) for person in config.people]
        # Motions begin at 0; an early camera's first frame comes before the scene's time 0.
        self._lead_s = max(0.0, -start_s)
        duration_s = max(end_s + self._lead_s, 1e-3)
        self._motions = [make_motion(body.config.motion, body, duration_s) for body in self.bodies]

    def poses(self, time_s: float) -> list[BodyPose]:
        """Pose of each person at a time of the scene."""
        return [motion(time_s + self._lead_s) for motion in self._motions]

    def frames(self, time_s: float) -> list[BodyFrame]:
        """Body of each person at a time of the scene."""
        return [
            body.frames([pose])[0]
            for body, pose in zip(self.bodies, self.poses(time_s), strict=True)
        ]

    def meshes(self, time_s: float) -> list[Mesh]:
        """What there is to draw at a time of the scene."""
        return [
            Mesh(frame.vertices_m, body.triangles, body.vertex_colors)
            for body, frame in zip(self.bodies, self.frames(time_s), strict=True)
        ]


def make_truth(
    cast: Cast,
    rig: Rig,
    room: RoomConfig,
    times_s: Float[np.ndarray, " times"],
    progress: Callable[[int, int], None] | None = None,
) -> Truth:
    """The true people at given times.

    A keypoint is visible to a camera if it is inside the image and the first surface on the way
    is that of its own part of the body: joints lie inside the body, so surfaces up to a few
    centimetres before them do not hide them.

    Args:
        cast: the people.
        rig: the cameras.
        room: the room that the people must stay in.
        times_s: on the scene's clock.
        progress: called with the times done and of all times.

    Raises:
        StudioError: a camera is inside a body, a person leaves the room, or nobody is ever seen.
    """
    names = COCO_WHOLEBODY_133.keypoints
    depths = np.array([_depth_m(name) for name in names])
    points: list[np.ndarray] = []
    visible: list[np.ndarray] = []
    rotations: list[np.ndarray] = []
    positions: list[np.ndarray] = []
    for done, time_s in enumerate(times_s):
        frames = cast.frames(float(time_s))
        if frames:
            _check_places(frames, rig, room, float(time_s))
        scene = _scene_of(cast, frames)
        for body, frame in zip(cast.bodies, frames, strict=True):
            keypoints = body.keypoints(frame)
            points.append(keypoints)
            visible.append(visible_points(scene, rig, keypoints, depths))
            turns = frame.T_world_bone[:, :3, :3]
            parents = np.array(body.parents)
            relative = turns.copy()
            child = np.flatnonzero(parents >= 0)
            relative[child] = np.swapaxes(turns[parents[child]], 1, 2) @ turns[child]
            rotations.append(relative)
            positions.append(frame.T_world_bone[:, :3, 3])
        if progress is not None:
            progress(done + 1, len(times_s))
    people, count = len(cast.bodies), len(times_s)
    bones = cast.bodies[0].bone_names if cast.bodies else ()
    rows, k, c, j = people * count, len(names), len(rig), len(bones)
    truth = Truth(
        joint_names=names,
        camera_names=rig.names,
        frame=np.repeat(np.arange(count), people),
        time_s=np.repeat(np.asarray(times_s, np.float64), people),
        id=np.tile(np.arange(people), count),
        points=np.array(points, np.float64).reshape(rows, k, 3),
        visible=np.array(visible, bool).reshape(rows, c, k),
        bone_names=bones,
        bone_rotations=np.array(rotations, np.float64).reshape(rows, j, 3, 3),
        bone_positions=np.array(positions, np.float64).reshape(rows, j, 3),
        shape=_shape(cast.bodies),
    )
    _check_seen(truth)
    return truth


def _depth_m(name: str) -> float:
    for prefix, depth in _DEPTHS_M:
        if name.startswith(prefix):
            return depth
    if name in _HEAD:
        return _HEAD_DEPTH_M
    return _FOOT_DEPTH_M if name.endswith(("_toe", "_heel")) else _BODY_DEPTH_M


def _scene_of(cast: Cast, frames: Sequence[BodyFrame]) -> RaycastingScene:
    if not frames:
        return RaycastingScene(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    first = np.cumsum([0, *(len(frame.vertices_m) for frame in frames[:-1])])
    return RaycastingScene(
        np.concatenate([frame.vertices_m for frame in frames]),
        np.concatenate([b.triangles + f for b, f in zip(cast.bodies, first, strict=True)]),
    )


def _check_places(frames: Sequence[BodyFrame], rig: Rig, room: RoomConfig, time_s: float) -> None:
    half = np.array(room.size_m[:2]) / 2
    for person, frame in enumerate(frames):
        vertices = frame.vertices_m
        if (np.abs(vertices[:, :2]) > half).any() or (vertices[:, 2] > room.size_m[2]).any():
            raise StudioError(
                f"person {person} leaves the room at {time_s:.2f} s; make the room larger, the "
                f"scene shorter, or change the person's place or path"
            )
        for camera in rig:
            distance = np.sqrt(((vertices - camera.center_world) ** 2).sum(axis=1).min())
            if distance < CAMERA_CLEARANCE_M:
                raise StudioError(
                    f"camera {camera.name!r} is inside person {person}, or {distance:.2f} m from "
                    f"the skin, at {time_s:.2f} s; move the camera or the person's path"
                )


def _check_seen(truth: Truth) -> None:
    if len(truth) and not truth.visible.any():
        raise StudioError(
            "no camera ever sees anybody; turn the cameras to where the people are, or move them"
        )
    for person in truth.ids:
        seen = truth.visible[truth.id == person].any(axis=2).sum(axis=1)
        if (seen < 2).all():
            _log.warning(
                "person %d is never seen by two cameras at once; there is truth about it, but it "
                "cannot be reconstructed",
                person,
            )


def _shape(bodies: Sequence[Body]) -> dict[str, dict[int, float]]:
    result: dict[str, dict[int, float]] = {}
    for person, body in enumerate(bodies):
        for name, value in {**body.shape_parameters, "height_m": body.height_m}.items():
            result.setdefault(name, {})[person] = float(value)
    return result
