"""The one adjustment of cameras, time offsets, people and their bones.

Unknowns are the poses of the cameras, a factor on their focal lengths, their time offsets and the
drift of their clocks (a camera stamps an event of time t with t (1 + drift) + offset), the length
of every bone of every person, and one free 3D point per person, instant and keypoint. The residuals
are the pixels; that the lengths of bones do not change, which ties the scales of thinly connected
cameras together; and what is known beforehand about poses, focal lengths and clocks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from calibration.least_squares import Linearization
from calibration.lens_jacobian import project_with_jacobians
from calibration.people.block_solver import BlockSolver
from calibration.people.measurements import Measurements
from calibration.people.proportions import Bones
from mocap.arrays import Bool, Float, Int
from mocap.geometry.projection import project_points
from mocap.geometry.rotations import matrix_from_rotvec, rotvec_from_matrix, skew_matrix
from mocap.model import Intrinsics

_GAUGE_SIGMA = 1e-4


@dataclass(frozen=True)
class PeopleState:
    """What is adjusted.

    Attributes:
        rotation: of `T_cam_world`.
        translation: of `T_cam_world`.
        log_focal: logarithm of the factor on the given focal lengths.
        offset_s: how late each camera is.
        bone_log: logarithm of each person's bone lengths.
        points: 3D keypoints in the order of the measurements' points.
        drift: by how much each camera's clock runs fast, as a fraction.
    """

    rotation: Float[np.ndarray, "cameras 3 3"]
    translation: Float[np.ndarray, "cameras 3"]
    log_focal: Float[np.ndarray, " cameras"]
    offset_s: Float[np.ndarray, " cameras"]
    bone_log: Float[np.ndarray, "people bones"]
    points: Float[np.ndarray, "points 3"]
    drift: Float[np.ndarray, " cameras"]

    @property
    def centers(self) -> Float[np.ndarray, "cameras 3"]:
        """Optical centres in the world frame."""
        return -np.einsum("cji,cj->ci", self.rotation, self.translation)

    def scaled(self, factor: float) -> PeopleState:
        """The same in a world that is larger by a factor."""
        return replace(
            self,
            translation=self.translation * factor,
            bone_log=self.bone_log + np.log(factor),
            points=self.points * factor,
        )


@dataclass(frozen=True)
class PosePrior:
    """What is believed of the poses beforehand.

    Attributes:
        rotation: of `T_cam_world`.
        center: optical centres in the world frame.
        sigma_rad: standard deviation of each rotation, per axis.
        sigma_m: of each centre, per axis.
    """

    rotation: Float[np.ndarray, "cameras 3 3"]
    center: Float[np.ndarray, "cameras 3"]
    sigma_rad: Float[np.ndarray, " cameras"]
    sigma_m: Float[np.ndarray, " cameras"]


@dataclass(frozen=True)
class Unknowns:
    """What is free, and what is believed beforehand.

    Attributes:
        fixed_camera: whose pose is held; None to hold none, which needs a `pose_prior`.
        pose_prior: see `PosePrior`.
        focal_sigma: standard deviation of each camera's log focal factor; 0 holds it.
        shared_focal: whether all free focal factors are one.
        offset_sigma_s: standard deviation of each offset about its prior; 0 holds it.
        offset_prior_s: offsets believed beforehand.
        drift_sigma: standard deviation of each drift about none; 0 holds it.
        log_stature: logarithm of the stature of the first person, which sets the scale; None
            where poses or a prior set it.
    """

    fixed_camera: int | None
    pose_prior: PosePrior | None
    focal_sigma: Float[np.ndarray, " cameras"]
    shared_focal: bool
    offset_sigma_s: Float[np.ndarray, " cameras"]
    offset_prior_s: Float[np.ndarray, " cameras"]
    drift_sigma: Float[np.ndarray, " cameras"]
    log_stature: float | None


@dataclass(frozen=True)
class Columns:
    """Where each unknown stands; -1 for what is held."""

    pose: Int[np.ndarray, "cameras 6"]
    focal: Int[np.ndarray, " cameras"]
    offset: Int[np.ndarray, " cameras"]
    drift: Int[np.ndarray, " cameras"]
    bone: Int[np.ndarray, "people bones"]
    point: Int[np.ndarray, "points 3"]
    count: int
    rig: int
    """The first so many unknowns belong to the cameras."""


class PeopleBundle:
    """The adjustment as a problem of `calibration.least_squares`.

    Args:
        measurements: the pixels.
        lenses: of each camera, at log focal factor 0.
        bones: what keeps its length.
        unknowns: what is free.
        people: number of people.
    """

    def __init__(
        self,
        measurements: Measurements,
        lenses: tuple[Intrinsics, ...],
        bones: Bones,
        unknowns: Unknowns,
        people: int,
    ) -> None:
        self.measurements = measurements
        self.lenses = lenses
        self.bones = bones
        self.unknowns = unknowns
        self._rows = [np.flatnonzero(measurements.camera == c) for c in range(len(lenses))]
        self._pairs = _bone_pairs(measurements, bones)
        used = np.zeros((people, len(bones.ends)), bool)
        used[self._pairs.person, self._pairs.bone] = True
        self._used_bones = used
        self.columns = self._make_columns(used)
        self._pattern = self._make_pattern()
        m = measurements
        instants = m.point_person * len(m.instants_s) + m.point_instant
        _, group = np.unique(instants, return_inverse=True)
        self.solver = BlockSolver(
            self.columns.count - 3 * m.points, np.repeat(group.astype(np.int64), 3)
        )

    # --- layout -------------------------------------------------------------------------------

    def _make_columns(self, used: Bool[np.ndarray, "people bones"]) -> Columns:
        unknowns, cameras = self.unknowns, len(self.lenses)
        next_free = 0

        def take(free: np.ndarray) -> np.ndarray:
            nonlocal next_free
            column = np.where(free, np.cumsum(free).reshape(free.shape) - 1 + next_free, -1)
            next_free += int(free.sum())
            return column

        pose_free = np.ones((cameras, 6), bool)
        if unknowns.fixed_camera is not None:
            pose_free[unknowns.fixed_camera] = False
        pose = take(pose_free)
        focal_free = unknowns.focal_sigma > 0
        if unknowns.shared_focal and focal_free.any():
            focal = np.where(focal_free, next_free, -1)
            next_free += 1
        else:
            focal = take(focal_free)
        offset = take(unknowns.offset_sigma_s > 0)
        drift = take(unknowns.drift_sigma > 0)
        rig = next_free
        bone = take(used)
        point = take(np.ones((self.measurements.points, 3), bool))
        return Columns(pose, focal, offset, drift, bone, point, next_free, rig)

    def _make_pattern(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mask, indices and row starts of the pixels' sparse rows."""
        m, columns = self.measurements, self.columns
        each = np.concatenate(
            [
                columns.pose[m.camera],
                columns.focal[m.camera][:, None],
                columns.offset[m.camera][:, None],
                columns.drift[m.camera][:, None],
                columns.point[m.point],
            ],
            axis=1,
        )
        both = np.repeat(each[:, None, :], 2, axis=1)
        mask = both >= 0
        starts = np.concatenate([[0], np.cumsum(mask.reshape(-1, both.shape[2]).sum(axis=1))])
        return mask, both[mask], starts

    # --- the problem --------------------------------------------------------------------------

    def moved(self, state: PeopleState, step: Float[np.ndarray, " unknowns"]) -> PeopleState:
        """The state after a step."""
        columns = self.columns
        padded = np.append(step, 0.0)
        pose = padded[columns.pose]
        return PeopleState(
            matrix_from_rotvec(pose[:, :3]) @ state.rotation,
            state.translation + pose[:, 3:],
            state.log_focal + padded[columns.focal],
            state.offset_s + padded[columns.offset],
            state.bone_log + padded[columns.bone],
            state.points + padded[columns.point],
            state.drift + padded[columns.drift],
        )

    def pixel_residual(self, state: PeopleState) -> Float[np.ndarray, "n 2"]:
        """Predicted less measured, in pixels."""
        m = self.measurements
        predicted = np.empty((len(m), 2))
        for c, rows in enumerate(self._rows):
            matrix, distortions, fisheye = self._lens(state, c)
            pose = np.eye(4)
            pose[:3, :3], pose[:3, 3] = state.rotation[c], state.translation[c]
            points = state.points[m.point[rows]]
            predicted[rows] = project_points(points, matrix, distortions, fisheye, pose)[0]
        return predicted - m.carried_px(state.offset_s, state.drift)

    def residual(self, state: PeopleState) -> Float[np.ndarray, " rows"]:
        """All whitened residuals."""
        whitened = self.pixel_residual(state) / self.measurements.sigma_px[:, None]
        priors = self._priors(state)
        return np.concatenate([whitened.ravel(), *(rows.residual for rows in priors)])

    def linearize(self, state: PeopleState) -> Linearization:
        """All whitened residuals with their derivative."""
        m = self.measurements
        n = len(m)
        residual = np.empty((n, 2))
        blocks = np.zeros((n, 2, 12))
        for c, rows in enumerate(self._rows):
            matrix, distortions, fisheye = self._lens(state, c)
            turned = state.points[m.point[rows]] @ state.rotation[c].T
            pixels, by_point, by_lens = project_with_jacobians(
                turned + state.translation[c], matrix, distortions, fisheye
            )
            residual[rows] = pixels
            blocks[rows, :, 0:3] = -by_point @ skew_matrix(turned)
            blocks[rows, :, 3:6] = by_point
            focal = by_lens[:, :, 0] * matrix[0, 0] + by_lens[:, :, 1] * matrix[1, 1]
            blocks[rows, :, 6] = focal
            blocks[rows, :, 9:12] = by_point @ state.rotation[c]
        residual -= m.carried_px(state.offset_s, state.drift)
        blocks[:, :, 7] = -m.speed_px_s(state.offset_s, state.drift)
        blocks[:, :, 8] = blocks[:, :, 7] * m.time_s[:, None]
        residual /= m.sigma_px[:, None]
        blocks /= m.sigma_px[:, None, None]
        mask, indices, starts = self._pattern
        pixel_rows = sparse.csr_matrix(
            (blocks[mask], indices, starts), shape=(2 * n, self.columns.count)
        )
        priors = [rows for rows in self._priors(state) if len(rows.residual)]
        groups, robust, first = [np.repeat(np.arange(n), 2)], [np.ones(n, bool)], n
        for rows in priors:
            count = len(rows.residual) // rows.size
            groups.append(first + np.repeat(np.arange(count), rows.size))
            robust.append(np.full(count, rows.robust))
            first += count
        return Linearization(
            np.concatenate([residual.ravel(), *(rows.residual for rows in priors)]),
            sparse.csr_matrix(sparse.vstack([pixel_rows, *(rows.jacobian for rows in priors)])),
            np.concatenate(groups),
            np.concatenate(robust),
        )

    def _lens(self, state: PeopleState, c: int) -> tuple[np.ndarray, np.ndarray, bool]:
        lens = self.lenses[c]
        matrix = lens.matrix * _focal_factor(state.log_focal[c])
        return matrix, lens.packed_distortions, lens.lens == "fisheye"

    # --- what is known beforehand -------------------------------------------------------------

    def _priors(self, state: PeopleState) -> list[Rows]:
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
        pairs = self._pairs
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
        weights = np.where(self._used_bones, self.bones.stature, 0.0)
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


