"""The one adjustment of cameras, time offsets, people and their bones.

Unknowns are the poses of the cameras, a factor on their focal lengths, their time offsets and the
drift of their clocks (a camera stamps an event of time t with t (1 + drift) + offset), the length
of every bone of every person, and one free 3D point per person, instant and keypoint (see
`calibration.people.unknowns`). The residuals are the pixels, and what is known beforehand (see
`calibration.people.beliefs`).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from calibration.least_squares import Linearization
from calibration.lens_jacobian import project_with_jacobians
from calibration.people.beliefs import Beliefs, bone_pairs
from calibration.people.block_solver import BlockSolver
from calibration.people.measurements import Measurements
from calibration.people.proportions import Bones
from calibration.people.unknowns import PeopleState, Unknowns, columns_of, focal_factor
from mocap.arrays import Float
from mocap.geometry.projection import project_points
from mocap.geometry.rotations import matrix_from_rotvec, skew_matrix
from mocap.model import Intrinsics


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
        pairs = bone_pairs(measurements, bones, people)
        self.columns = columns_of(unknowns, len(lenses), pairs.used, measurements.points)
        self._beliefs = Beliefs(unknowns, self.columns, bones, pairs)
        self._pattern = self._make_pattern()
        m = measurements
        instants = m.point_person * len(m.instants_s) + m.point_instant
        _, group = np.unique(instants, return_inverse=True)
        self.solver = BlockSolver(
            self.columns.count - 3 * m.points, np.repeat(group.astype(np.int64), 3)
        )

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
        priors = self._beliefs.rows(state)
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
        priors = [rows for rows in self._beliefs.rows(state) if len(rows.residual)]
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
        matrix = lens.matrix * focal_factor(state.log_focal[c])
        return matrix, lens.packed_distortions, lens.lens == "fisheye"
