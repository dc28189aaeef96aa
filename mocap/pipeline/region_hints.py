"""Where in each view the known 3D people will be seen, for detectors that look there.

A person small in the image, seen from behind, or just come out from behind somebody is often missed
by a detection network, but found by the landmark network once it is told where to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mocap.arrays import Float
from mocap.geometry.projection import project_points
from mocap.model import Person3D, Rig, Skeleton

MIN_SIDE_PX = 24.0
MAX_SIGMA_M = 0.3
"""A person less well known than this is looked for nowhere."""
_LONGEST_STEP_S = 0.5
_HIPS = (("left_hip", "right_hip"), ("mid_hip",))
_SHOULDERS = (("left_shoulder", "right_shoulder"), ("neck",))


@dataclass
class RegionForecast:
    """Predicts the regions; its state is where everybody was in the frame before.

    Attributes:
        rig: the cameras.
        skeleton: the keypoints.
    """

    rig: Rig
    skeleton: Skeleton
    _before: dict[int, tuple[float, np.ndarray]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._arrays = self.rig.arrays
        self._body = np.array(self.skeleton.indices("body", "feet"), np.int64)
        # Positions among the keypoints of the body.
        self._hips = self._first(_HIPS)
        self._shoulders = self._first(_SHOULDERS)

    def _first(self, choices: Sequence[tuple[str, ...]]) -> list[int]:
        for names in choices:
            if all(name in self.skeleton for name in names):
                return [self._body.tolist().index(self.skeleton.index(name)) for name in names]
        return []

    def regions(
        self, time_s: float, people: Sequence[Person3D], ahead_s: float
    ) -> dict[str, Float[np.ndarray, "regions 4"]]:
        """Where to look for the people whom a view does not show.

        Args:
            time_s: of this frame, on the session clock.
            people: of this frame.
            ahead_s: how far ahead to predict.

        Returns:
            By camera: x and y of the middle of the hips and the side of the square around the body,
            in pixels, and the angle by which the body is turned against upright, clockwise, in
            radians.
        """
        found: dict[str, list[tuple[float, float, float, float]]] = {n: [] for n in self.rig.names}
        now: dict[int, tuple[float, np.ndarray]] = {}
        for person in people:
            points = person.keypoints.points_m[self._body]
            now[person.person_id] = time_s, points
            before = self._before.get(person.person_id)
            move = np.zeros(3)
            if before is not None and 0 < time_s - before[0] <= _LONGEST_STEP_S:
                gap = points - before[1]
                known = np.isfinite(gap[:, 0])
                if known.any():
                    move = np.median(gap[known], axis=0) / (time_s - before[0]) * ahead_s
            sigma2 = np.trace(person.keypoints.covariance_m2[self._body], axis1=1, axis2=2) / 3
            if not self._hips or not np.nanmedian(sigma2) <= MAX_SIGMA_M**2:
                continue
            for c, name in enumerate(self.rig.names):
                if person.detection_index[c] < 0:
                    region = self._region(c, points + move)
                    if region is not None:
                        found[name].append(region)
        self._before = now
        return {name: np.array(rows, np.float32).reshape(-1, 4) for name, rows in found.items()}

    def _region(self, c: int, points: np.ndarray) -> tuple[float, float, float, float] | None:
        arrays = self._arrays
        pixels, depth = project_points(
            points,
            arrays.matrix[c],
            arrays.distortions[c],
            bool(arrays.fisheye[c]),
            arrays.T_cam_world[c],
        )
        body = pixels[np.isfinite(pixels[:, 0])]
        if not len(body) or np.nanmin(depth) <= 0:
            return None
        hip = pixels[self._hips].mean(axis=0)
        if not np.isfinite(hip).all():
            return None
        width, height = self.rig.cameras[c].intrinsics.size
        inside = ((body >= 0) & (body < (width, height))).all(axis=1)
        side = 2.0 * float(np.linalg.norm(body - hip, axis=1).max())
        if inside.mean() < 0.3 or side < MIN_SIDE_PX:
            return None
        up = pixels[self._shoulders].mean(axis=0) - hip if self._shoulders else np.array([0.0, -1])
        angle = float(np.arctan2(up[0], -up[1])) if np.isfinite(up).all() else 0.0
        return float(hip[0]), float(hip[1]), side, angle
