"""Light in the studio: lamps on the ceiling, light from all around, and the shadows of people.

All of it is computed at points of surfaces (the vertices of bodies, a lattice on the floor),
with rays towards the lamps; the pictures interpolate between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float
from mocap.studio.raycasting import RaycastingScene
from mocap.studio.room import RoomConfig

AMBIENT_ABOVE = np.array([0.29, 0.30, 0.32])
AMBIENT_BELOW = np.array([0.25, 0.225, 0.20])
"""Light that comes from everywhere above and below, as irradiance over pi."""
LAMP_RADIUS_M = 0.16
LAMP_SAMPLES = 4
OCCLUSION_DIRECTIONS = 12
OCCLUSION_REACH_M = 0.6
SURFACE_OFFSET_M = 0.006
"""Rays start this far above the surface, so that they do not hit it."""


@dataclass(frozen=True)
class Lamp:
    """A round lamp that shines downwards.

    Attributes:
        position_m: its centre.
        intensity: light on a surface at a distance of 1 m that faces it, per colour.
    """

    position_m: Float[np.ndarray, " 3"]
    intensity: Float[np.ndarray, " 3"]


def make_lamps(room: RoomConfig) -> tuple[Lamp, ...]:
    """The lamps of a room, a strong one and two weaker ones."""
    x, y, height = room.size_m
    # The light on the floor does not depend on the height of the room.
    reach = height - 0.05
    places = ((0.22, -0.18, 1.25), (-0.26, -0.05, 0.40), (0.02, 0.28, 0.32))
    warm = np.array([1.02, 1.0, 0.95])
    return tuple(
        Lamp(np.array([px * x, py * y, height - 0.05]), share * reach * warm)
        for px, py, share in places
    )


def lamp_light(
    lamp: Lamp, points: Float[np.ndarray, "points 3"], normals: Float[np.ndarray, "points 3"]
) -> Float[np.ndarray, " points"]:
    """What part of a lamp's intensity falls on points of a surface when nothing is between.

    It falls with the distance and not with its square, as near a large panel, which keeps heads
    close to the ceiling from being too bright.
    """
    towards = lamp.position_m - points
    distance = np.linalg.norm(towards, axis=1)
    distance = np.maximum(distance, 0.2)
    facing = np.maximum(np.einsum("nk,nk->n", towards, normals), 0.0)
    down = np.maximum(towards[:, 2], 0.0) / distance
    # A lamp with a shade is less one-sided than the cosine law of a flat panel.
    return facing / distance**2 * (0.35 + 0.65 * down)


def ambient_light(normals: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
    """Light from all around on surfaces that face in these directions."""
    share = (0.5 + 0.5 * normals[:, 2])[:, None]
    return share * AMBIENT_ABOVE + (1 - share) * AMBIENT_BELOW


def room_light(
    lamps: tuple[Lamp, ...],
    points: Float[np.ndarray, "points 3"],
    normals: Float[np.ndarray, "points 3"],
    openness: Float[np.ndarray, " points"],
) -> Float[np.ndarray, "points 3"]:
    """Light on a surface of the empty room; `openness` is the share of ambient light."""
    light = ambient_light(normals) * openness[:, None]
    for lamp in lamps:
        light += lamp_light(lamp, points, normals)[:, None] * lamp.intensity
    return light


def surface_light(
    scene: RaycastingScene,
    lamps: tuple[Lamp, ...],
    points: Float[np.ndarray, "points 3"],
    normals: Float[np.ndarray, "points 3"],
) -> Float[np.ndarray, "points 3"]:
    """Light on the surface of bodies, which shade themselves and each other."""
    start = points + SURFACE_OFFSET_M * normals
    light = ambient_light(normals) * _openness(scene, start, normals)[:, None]
    for lamp in lamps:
        amount = lamp_light(lamp, points, normals)
        lit = np.flatnonzero(amount > 0)
        amount[lit] *= 1 - _shadow(scene, lamp, start[lit], np.zeros(len(lit)))
        light += amount[:, None] * lamp.intensity
    return light


def _openness(
    scene: RaycastingScene,
    start: Float[np.ndarray, "points 3"],
    normals: Float[np.ndarray, "points 3"],
) -> Float[np.ndarray, " points"]:
    """Share of ambient light that is not hidden by something near (ambient occlusion)."""
    directions = _sphere(OCCLUSION_DIRECTIONS)
    weights = np.maximum(normals @ directions.T, 0.0)
    weights[weights < 0.15] = 0.0
    point, direction = np.nonzero(weights)
    hidden = scene.occluded(start[point], directions[direction], OCCLUSION_REACH_M)
    blocked = np.bincount(point, weights[point, direction] * hidden, len(start))
    total = np.maximum(weights.sum(axis=1), 1e-6)
    return 1 - 0.8 * blocked / total


def _sphere(count: int) -> Float[np.ndarray, "count 3"]:
    """Directions spread evenly over the sphere (Fibonacci's spiral)."""
    index = np.arange(count) + 0.5
    z = 1 - 2 * index / count
    angle = np.pi * (1 + 5**0.5) * index
    radius = np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def _shadow(
    scene: RaycastingScene,
    lamp: Lamp,
    start: Float[np.ndarray, "points 3"],
    turn_rad: Float[np.ndarray, " points"],
) -> Float[np.ndarray, " points"]:
    """Share of a lamp that each point does not see; `turn_rad` turns the rays over the lamp."""
    hidden = np.zeros(len(start))
    for sample in range(LAMP_SAMPLES):
        radius = LAMP_RADIUS_M * np.sqrt((sample + 0.5) / LAMP_SAMPLES)
        angle = turn_rad + 2.399963 * sample
        aim = np.empty_like(start)
        aim[:, 0] = lamp.position_m[0] + radius * np.cos(angle)
        aim[:, 1] = lamp.position_m[1] + radius * np.sin(angle)
        aim[:, 2] = lamp.position_m[2]
        hidden += scene.occluded(start, aim - start, 1.0)
    return hidden / LAMP_SAMPLES


class FloorShadow:
    """The shadows that people throw on the floor of a room.

    Attributes:
        spacing_m: between points of the lattice.
        origin_m: (x, y) of its first point.

    Args:
        room: the room.
        lamps: its lamps.
    """

    def __init__(self, room: RoomConfig, lamps: tuple[Lamp, ...]) -> None:
        x, y, _ = room.size_m
        self.spacing_m = max(0.04, max(x, y) / 400)
        self.origin_m = np.array([-x / 2, -y / 2])
        self._shape = (int(y / self.spacing_m) + 1, int(x / self.spacing_m) + 1)
        rows, columns = np.indices(self._shape)
        self._points = np.zeros((*self._shape, 3))
        self._points[..., 0] = self.origin_m[0] + self.spacing_m * columns
        self._points[..., 1] = self.origin_m[1] + self.spacing_m * rows
        self._points[..., 2] = 0.001
        flat = self._points.reshape(-1, 3)
        up = np.tile([0.0, 0.0, 1.0], (len(flat), 1))
        self._lamps = lamps
        self._lamp_light = [
            (lamp_light(lamp, flat, up) * lamp.intensity.mean()).reshape(self._shape)
            for lamp in lamps
        ]
        self._ambient = float(AMBIENT_ABOVE.mean())
        self._total = self._ambient + sum(self._lamp_light)
        # Rays of neighbours go to other places of the lamp; blurring afterwards mixes them.
        self._turn = np.random.default_rng(0).uniform(0, 2 * np.pi, self._shape)

    def no_shade(self) -> Float[np.ndarray, "rows columns"]:
        """What `shade` gives for an empty room."""
        return np.ones(self._shape, np.float32)

    def shade(
        self, scene: RaycastingScene, vertices: Float[np.ndarray, "vertices 3"]
    ) -> Float[np.ndarray, "rows columns"]:
        """Share of the empty room's light that falls on the lattice, float32.

        Args:
            scene: the people.
            vertices: of all people, by which the reach of their shadows is found.
        """
        import cv2

        light = np.array(self._total)
        for lamp, amount in zip(self._lamps, self._lamp_light, strict=True):
            below = vertices[vertices[:, 2] < lamp.position_m[2] - 0.2]
            towards = below - lamp.position_m
            scale = lamp.position_m[2] / -towards[:, 2:]
            area = self._area(lamp.position_m[:2] + towards[:, :2] * scale, 0.4)
            points = self._points[area].reshape(-1, 3)
            dark = _shadow(scene, lamp, points, self._turn[area].ravel())
            light[area] -= amount[area] * dark.reshape(self._points[area].shape[:2])
        area = self._area(vertices[:, :2], OCCLUSION_REACH_M)
        points = self._points[area].reshape(-1, 3)
        openness = _openness(scene, points, np.tile([0.0, 0.0, 1.0], (len(points), 1)))
        openness = openness.reshape(self._points[area].shape[:2])
        light[area] -= self._ambient * (1 - openness)
        return cv2.GaussianBlur((light / self._total).astype(np.float32), (0, 0), 1.0)

    def _area(self, places: Float[np.ndarray, "places 2"], margin_m: float) -> tuple[slice, slice]:
        """The part of the lattice around places on the floor."""
        if len(places) == 0:
            return slice(0, 0), slice(0, 0)
        low = (places.min(axis=0) - margin_m - self.origin_m) / self.spacing_m
        high = (places.max(axis=0) + margin_m - self.origin_m) / self.spacing_m
        rows, columns = self._shape
        low = np.clip(np.floor(low), 0, (columns, rows)).astype(int)
        high = np.clip(np.ceil(high) + 1, 0, (columns, rows)).astype(int)
        return slice(low[1], high[1]), slice(low[0], high[0])
