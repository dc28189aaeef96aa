"""What a renderer of the studio draws, and what it is told about its cameras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from mocap.arrays import Float, Int, UInt8
from mocap.studio.raycasting import RaycastingScene

RendererKind = Literal["raycast", "raster"]
"""How bodies come into a picture: by rays through its pixels, or as triangles drawn by OpenGL."""

Area = tuple[slice, slice]
"""A part of an image: its rows and its columns."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Something in the room.

    Attributes:
        vertices_m: world positions.
        triangles: counter-clockwise seen from outside.
        colors: of the vertices, 0 to 1, as shown (sRGB).
        uv: place of the vertices in `texture`, in its pixels; None without texture.
        texture: colours in RGB, seen on the front; the back has the colours of the vertices.
    """

    vertices_m: Float[np.ndarray, "vertices 3"]
    triangles: Int[np.ndarray, "triangles 3"]
    colors: Float[np.ndarray, "vertices 3"]
    uv: Float[np.ndarray, "vertices 2"] | None = None
    texture: UInt8[np.ndarray, "rows columns 3"] | None = None


@dataclass(frozen=True, eq=False)
class Instant:
    """Everything in the room at one instant, with the light on it.

    Attributes:
        scene: for casting rays.
        vertices_m: of all meshes.
        triangles: of all meshes.
        light: on the vertices.
        radiance: what the vertices send out: light times colour.
        floor: share of light on the floor; see `FloorShadow`.
        textured: index of the mesh of each triangle if it has a texture, else -1.
        meshes: the meshes.
    """

    scene: RaycastingScene
    vertices_m: Float[np.ndarray, "vertices 3"]
    triangles: Int[np.ndarray, "triangles 3"]
    light: Float[np.ndarray, "vertices 3"]
    radiance: Float[np.ndarray, "vertices 3"]
    floor: Float[np.ndarray, "rows columns"]
    textured: Int[np.ndarray, " triangles"]
    meshes: tuple[Mesh, ...]


@dataclass(frozen=True, eq=False)
class CameraRays:
    """The true lens of a camera: where each of its pixels looks.

    Attributes:
        name: of the camera.
        origin_m: its optical centre in the world.
        padded: unit world directions of the centres of all pixels, and of one more row and column
            on each side, float32.
    """

    name: str
    origin_m: Float[np.ndarray, " 3"]
    padded: Float[np.ndarray, "rows columns 3"]

    @property
    def inside(self) -> Float[np.ndarray, "height width 3"]:
        """Those of the pixels only."""
        return self.padded[1:-1, 1:-1]


class Painter(Protocol):
    """Draws the meshes of an instant, without the room."""

    @property
    def concurrent(self) -> bool:
        """Whether several threads may paint at once; else only the one that made the painter."""
        ...

    @property
    def device(self) -> str:
        """What does the work, in words."""
        ...

    def paint(
        self, camera: int, instant: Instant, area: Area
    ) -> tuple[Float[np.ndarray, "rows columns 3"], Float[np.ndarray, "rows columns"]]:
        """Draws a part of a camera's image.

        Args:
            camera: index of the camera.
            instant: with at least one triangle.
            area: the part.

        Returns:
            Linear light from the meshes times their cover of each pixel, and that cover, from 0
            to 1.
        """
        ...

    def close(self) -> None:
        """Gives back what is held; may be called more than once."""
        ...
