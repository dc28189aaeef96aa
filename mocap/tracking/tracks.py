"""People over time: who is known, where they were last, and who is new."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float


@dataclass(frozen=True)
class Track:
    """One known person.

    Attributes:
        person_id: stable through the session.
        points_m: each keypoint's last position; NaN if it was never seen.
        seen_s: when each keypoint was last seen, session clock; minus infinity for never.
        last_seen_s: when the person was last seen.
    """

    person_id: int
    points_m: Float[np.ndarray, "keypoints 3"]
    seen_s: Float[np.ndarray, " keypoints"]
    last_seen_s: float

    @classmethod
    def born(cls, person_id: int, points_m: np.ndarray, time_s: float) -> Track:
        """A new person."""
        never = Track(person_id, np.full_like(points_m, np.nan), np.full(len(points_m), -np.inf), 0)
        return never.seen(points_m, time_s)

    def seen(self, points_m: np.ndarray, time_s: float) -> Track:
        """The track after one more frame; NaN keypoints keep their last position."""
        now = np.isfinite(points_m[:, 0])
        return Track(
            self.person_id,
            np.where(now[:, None], points_m, self.points_m),
            np.where(now, time_s, self.seen_s),
            time_s,
        )

    def expected(
        self, time_s: float, sigma_m: float, speed_m_s: float, memory_s: float
    ) -> tuple[Float[np.ndarray, "keypoints 3"], Float[np.ndarray, " keypoints"]]:
        """Where the keypoints are expected, and how surely.

        Args:
            time_s: the instant asked for.
            sigma_m: standard deviation for a keypoint seen at that instant.
            speed_m_s: how much it grows per second since.
            memory_s: keypoints not seen for longer are NaN.
        """
        age = time_s - self.seen_s
        fresh = age <= memory_s
        points = np.where(fresh[:, None], self.points_m, np.nan)
        return points, sigma_m + speed_m_s * np.where(fresh, np.maximum(age, 0.0), 0.0)


def mean_separation_m(
    a: Float[np.ndarray, "keypoints 3"], b: Float[np.ndarray, "keypoints 3"]
) -> float:
    """Mean distance between the keypoints that both people have; infinite if they share none."""
    distance = np.linalg.norm(a - b, axis=1)
    common = np.isfinite(distance)
    return float(distance[common].mean()) if common.any() else float("inf")
