"""A mesh drawn into the picture of a real camera, through that camera's lens.

The rasteriser knows pinhole cameras only. So each vertex is moved, at its own depth, to where a
pinhole camera sees it at the pixel at which the real lens shows it: nearness, and hence what hides
what, stays as it is.
"""

from __future__ import annotations

import numpy as np

from mocap.arrays import UInt8
from mocap.closing import Closing
from mocap.geometry.projection import project_points
from mocap.model import Camera
from mocap.offscreen import import_open3d, offscreen_visualizer
from viewer.stage import Mesh

OPACITY = 0.72
_NEAR_M, _FAR_M = 0.1, 100.0
_OUTSIDE = 2.0
"""Triangles with a corner farther outside than this many pictures are left out."""
_SUPERSAMPLE = 2


class MeshOverlay(Closing):
    """Draws meshes into pictures of one size.

    Args:
        size: width and height of the pictures, in pixels.

    Raises:
        DependencyError: a graphics library is missing.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._o3d = import_open3d()
        large = (size[0] * _SUPERSAMPLE, size[1] * _SUPERSAMPLE)
        self._visualizer = offscreen_visualizer(*large)
        options = self._visualizer.get_render_option()
        options.background_color = np.ones(3)
        options.mesh_show_back_face = True
        options.light_on = False
        # A box of the size of a room around the camera gives the rasteriser its bounds.
        corners = np.array([[-5.0, -5.0, 0.1], [5.0, 5.0, 20.0]])
        bounds = self._o3d.geometry.PointCloud(self._o3d.utility.Vector3dVector(corners))
        self._visualizer.add_geometry(bounds, reset_bounding_box=True)
        self._visualizer.remove_geometry(bounds, reset_bounding_box=False)
        self._shown = None

    def draw(
        self, picture: UInt8[np.ndarray, "height width 3"], camera: Camera, mesh: Mesh
    ) -> UInt8[np.ndarray, "height width 3"]:
        """The picture with the mesh over it, half transparent.

        Args:
            picture: what the camera saw, of the size of this overlay, BGR; it may be reduced.
            camera: the camera.
            mesh: with colours as they are to appear, world positions.
        """
        import cv2

        lens = camera.intrinsics
        width, height = self._size
        scale = np.array([width / lens.size[0], height / lens.size[1]])
        pixels, depth = project_points(
            mesh.vertices_m,
            lens.matrix,
            lens.packed_distortions,
            lens.lens == "fisheye",
            camera.T_cam_world,
        )
        pixels = (pixels + 0.5) * scale - 0.5
        with np.errstate(invalid="ignore"):
            good = (
                np.isfinite(pixels).all(axis=1)
                & (depth > _NEAR_M)
                & (np.abs(pixels - np.array(self._size) / 2) < _OUTSIDE * max(self._size)).all(
                    axis=1
                )
            )
        triangles = mesh.triangles[good[mesh.triangles].all(axis=1)]
        if not len(triangles):
            return picture
        focal = float(max(self._size))
        middle = (np.array(self._size) - 1) / 2
        rays = np.column_stack([(pixels - middle) / focal, np.ones(len(pixels))])
        placed = np.where(good[:, None], rays * np.where(good, depth, 1.0)[:, None], 0.0)
        drawn, alpha = self._rendered(placed, triangles, mesh.colours, focal)
        alpha = OPACITY * cv2.resize(alpha, self._size, interpolation=cv2.INTER_AREA)[..., None]
        drawn = cv2.resize(drawn, self._size, interpolation=cv2.INTER_AREA)
        return (picture * (1.0 - alpha) + 255.0 * alpha * drawn[:, :, ::-1] + 0.5).astype(np.uint8)

    def _rendered(
        self, points: np.ndarray, triangles: np.ndarray, colours: np.ndarray, focal: float
    ) -> tuple[np.ndarray, np.ndarray]:
        o3d = self._o3d
        vector = o3d.utility.Vector3dVector
        mesh = o3d.geometry.TriangleMesh(vector(points), o3d.utility.Vector3iVector(triangles))
        mesh.vertex_colors = vector(colours)
        mesh.vertex_normals = vector(np.tile((0.0, 0.0, -1.0), (len(points), 1)))
        if self._shown is not None:
            self._visualizer.remove_geometry(self._shown, reset_bounding_box=False)
        self._visualizer.add_geometry(mesh, reset_bounding_box=False)
        self._shown = mesh
        width, height = (n * _SUPERSAMPLE for n in self._size)
        parameters = o3d.camera.PinholeCameraParameters()
        large = focal * _SUPERSAMPLE
        parameters.intrinsic = o3d.camera.PinholeCameraIntrinsic(
            width, height, large, large, width / 2 - 0.5, height / 2 - 0.5
        )
        parameters.extrinsic = np.eye(4)
        control = self._visualizer.get_view_control()
        control.convert_from_pinhole_camera_parameters(parameters, allow_arbitrary=True)
        control.set_constant_z_near(_NEAR_M)
        control.set_constant_z_far(_FAR_M)
        self._visualizer.poll_events()
        colour = np.asarray(self._visualizer.capture_screen_float_buffer(True))
        depth = np.asarray(self._visualizer.capture_depth_float_buffer(False))
        return colour, (depth > 0).astype(np.float32)

    def close(self) -> None:
        """Gives the graphics context back."""
        self._visualizer.destroy_window()
