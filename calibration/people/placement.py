"""Puts an adjusted rig into a metric, upright world.

Boardless adjustment knows no gravity and no floor. People stand on the one and along the other,
which is enough for a world that is right to a few degrees and centimetres; what needs more sets
the world frame from the floor afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calibration.people.unknowns import PeopleState
from mocap.arrays import Float
from mocap.geometry.rotations import rotation_between, skew_matrix
from mocap.model import Skeleton

_LOW, _HIGH = ("ankle", "heel"), ("shoulder", "ear")
_FEET = ("ankle", "heel", "big_toe", "small_toe")
_FLOOR_PERCENTILE = 5.0


@dataclass(frozen=True)
class Placement:
    """A similarity: x_world = scale * rotation @ x + translation."""

    scale: float
    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, " 3"]

    def points(self, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
        """Moves points."""
        return self.scale * points @ self.rotation.T + self.translation

    def state(self, state: PeopleState) -> PeopleState:
        """Moves cameras and people."""
        rotation = state.rotation @ self.rotation.T
        return replace(
            state,
            rotation=rotation,
            translation=self.scale * state.translation - rotation @ self.translation,
            bone_log=state.bone_log + np.log(self.scale),
            points=self.points(state.points),
        )

    def pose_covariance(
        self,
        covariance: Float[np.ndarray, "six_cameras six_cameras"],
        placed: PeopleState,
        fixed: int,
        scale_sigma: float,
    ) -> Float[np.ndarray, "six_cameras six_cameras"]:
        """Moves the joint covariance of all poses, and adds what the scale is unsure of.

        Args:
            covariance: before.
            placed: the state after.
            fixed: the camera that stays where it is when the scale changes.
            scale_sigma: relative standard deviation of the scale.
        """
        cameras = len(placed.rotation)
        jacobian = np.zeros((6 * cameras, 6 * cameras))
        stretch = np.zeros(6 * cameras)
        centers = placed.centers
        for c in range(cameras):
            own, at = slice(6 * c, 6 * c + 3), slice(6 * c + 3, 6 * c + 6)
            jacobian[own, own] = np.eye(3)
            jacobian[at, at] = self.scale * np.eye(3)
            jacobian[at, own] = skew_matrix(placed.rotation[c] @ self.translation)
            stretch[at] = -placed.rotation[c] @ (centers[c] - centers[fixed])
        moved = jacobian @ covariance @ jacobian.T
        return moved + scale_sigma**2 * np.outer(stretch, stretch)


def upright_placement(
    table: Float[np.ndarray, "people instants keypoints 3"], skeleton: Skeleton, scale: float
) -> Placement:
    """Z along the bodies, the floor below the feet, the origin below where the people were.

    Args:
        table: 3D keypoints; NaN where missing.
        skeleton: their names.
        scale: world lengths per length.
    """
    low, high = _middle(table, skeleton, _LOW), _middle(table, skeleton, _HIGH)
    along = high - low
    length = np.linalg.norm(along, axis=-1)
    good = np.isfinite(length) & (length > 0)
    directions = along[good] / length[good][:, None]
    up = np.array([0.0, -1.0, 0.0])
    if len(directions):
        up = directions.mean(axis=0)
        for _ in range(20):
            # The direction with the least sum of angles: people bend, but to all sides.
            away = np.maximum(np.linalg.norm(directions - up / np.linalg.norm(up), axis=1), 1e-6)
            up = (directions / away[:, None]).sum(axis=0)
    rotation = rotation_between(up, np.array([0.0, 0.0, 1.0]))
    turned = scale * table @ rotation.T
    feet = [i for i, name in enumerate(skeleton.keypoints) if name.endswith(_FEET)]
    heights = turned[:, :, feet, 2] if feet else turned[..., 2]
    heights = heights[np.isfinite(heights)]
    floor = float(np.percentile(heights, _FLOOR_PERCENTILE)) if len(heights) else 0.0
    flat = turned[..., :2].reshape(-1, 2)
    middle = np.nanmedian(flat, axis=0)
    return Placement(scale, rotation, -np.array([middle[0], middle[1], floor]))


def _middle(table: np.ndarray, skeleton: Skeleton, ends: tuple[str, ...]) -> np.ndarray:
    for end in ends:
        chosen = [i for i, name in enumerate(skeleton.keypoints) if name.endswith("_" + end)]
        if len(chosen) == 2:
            return table[:, :, chosen].mean(axis=2)
    return np.full((*table.shape[:2], 3), np.nan)
