"""Distances between rays, and between rays and points: the geometry of matching across views."""

from __future__ import annotations

import numpy as np

from mocap.arrays import Float

_PARALLEL = 1e-6


def point_to_ray(
    points: Float[np.ndarray, "*batch 3"],
    rays: Float[np.ndarray, "*batch 3"],
    center: Float[np.ndarray, " 3"],
) -> Float[np.ndarray, " *batch"]:
    """Distance in metres from points to the rays that leave `center`; NaN is passed on.

    A point behind the camera is as far as the camera itself.
    """
    offset = points - center
    along = np.maximum(np.sum(offset * rays, axis=-1), 0.0)
    return np.linalg.norm(offset - along[..., None] * rays, axis=-1)


def ray_to_ray(
    rays_a: Float[np.ndarray, "*batch 3"],
    center_a: Float[np.ndarray, " 3"],
    rays_b: Float[np.ndarray, "*batch 3"],
    center_b: Float[np.ndarray, " 3"],
) -> Float[np.ndarray, " *batch"]:
    """Distance in metres between pairs of rays; NaN is passed on.

    Rays whose closest points lie behind a camera, or which are parallel, are infinitely far:
    nothing can be told from them.
    """
    base = center_b - center_a
    cosine = np.sum(rays_a * rays_b, axis=-1)
    sine2 = 1.0 - cosine * cosine
    base_a, base_b = rays_a @ base, rays_b @ base
    safe = np.where(sine2 > _PARALLEL, sine2, 1.0)
    along_a = (base_a - cosine * base_b) / safe
    along_b = (cosine * base_a - base_b) / safe
    gap = base + along_b[..., None] * rays_b - along_a[..., None] * rays_a
    distance = np.linalg.norm(gap, axis=-1)
    useful = (sine2 > _PARALLEL) & (along_a > 0) & (along_b > 0)
    return np.where(useful | np.isnan(distance), distance, np.inf)
