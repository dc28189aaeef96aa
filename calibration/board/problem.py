"""The joint adjustment of cameras, lenses, clocks and the target's path, as equations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from calibration.block_jacobian import BlockJacobian, BlockPattern
from calibration.board.path import Path, PathLayout, blended_poses, quaternion_product
from calibration.board.unknowns import BoardState, LensFreedom, PathPrior, columns_of
from calibration.board.views import ViewTable
from calibration.least_squares import Linearization
from calibration.lens_jacobian import project_with_jacobians
from mocap.arrays import Bool, Float
from mocap.geometry.projection import project_points
from mocap.geometry.rotations import matrix_from_rotvec, skew_matrix

_IDENTITY = np.eye(4)


class BoardProblem:
    """Residuals of all views and of the priors.

    Args:
        points_m: of the target.
        table: the views.
        use: which of the seen points take part.
        sigma_px: standard deviation of a usual point of each camera.
        fisheye: which cameras have a fisheye lens.
        skew: of each camera matrix.
        freedoms: of the lenses.
        lens_start: the lenses about which the priors stand.
        layout: of the path.
        prior: of the path; None for free instants.
        reference: the camera whose pose and clock are held.
        solve_offset: whether the other cameras' offsets are unknowns.
        solve_drift: whether their drifts are.
        back_sigma_m: what is known of the shift of the print on the back, about none; 0: it is
            held.
    """

    def __init__(
        self,
        points_m: Float[np.ndarray, "points 3"],
        table: ViewTable,
        use: Bool[np.ndarray, "views points"],
        sigma_px: Float[np.ndarray, " cameras"],
        fisheye: Bool[np.ndarray, " cameras"],
        skew: Float[np.ndarray, " cameras"],
        freedoms: Sequence[LensFreedom],
        lens_start: Float[np.ndarray, "cameras 12"],
        layout: PathLayout,
        prior: PathPrior | None,
        *,
        reference: int = 0,
        solve_offset: bool = False,
        solve_drift: bool = False,
        back_sigma_m: float = 0.0,
    ) -> None:
        self.points_m, self.table, self.use, self.layout = points_m, table, use, layout
        self.fisheye, self.skew, self.freedoms = fisheye, skew, tuple(freedoms)
        self._lens_start = lens_start
        sigma = sigma_px[table.camera][:, None] * table.sigma
        self._whitening = np.where(use, 1.0 / sigma, 0.0)
        self.columns = columns_of(
            self.freedoms,
            layout.knots,
            reference,
            (solve_offset, solve_drift),
            back_sigma_m > 0,
            prior is None,
        )
        self._back_sigma_m = back_sigma_m
        self._cameras = [np.flatnonzero(table.camera == c) for c in range(len(fisheye))]
        self._picked = [np.nonzero(use[views]) for views in self._cameras]
        self._differences = layout.differences(2), layout.differences(1)
        self._prior = prior
        self._priors = self._constant_priors()
        turns = 0 if prior is None else 4 * sum(len(m.indptr) - 1 for m in self._differences)
        rows = len(self._priors.indptr) - 1 + turns
        self._group = np.append(np.arange(2 * use.size) // 2, use.size + np.arange(rows))
        self._robust = np.arange(use.size + rows) < use.size
        self._pattern: tuple[np.ndarray, BlockPattern] | None = None

    def residual(self, state: BoardState) -> Float[np.ndarray, " rows"]:
        """Whitened residuals: two per point and view (zero where not in use), then the priors."""
        poses = blended_poses(state.path, *self.layout.blend(state.time_s(self.table)))
        predicted = np.zeros_like(self.table.pixels)
        for c, views in enumerate(self._cameras):
            view, point = self._picked[c]
            chosen = views[view]
            local = self._local(state, chosen, point)
            world = np.einsum("nij,nj->ni", poses.rotation[chosen], local)
            world += poses.position_m[chosen]
            pose = _IDENTITY.copy()
            pose[:3, :3], pose[:3, 3] = state.rotation[c], state.translation_m[c]
            predicted[chosen, point] = project_points(
                world, self.matrix(state, c), state.lens[c, 4:], bool(self.fisheye[c]), pose
            )[0]
        return np.concatenate([self._whitened(predicted), self._prior_residual(state)])

    def linearize(self, state: BoardState) -> Linearization:
        """Residual and derivative."""
        time_s = state.time_s(self.table)
        knots, weight, slope = self.layout.blend(time_s)
        poses = blended_poses(state.path, knots, weight, slope)
        views, count = self.use.shape
        order, free = self.layout.order, self.columns.lens.shape[1]
        width = 8 + free + 6 * order + 3
        values = np.zeros((views, count, 2, width))
        predicted = np.zeros_like(self.table.pixels)
        for c, mine in enumerate(self._cameras):
            view, point = self._picked[c]
            chosen = mine[view]
            local = self._local(state, chosen, point)
            arm = np.einsum("nij,nj->ni", poses.rotation[chosen], local)
            turned = (arm + poses.position_m[chosen]) @ state.rotation[c].T
            pixels, by_cam, by_lens = project_with_jacobians(
                turned + state.translation_m[c],
                self.matrix(state, c),
                state.lens[c, 4:],
                bool(self.fisheye[c]),
            )
            predicted[chosen, point] = pixels
            by_world = by_cam @ state.rotation[c]
            # A turn w of the target moves a point by w x arm.
            by_turn = -by_world @ skew_matrix(arm)
            block = np.empty((len(point), 2, width))
            block[:, :, :3] = -by_cam @ skew_matrix(turned)
            block[:, :, 3:6] = by_cam
            by_time = np.einsum("nij,nj->ni", by_turn, poses.turning[chosen])
            by_time += np.einsum("nij,nj->ni", by_world, poses.velocity[chosen])
            rate = 1 + state.drift[c]
            block[:, :, 6] = -by_time / rate
            block[:, :, 7] = -by_time * (time_s[chosen] / rate)[:, None]
            block[:, :, 8 : 8 + free] = 0.0
            basis = self.freedoms[c].basis
            block[:, :, 8 : 8 + basis.shape[1]] = by_lens @ basis
            for k in range(order):
                first = 8 + free + 6 * k
                block[:, :, first : first + 3] = by_turn @ poses.by_knot[chosen, k]
                block[:, :, first + 3 : first + 6] = by_world * weight[chosen, k, None, None]
            behind = self.table.back[chosen, None, None]
            block[:, :, -3:] = np.where(behind, by_world @ poses.rotation[chosen], 0.0)
            values[chosen, point] = block * -self._whitening[chosen, point, None, None]
        priors = sparse.csr_matrix(sparse.vstack([self._priors, self._turn_priors(state)]))
        jacobian = BlockJacobian(
            self._pattern_of(knots), values.reshape(views, 2 * count, width), priors
        )
        residual = np.concatenate([self._whitened(predicted), self._prior_residual(state)])
        return Linearization(residual, jacobian, self._group, self._robust)

    def moved(self, state: BoardState, step: Float[np.ndarray, " unknowns"]) -> BoardState:
        """The state after a step."""
        step = np.append(step, 0.0)
        pose, clock = step[self.columns.pose], step[self.columns.clock]
        knot, lens = step[self.columns.knot], step[self.columns.lens]
        turn = np.column_stack([np.zeros(len(knot)), 0.5 * knot[:, :3]])
        quaternion = state.path.quaternion
        quaternion = quaternion + quaternion_product(turn, quaternion)
        quaternion = quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)
        new_lens = state.lens.copy()
        for c, freedom in enumerate(self.freedoms):
            change = freedom.basis @ lens[c, : freedom.free]
            new_lens[c, : len(change)] += change
        return BoardState(
            matrix_from_rotvec(pose[:, :3]) @ state.rotation,
            state.translation_m + pose[:, 3:],
            new_lens,
            state.offset_s + clock[:, 0],
            state.drift + clock[:, 1],
            Path(quaternion, state.path.position_m + knot[:, 3:]),
            state.back_m + step[self.columns.back],
        )

    def predicted(
        self, state: BoardState, time_s: Float[np.ndarray, " views"] | None = None
    ) -> Float[np.ndarray, "views points 2"]:
        """Pixels of every point of the target in every view, in use or not, at the views' own
        session times unless others are given; NaN behind a camera."""
        time_s = state.time_s(self.table) if time_s is None else time_s
        poses = blended_poses(state.path, *self.layout.blend(time_s))
        local = self.points_m + np.where(self.table.back[:, None, None], state.back_m, 0.0)
        world = local @ np.swapaxes(poses.rotation, 1, 2) + poses.position_m[:, None]
        result = np.empty_like(self.table.pixels)
        for c, views in enumerate(self._cameras):
            pose = _IDENTITY.copy()
            pose[:3, :3], pose[:3, 3] = state.rotation[c], state.translation_m[c]
            result[views] = project_points(
                world[views], self.matrix(state, c), state.lens[c, 4:], bool(self.fisheye[c]), pose
            )[0]
        return result

    def _local(self, state: BoardState, views: np.ndarray, point: np.ndarray) -> np.ndarray:
        behind = self.table.back[views, None]
        return self.points_m[point] + np.where(behind, state.back_m, 0.0)

    def matrix(self, state: BoardState, camera: int) -> Float[np.ndarray, "3 3"]:
        """Camera matrix."""
        fx, fy, cx, cy = state.lens[camera, :4]
        return np.array([[fx, self.skew[camera], cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])

    def _whitened(self, predicted: np.ndarray) -> np.ndarray:
        difference = (self.table.pixels - predicted) * self._whitening[..., None]
        return difference.reshape(-1)

    def _pattern_of(self, knots: np.ndarray) -> BlockPattern:
        """The pattern, which changes only when a view moves from one span to another."""
        if self._pattern is None or not np.array_equal(self._pattern[0], knots):
            columns, c = self.columns, self.table.camera
            of_knots = columns.knot[knots].reshape(len(c), -1)
            blocks = np.concatenate(
                [
                    columns.pose[c],
                    columns.clock[c],
                    columns.lens[c],
                    of_knots,
                    np.broadcast_to(columns.back, (len(c), 3)),
                ],
                axis=1,
            )
            self._pattern = (knots, BlockPattern(blocks, columns.total))
        return self._pattern[1]

    def _constant_priors(self) -> sparse.csr_matrix:
        """Derivative of the priors of lenses and positions, which is the same everywhere."""
        total, knots = self.columns.total, self.layout.knots
        parts = [sparse.csr_matrix((0, total))]
        for c, freedom in enumerate(self.freedoms):
            if freedom.free:
                block = np.zeros((freedom.free, total))
                block[:, self.columns.lens[c, : freedom.free]] = _whitener(freedom.covariance)
                parts.append(sparse.csr_matrix(block))
        if self._back_sigma_m > 0:
            block = np.zeros((3, total))
            block[:, self.columns.back] = np.eye(3) / self._back_sigma_m
            parts.append(sparse.csr_matrix(block))
        if self._prior is not None:
            for axis in range(3):
                entries = (np.ones(knots), (np.arange(knots), self.columns.knot[:, 3 + axis]))
                place = sparse.csr_matrix(entries, shape=(knots, total))
                parts += [matrix @ place for matrix in self._smoothness(self._prior.shift_m)]
        return sparse.csr_matrix(sparse.vstack(parts))

    def _turn_priors(self, state: BoardState) -> sparse.csr_matrix:
        """Derivative of the priors of the knots' rotations."""
        if self._prior is None:
            return sparse.csr_matrix((0, self.columns.total))
        knots = self.layout.knots
        # A small turn w moves a quaternion by (0, w / 2) * q.
        half = np.concatenate([np.zeros((3, 1)), 0.5 * np.eye(3)], axis=1)
        moves = quaternion_product(half[None], state.path.quaternion[:, None])
        parts: list[sparse.csr_matrix] = []
        for axis in range(4):
            rows = np.arange(knots).repeat(3)
            entries = (moves[:, :, axis].ravel(), (rows, self.columns.knot[:, :3].ravel()))
            place = sparse.csr_matrix(entries, shape=(knots, self.columns.total))
            parts += [matrix @ place for matrix in self._smoothness(0.5 * self._prior.turn_rad)]
        return sparse.csr_matrix(sparse.vstack(parts))

    def _smoothness(self, sigma: float) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        # Velocity is known to nothing but an order of magnitude, which keeps short pieces finite.
        second, first = self._differences
        return sparse.csr_matrix(second / sigma), sparse.csr_matrix(first / (30 * sigma))

    def _prior_residual(self, state: BoardState) -> np.ndarray:
        parts = [np.zeros(0)]
        for c, freedom in enumerate(self.freedoms):
            if freedom.free:
                rows = freedom.basis.shape[0]
                change = (state.lens - self._lens_start)[c, :rows]
                numbers = np.linalg.lstsq(freedom.basis, change, rcond=None)[0]
                parts.append(_whitener(freedom.covariance) @ numbers)
        if self._back_sigma_m > 0:
            parts.append(state.back_m / self._back_sigma_m)
        if self._prior is not None:
            for values, sigma in (
                (state.path.position_m, self._prior.shift_m),
                (state.path.quaternion, 0.5 * self._prior.turn_rad),
            ):
                for axis in range(values.shape[1]):
                    parts += [matrix @ values[:, axis] for matrix in self._smoothness(sigma)]
        return np.concatenate(parts)


def _whitener(covariance: np.ndarray) -> np.ndarray:
    """W with W C W^T = 1."""
    sigma = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(sigma, sigma)
    return np.linalg.inv(np.linalg.cholesky(correlation)) / sigma
