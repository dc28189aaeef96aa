"""The cameras' own pictures beside the 3D view, with the people or their bodies drawn in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from mocap.arrays import UInt8
from mocap.closing import Closing
from mocap.geometry.projection import project_points
from mocap.model import Camera
from mocap.storage.session_reader import Session
from viewer.bodies import Bodies
from viewer.colours import LEFT, PEOPLE, RIGHT, TEXT
from viewer.feed import load_feed
from viewer.mesh_overlay import MeshOverlay
from viewer.stage import Mesh

_LINE_OF_HEIGHT = 0.006
_DETAIL = ("face", "left_hand", "right_hand")


Pictures = Callable[[int], Mapping[str, np.ndarray]]
"""Gives what each camera saw in a frame of the session: RGB pictures by camera name."""


class CameraPanel(Closing):
    """A grid of camera pictures, each with the reprojected people, or with fitted bodies.

    Args:
        session: the session.
        layer: "raw" or "smooth".
        height: of the whole panel, in pixels.
        pictures: gives the pictures; a camera without one leaves its place grey.
        bodies: drawn instead of the keypoints.
    """

    def __init__(
        self,
        session: Session,
        layer: str,
        height: int,
        pictures: Pictures,
        bodies: Bodies | None = None,
    ) -> None:
        self._pictures = pictures
        self._bodies = bodies
        self._overlays: dict[tuple[int, int], MeshOverlay] = {}
        self._rig = session.rig
        self._skeleton = session.skeleton
        self._feed = load_feed(session, layer)
        self._columns = math.ceil(math.sqrt(len(self._rig)))
        rows = math.ceil(len(self._rig) / self._columns)
        self._cell_height = height // rows
        ratio = max(c.intrinsics.size[0] / c.intrinsics.size[1] for c in self._rig)
        # Videos want even sizes.
        self._cell_width = 2 * round(self._cell_height * ratio / 2)
        self._rows = rows
        self._height = height

    @property
    def width(self) -> int:
        """Width of the whole panel, in pixels."""
        return self._columns * self._cell_width

    def draw(self, frame: int) -> UInt8[np.ndarray, "height width 3"]:
        """The panel of a frame, counted from 0 in the table of frames, in BGR."""
        import cv2

        pictures = self._pictures(frame)
        panel = np.full((self._height, self.width, 3), 225, np.uint8)
        points = self._feed.people(frame).points_m
        number = int(self._feed.frames.number[frame])
        mesh = None if self._bodies is None else self._bodies.mesh(number)
        for i, camera in enumerate(self._rig):
            if camera.name not in pictures:
                continue
            picture = pictures[camera.name]
            scale = min(self._cell_height / picture.shape[0], self._cell_width / picture.shape[1])
            size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
            small = cv2.resize(picture[:, :, ::-1], size, interpolation=cv2.INTER_AREA)
            small = np.ascontiguousarray(small)
            if mesh is not None:
                small = self._with_mesh(small, camera, mesh)
            for rank, person in enumerate(points if mesh is None else ()):
                self._draw_person(small, camera, person, rank, scale)
            cv2.putText(
                small, camera.name, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 3, 16
            )
            cv2.putText(
                small, camera.name, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _bgr(TEXT), 1, 16
            )
            y = (i // self._columns) * self._cell_height
            x = (i % self._columns) * self._cell_width + (self._cell_width - size[0]) // 2
            panel[y : y + size[1], x : x + size[0]] = small
        return panel

    def close(self) -> None:
        """Gives the graphics contexts back."""
        for overlay in self._overlays.values():
            overlay.close()
        self._overlays.clear()

    def _with_mesh(self, picture: np.ndarray, camera: Camera, mesh: Mesh) -> np.ndarray:
        size = (picture.shape[1], picture.shape[0])
        if size not in self._overlays:
            self._overlays[size] = MeshOverlay(size)
        return np.ascontiguousarray(self._overlays[size].draw(picture, camera, mesh))

    def _draw_person(
        self, picture: np.ndarray, camera: Camera, points: np.ndarray, rank: int, scale: float
    ) -> None:
        import cv2

        lens = camera.intrinsics
        pixels, _ = project_points(
            points, lens.matrix, lens.packed_distortions, lens.lens == "fisheye", camera.T_cam_world
        )
        # From the centre of the first pixel to its corner, and back in the smaller picture.
        pixels = (pixels + 0.5) * scale - 0.5
        limit = 4 * max(picture.shape)
        thick = max(1, round(_LINE_OF_HEIGHT * picture.shape[0]))
        names, parts = self._skeleton.keypoints, self._skeleton.parts
        for a, b in self._skeleton.bone_indices:
            ends = pixels[[a, b]]
            if not np.isfinite(ends).all() or np.abs(ends).max() > limit:
                continue
            sides = {names[a].split("_")[0], names[b].split("_")[0]}
            colour = LEFT if sides == {"left"} else RIGHT if sides == {"right"} else None
            colour = colour or PEOPLE[rank % len(PEOPLE)]
            detail = parts[a] in _DETAIL or parts[b] in _DETAIL
            start, end = (tuple(round(v) for v in p) for p in ends.tolist())
            cv2.line(picture, start, end, _bgr(colour), 1 if detail else thick, 16)


def _bgr(colour: tuple[float, float, float]) -> tuple[int, int, int]:
    return (round(255 * colour[2]), round(255 * colour[1]), round(255 * colour[0]))
