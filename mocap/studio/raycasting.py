"""Rays into a scene of triangles: Open3D's ray casting (Embree), which needs no graphics driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mocap.arrays import Bool, Float, Int
from mocap.geometry.projection import project_points
from mocap.model import Rig
from mocap.offscreen import import_open3d

NOT_HIT = 0xFFFFFFFF
"""Stands for the triangle of a ray that hits none."""


@dataclass(frozen=True, eq=False)
class Hits:
    """What rays hit first.

    Attributes:
        distance: in lengths of the ray's direction; infinite where nothing is hit.
        triangle: index of the triangle, or `NOT_HIT`; uint32.
        weights: barycentric weights of the triangle's second and third vertex.
    """

    distance: Float[np.ndarray, " rays"]
    triangle: np.ndarray
    weights: Float[np.ndarray, "rays 2"]


class RaycastingScene:
    """Triangles in which rays can be cast. Rays are origin and direction, float32.

    Args:
        vertices_m: positions.
        triangles: indices of vertices.

    Raises:
        DependencyError: Open3D, or a system library it needs, is missing.
    """

    def __init__(
        self,
        vertices_m: Float[np.ndarray, "vertices 3"],
        triangles: Int[np.ndarray, "triangles 3"],
    ) -> None:
        open3d = import_open3d()
        self._tensor: Any = open3d.core.Tensor
        self._scene: Any = open3d.t.geometry.RaycastingScene()
        if len(triangles):
            self._scene.add_triangles(
                self._tensor(np.ascontiguousarray(vertices_m, np.float32)),
                self._tensor(np.ascontiguousarray(triangles, np.uint32)),
            )

    def cast(self, rays: Float[np.ndarray, "rays 6"]) -> Hits:
        """What each ray hits first."""
        answer = self._scene.cast_rays(self._tensor(rays))
        return Hits(
            answer["t_hit"].numpy(),
            answer["primitive_ids"].numpy(),
            answer["primitive_uvs"].numpy(),
        )

    def occluded(
        self,
        start: Float[np.ndarray, "rays 3"],
        direction: Float[np.ndarray, "rays 3"],
        reach: float,
    ) -> Bool[np.ndarray, " rays"]:
        """Whether something is within `reach` times the direction of each start."""
        if len(start) == 0:
            return np.zeros(0, bool)
        rays = np.concatenate([start, direction], axis=1).astype(np.float32)
        return self._scene.test_occlusions(self._tensor(rays), 0.0, reach).numpy()


def visible_points(
    scene: RaycastingScene,
    rig: Rig,
    points: Float[np.ndarray, "points 3"],
    depth_m: Float[np.ndarray, " points"],
) -> Bool[np.ndarray, "cameras points"]:
    """Which points each camera sees: inside its image, and with nothing in front.

    Args:
        scene: what may be in front.
        rig: the cameras.
        points: world positions; NaN is seen by none.
        depth_m: how far each point may lie behind the surface that is in front of it; joints lie
            inside the body.
    """
    result = np.zeros((len(rig), len(points)), bool)
    for row, camera in enumerate(rig):
        intrinsics = camera.intrinsics
        pixels, depth = project_points(
            points,
            intrinsics.matrix,
            intrinsics.packed_distortions,
            intrinsics.lens == "fisheye",
            camera.T_cam_world,
        )
        size = np.array(intrinsics.size)
        with np.errstate(invalid="ignore"):
            inside = ((pixels >= -0.5) & (pixels <= size - 0.5)).all(axis=-1)
            inside &= (depth > 0) | (intrinsics.lens == "fisheye")
        chosen = np.flatnonzero(inside)
        if len(chosen) == 0:
            continue
        towards = points[chosen] - camera.center_world
        distance = np.linalg.norm(towards, axis=1)
        rays = np.concatenate([np.tile(camera.center_world, (len(chosen), 1)), towards], axis=1)
        first_hit_m = scene.cast(rays.astype(np.float32)).distance * distance
        result[row, chosen] = first_hit_m >= distance - depth_m[chosen]
    return result
