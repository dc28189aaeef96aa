"""What is known beforehand of people, poses, lenses and clocks, as residuals of the adjustment.

The lengths of bones do not change, which ties the scales of thinly connected cameras together;
poses may be known roughly; focal lengths, time offsets and drifts have their usual sizes; and the
stature of the first person sets the scale where nothing else does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from calibration.people.measurements import Measurements
from calibration.people.proportions import Bones
from calibration.people.unknowns import Columns, PeopleState, PosePrior, Unknowns
from mocap.arrays import Bool, Float, Int
from mocap.geometry.rotations import rotvec_from_matrix, skew_matrix

_GAUGE_SIGMA = 1e-4


@dataclass(frozen=True)
class Rows:
    """Residuals that are no pixels.

    Attributes:
        residual: whitened.
        jacobian: of it.
        size: rows per measurement.
        robust: whether the robust loss applies.
    """

    residual: Float[np.ndarray, " rows"]
    jacobian: sparse.csr_matrix
    size: int
    robust: bool


@dataclass(frozen=True)
class BonePairs:
    """Two points of the same person and instant which a bone joins.

    Attributes:
        a: position of the one in the points.
        b: of the other.
        bone: which bone.
        person: whose.
        used: which bones there are at all.
    """

    a: Int[np.ndarray, " pairs"]
    b: Int[np.ndarray, " pairs"]
    bone: Int[np.ndarray, " pairs"]
    person: Int[np.ndarray, " pairs"]
    used: Bool[np.ndarray, "people bones"]


def bone_pairs(m: Measurements, bones: Bones, people: int) -> BonePairs:
    """Finds where both ends of a bone are among the points."""
    used = np.zeros((people, len(bones.ends)), bool)
    if not m.points:
        nothing = np.zeros(0, np.int64)
        return BonePairs(nothing, nothing, nothing, nothing, used)
    k = max(int(m.point_keypoint.max()), int(bones.ends.max())) + 1
    table = np.full((int(m.point_person.max()) + 1, len(m.instants_s), k), -1)
    table[m.point_person, m.point_instant, m.point_keypoint] = np.arange(m.points)
    a, b = table[..., bones.ends[:, 0]], table[..., bones.ends[:, 1]]
    person, instant, bone = np.nonzero((a >= 0) & (b >= 0))
    used[person, bone] = True
    return BonePairs(a[person, instant, bone], b[person, instant, bone], bone, person, used)


class Beliefs:
    """All that is known beforehand.

    Args:
        unknowns: what is free, and what is believed of it.
        columns: where each unknown stands.
        bones: what keeps its length.
        pairs: where bones are seen.
    """

    def __init__(
        self, unknowns: Unknowns, columns: Columns, bones: Bones, pairs: BonePairs
    ) -> None:
        self.unknowns = unknowns
        self.columns = columns
        self.bones = bones
        self.pairs = pairs

    def rows(self, state: PeopleState) -> list[Rows]:
        """Residuals of all beliefs at a state, with their derivatives."""
        unknowns, columns = self.unknowns, self.columns
        rows = [self._bone_rows(state)]
        if unknowns.pose_prior is not None:
            rows.append(self._pose_rows(state, unknowns.pose_prior))
        for values, expected, sigma, column in (
            (state.log_focal, 0.0 * state.log_focal, unknowns.focal_sigma, columns.focal),
            (
                state.offset_s,
                unknowns.offset_prior_s,
                unknowns.offset_sigma_s,
                columns.offset,
            ),
            (state.drift, 0.0 * state.drift, unknowns.drift_sigma, columns.drift),
        ):
            free = np.flatnonzero(column >= 0)
            residual = (values - expected)[free] / sigma[free]
            rows.append(self._rows_of(residual, column[free][:, None], 1 / sigma[free][:, None]))
        if unknowns.log_stature is not None:
            rows.append(self._stature_row(state, unknowns.log_stature))
        return rows

    def _bone_rows(self, state: PeopleState) -> Rows:
        pairs = self.pairs
        along = state.points[pairs.a] - state.points[pairs.b]
        length = np.maximum(np.linalg.norm(along, axis=1), 1e-9)
        sigma = self.bones.sigma[pairs.bone]
        residual = (np.log(length) - state.bone_log[pairs.person, pairs.bone]) / sigma
        by_a = along / (length**2 * sigma)[:, None]
        values = np.concatenate([by_a, -by_a, -1 / sigma[:, None]], axis=1)
        columns = np.concatenate(
            [
                self.columns.point[pairs.a],
                self.columns.point[pairs.b],
                self.columns.bone[pairs.person, pairs.bone][:, None],
            ],
            axis=1,
        )
        return self._rows_of(residual, columns, values, robust=True)

    def _pose_rows(self, state: PeopleState, prior: PosePrior) -> Rows:
        free = np.flatnonzero(self.columns.pose[:, 0] >= 0)
        count = len(free)
        rotation, translation = state.rotation[free], state.translation[free]
        turn = rotvec_from_matrix(rotation @ np.swapaxes(prior.rotation[free], -1, -2))
        shift = state.centers[free] - prior.center[free]
        sigma_rad, sigma_m = prior.sigma_rad[free, None], prior.sigma_m[free, None]
        residual = np.concatenate([turn / sigma_rad, shift / sigma_m], axis=1)
        values = np.zeros((count, 6, 6))
        # The derivative of the logarithm is the identity up to the square of a small angle.
        values[:, :3, :3] = np.eye(3) / sigma_rad[..., None]
        back = -np.swapaxes(rotation, -1, -2) / sigma_m[..., None]
        values[:, 3:, :3] = back @ skew_matrix(translation)
        values[:, 3:, 3:] = back
        columns = np.repeat(self.columns.pose[free], 6, axis=0)
        return self._rows_of(residual.ravel(), columns, values.reshape(-1, 6), size=6)

    def _stature_row(self, state: PeopleState, log_stature: float) -> Rows:
        weights = np.where(self.pairs.used, self.bones.stature, 0.0)
        weights[1:] = 0.0
        lengths = np.exp(state.bone_log) * weights
        total = float(lengths.sum())
        share = float(weights.sum()) / float(self.bones.stature.sum())
        residual = (np.log(total / share) - log_stature) / _GAUGE_SIGMA
        person, bone = np.nonzero(weights > 0)
        values = (lengths[person, bone] / total / _GAUGE_SIGMA)[None]
        columns = self.columns.bone[person, bone][None]
        return self._rows_of(np.array([residual]), columns, values)

    def _rows_of(
        self,
        residual: np.ndarray,
        columns: np.ndarray,
        values: np.ndarray,
        *,
        size: int = 1,
        robust: bool = False,
    ) -> Rows:
        row = np.repeat(np.arange(len(residual)), columns.shape[1])
        jacobian = sparse.csr_matrix(
            (values.ravel(), (row, columns.ravel())), shape=(len(residual), self.columns.count)
        )
        return Rows(residual, jacobian, size, robust)
