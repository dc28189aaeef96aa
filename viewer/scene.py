"""The bridge from plain arrays to Open3D: one visualizer, and the few objects it draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mocap.model import Camera
from mocap.offscreen import import_open3d
from viewer.bodies import shadow_of
from viewer.colours import BACKGROUND, SHADOW, person_colours, shaded
from viewer.feed import People
from viewer.skeleton_mesh import SkeletonMesh
from viewer.stage import Lines, Mesh, camera_frusta, floor_grid, world_axes
from viewer.viewpoint import ViewPoint

if TYPE_CHECKING:
    import open3d

SHADOW_HEIGHT_M = 0.002
NEAR_M = 0.05
FAR_M = 200.0


class Scene:
    """The objects of a session in one Open3D visualizer.

    Args:
        visualizer: an Open3D visualizer whose window exists.
        skeleton_mesh: the drawing of the people.
        cameras: those to draw.
        volume_m: lower and upper corner of where people are, in metres.
        line_width_px: width of lines in the picture drawn.
    """

    def __init__(
        self,
        visualizer: Any,
        skeleton_mesh: SkeletonMesh,
        cameras: Sequence[Camera],
        volume_m: np.ndarray,
        line_width_px: float,
    ) -> None:
        self._o3d = import_open3d()
        self._visualizer = visualizer
        self._skeleton_mesh = skeleton_mesh
        self._shown: set[str] = set()
        self._look: tuple[Any, ...] | None = None
        self._colours = np.zeros((0, 3))
        self._bodies: tuple[Any, Any] | None = None
        self._people = self._mesh(
            Mesh(
                *skeleton_mesh.vertices(np.zeros((0, len(skeleton_mesh.skeleton), 3))),
                skeleton_mesh.triangles,
                np.zeros((skeleton_mesh.people * skeleton_mesh.vertices_per_person, 3)),
            )
        )
        body = skeleton_mesh.body_triangles
        self._shadow = self._mesh(
            Mesh(
                np.zeros((len(self._people.vertices), 3)),
                np.tile((0.0, 0.0, 1.0), (len(self._people.vertices), 1)),
                body,
                np.tile(SHADOW, (len(self._people.vertices), 1)),
            )
        )
        self._groups: dict[str, list[Any]] = {
            "people": [self._people],
            "floor": [self._lines(floor_grid(volume_m)), self._mesh(world_axes()), self._shadow],
            "cameras": [self._lines(camera_frusta(cameras))] if cameras else [],
        }
        options = visualizer.get_render_option()
        options.background_color = np.array(BACKGROUND)
        options.line_width = line_width_px
        options.mesh_show_back_face = True
        options.light_on = False
        self._add_bounds(cameras, volume_m)
        self.show("people", True)

    def _add_bounds(self, cameras: Sequence[Camera], volume_m: np.ndarray) -> None:
        """Gives the visualizer its bounding box, by which it places lights and moves the view.

        It is taken from one line without length, so that it does not change with what is shown.
        """
        centers = [camera.center_world for camera in cameras]
        points = np.vstack([volume_m, *centers, np.zeros(3)])
        corners = np.stack([points.min(axis=0), points.max(axis=0)])
        bounds = Lines(corners, np.zeros((1, 2), np.int64), np.array([BACKGROUND]))
        self._visualizer.add_geometry(self._lines(bounds), reset_bounding_box=True)

    def _lines(self, lines: Lines) -> open3d.geometry.LineSet:
        o3d = self._o3d
        made = o3d.geometry.LineSet(
            o3d.utility.Vector3dVector(lines.points_m), o3d.utility.Vector2iVector(lines.ends)
        )
        made.colors = o3d.utility.Vector3dVector(lines.colours)
        return made

    def _mesh(self, mesh: Mesh) -> open3d.geometry.TriangleMesh:
        o3d = self._o3d
        made = o3d.geometry.TriangleMesh(
            o3d.utility.Vector3dVector(mesh.vertices_m), o3d.utility.Vector3iVector(mesh.triangles)
        )
        made.vertex_normals = o3d.utility.Vector3dVector(mesh.normals)
        made.vertex_colors = o3d.utility.Vector3dVector(shaded(mesh.colours, mesh.normals))
        return made

    def show(self, group: str, shown: bool) -> None:
        """Shows or hides "people", "floor" or "cameras"."""
        if shown == (group in self._shown):
            return
        for geometry in self._groups[group]:
            if shown:
                self._visualizer.add_geometry(geometry, reset_bounding_box=False)
            else:
                self._visualizer.remove_geometry(geometry, reset_bounding_box=False)
        (self._shown.add if shown else self._shown.discard)(group)

    def set_people(self, people: People) -> None:
        """Moves the skeletons to the people of a frame."""
        vector = self._o3d.utility.Vector3dVector
        vertices, normals = self._skeleton_mesh.vertices(people.points_m)
        self._people.vertices = vector(vertices)
        self._people.vertex_normals = vector(normals)
        look = (people.ranks, people.doubtful.tobytes())
        if look != self._look:
            self._look = look
            colours = person_colours(people.ranks)
            self._colours = self._skeleton_mesh.colours(colours, people.doubtful)
        self._people.vertex_colors = vector(shaded(self._colours, normals))
        self._visualizer.update_geometry(self._people)
        if "floor" in self._shown:
            vertices[:, 2] = SHADOW_HEIGHT_M
            self._shadow.vertices = vector(vertices)
            self._visualizer.update_geometry(self._shadow)

    def set_bodies(self, mesh: Mesh) -> None:
        """Shows fitted bodies, with colours as they are to appear, instead of the skeletons."""
        if self._bodies is None:
            self.show("people", False)
            self._bodies = (self.add_flat(), self.add_flat())
        self.set_flat(self._bodies[0], mesh)
        self.set_flat(self._bodies[1], shadow_of(mesh) if "floor" in self._shown else _ONE_TRIANGLE)

    def look_from(self, view: ViewPoint) -> None:
        """Moves the viewer."""
        o3d = self._o3d
        width, height = view.size
        parameters = o3d.camera.PinholeCameraParameters()
        parameters.intrinsic = o3d.camera.PinholeCameraIntrinsic(
            width, height, view.focal_px, view.focal_px, width / 2 - 0.5, height / 2 - 0.5
        )
        parameters.extrinsic = view.T_cam_world
        control = self._visualizer.get_view_control()
        control.convert_from_pinhole_camera_parameters(parameters, allow_arbitrary=True)
        control.set_constant_z_near(NEAR_M)
        control.set_constant_z_far(FAR_M)

    def current_view(self) -> ViewPoint:
        """Where the viewer is now, after mouse and keys."""
        control = self._visualizer.get_view_control()
        parameters = control.convert_to_pinhole_camera_parameters()
        intrinsic = parameters.intrinsic
        size = (int(intrinsic.width), int(intrinsic.height))
        focal_px = float(intrinsic.get_focal_length()[1])
        return ViewPoint(np.array(parameters.extrinsic), size, focal_px)

    def add_flat(self) -> open3d.geometry.TriangleMesh:
        """Adds a mesh whose colours are not shaded and whose triangles may change."""
        mesh = self._o3d.geometry.TriangleMesh()
        self.set_flat(mesh, _ONE_TRIANGLE)
        self._visualizer.add_geometry(mesh, reset_bounding_box=False)
        return mesh

    def set_flat(self, mesh: open3d.geometry.TriangleMesh, content: Mesh) -> None:
        """Changes what a mesh made by `add_flat` shows."""
        vector = self._o3d.utility.Vector3dVector
        shown = content if len(content.triangles) else _ONE_TRIANGLE
        mesh.vertices = vector(shown.vertices_m)
        mesh.vertex_normals = vector(shown.normals)
        mesh.vertex_colors = vector(shown.colours)
        mesh.triangles = self._o3d.utility.Vector3iVector(shown.triangles)
        self._visualizer.update_geometry(mesh)


_ONE_TRIANGLE = Mesh(
    np.zeros((3, 3)), np.tile((0.0, 0.0, 1.0), (3, 1)), np.array([[0, 1, 2]]), np.zeros((3, 3))
)
"""Stands for nothing, which Open3D refuses to draw; it has no area."""