def scaled_lenses(
    lenses: tuple[Intrinsics, ...], log_focal: Float[np.ndarray, " cameras"]
) -> tuple[Intrinsics, ...]:
    """Lenses with their focal lengths multiplied."""
    return tuple(
        replace(lens, matrix=lens.matrix * _focal_factor(log))
        for lens, log in zip(lenses, log_focal, strict=True)
    )


def _focal_factor(log_focal: float) -> Float[np.ndarray, "3 3"]:
    factor = np.ones((3, 3))
    factor[:2, :2] = np.exp(log_focal)
    return factor


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
class _Pairs:
    """Two points of the same person and instant which a bone joins."""

    a: Int[np.ndarray, " pairs"]
    b: Int[np.ndarray, " pairs"]
    bone: Int[np.ndarray, " pairs"]
    person: Int[np.ndarray, " pairs"]


def _bone_pairs(m: Measurements, bones: Bones) -> _Pairs:
    if not m.points:
        nothing = np.zeros(0, np.int64)
        return _Pairs(nothing, nothing, nothing, nothing)
    k = max(int(m.point_keypoint.max()), int(bones.ends.max())) + 1
    table = np.full((int(m.point_person.max()) + 1, len(m.instants_s), k), -1)
    table[m.point_person, m.point_instant, m.point_keypoint] = np.arange(m.points)
    a, b = table[..., bones.ends[:, 0]], table[..., bones.ends[:, 1]]
    person, instant, bone = np.nonzero((a >= 0) & (b >= 0))
    return _Pairs(a[person, instant, bone], b[person, instant, bone], bone, person)
