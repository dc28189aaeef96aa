"""What would explain the disagreement of the cameras: a linear model of small changes.

At every instant the points are eliminated from the normal equations (Schur complement; Triggs et
al., "Bundle Adjustment: A Modern Synthesis", 1999, section 6), and information on small changes of
the cameras is left: their poses, their time offsets, their focal lengths. Sums over instants then
answer questions which the residuals alone do not, because triangulation and adjustment spread the
fault of one camera over all: which camera runs late, which was moved and when.

Significance comes from the spread between blocks of time (the sandwich estimator of White, 1980),
since the residuals of one instant are anything but independent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calibration.checks.tracks import PointTracks, Triangulation
from mocap.arrays import Float, Int
from mocap.geometry.projection import project_points, projection_jacobian, transform_points
from mocap.geometry.rotations import matrix_from_rotvec, skew_matrix
from mocap.model import Camera, Rig

PER_CAMERA = 15
"""Changes of a camera: rotation about its centre (rad, 3, left of its rotation), displacement of
its centre (m, world, 3), time offset (s), logarithm of its focal length, radial distortion (of the
image point, by the square of its distance from the centre in focal lengths), logarithm of fx / fy,
centre (2, in focal lengths), radial distortion by the fourth power, tangential distortion (2)."""
POSE = slice(0, 6)
OFFSET, FOCAL, RADIAL, ASPECT = 6, 7, 8, 9
LENS, WHOLE_LENS = slice(7, 9), slice(7, 15)
BACK = 3
"""After those of all cameras: shift of the print on the target's back, in the target's frame
(m)."""
_PRIOR_SIGMA = np.array(
    [0.3, 0.3, 0.3, 1.0, 1.0, 1.0, 1.0, 0.2, 0.5, 0.02, 0.05, 0.05, 0.5, 0.02, 0.02]
)
"""So loose that it only fixes what nothing measures: the common motion of all cameras, and of
lenses what a pose does as well."""
_BACK_SIGMA = 0.02
_HUBER_SIGMAS = 3.0
_MAX_INSTANTS, _AT_ONCE = 400, 40
_BLOCKS = 40


@dataclass(frozen=True)
class ChangeModel:
    """Normal equations of small changes of all cameras, instant by instant, points eliminated.

    Attributes:
        time_s: the instants, on the session clock.
        information: in units of one over (unit of the change) squared, residuals whitened by
            `sigma_px`.
        gradient: its right-hand side.
        direct: information on each camera without eliminating anything: what a change does to its
            own pixels.
        pixels: number of pixels per instant and camera.
        sigma_px: noise of a usual pixel, robustly from the residuals.
    """

    time_s: Float[np.ndarray, " instants"]
    information: Float[np.ndarray, "instants unknowns unknowns"]
    gradient: Float[np.ndarray, "instants unknowns"]
    direct: Float[np.ndarray, "instants cameras per_camera per_camera"]
    pixels: Int[np.ndarray, "instants cameras"]
    sigma_px: float

    @property
    def cameras(self) -> int:
        """How many."""
        return self.pixels.shape[1]

    def effect_px(
        self, camera: int, change: Float[np.ndarray, " per_camera"], keep: np.ndarray
    ) -> float:
        """How far a change moves the pixels of a camera at some instants, root mean square."""
        count = int(self.pixels[keep, camera].sum())
        if not count:
            return 0.0
        squares = float(change @ self.direct[keep, camera].sum(axis=0) @ change)
        return self.sigma_px * float(np.sqrt(max(squares, 0.0) / count))


@dataclass(frozen=True)
class Estimate:
    """Changes that explain the residuals best.

    Attributes:
        value: of the unknowns that were asked for.
        covariance: of them, from the spread between blocks of time.
        gain: by how much they lower the sum of the whitened squared residuals.
    """

    value: Float[np.ndarray, " chosen"]
    covariance: Float[np.ndarray, "chosen chosen"]
    gain: float

    @property
    def sigma(self) -> Float[np.ndarray, " chosen"]:
        """Standard deviations."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))


def columns(camera: int, which: slice | int) -> Int[np.ndarray, " chosen"]:
    """Positions of a camera's changes among the unknowns."""
    return np.atleast_1d(camera * PER_CAMERA + np.arange(PER_CAMERA)[which])


def pose_columns(cameras: int) -> Int[np.ndarray, " chosen"]:
    """Positions of all cameras' poses."""
    return np.concatenate([columns(c, POSE) for c in range(cameras)])


def lens_columns(cameras: int) -> Int[np.ndarray, " chosen"]:
    """Positions of all that can be wrong with all cameras' lenses."""
    return np.concatenate([columns(c, WHOLE_LENS) for c in range(cameras)])


def back_columns(cameras: int) -> Int[np.ndarray, " 3"]:
    """Positions of the shift of the print on the target's back."""
    return cameras * PER_CAMERA + np.arange(BACK)


def move_columns(cameras: int) -> Int[np.ndarray, " 6"]:
    """Positions of the pose that a camera takes later, in a model `with_move`."""
    return cameras * PER_CAMERA + BACK + np.arange(6)


def change_model(
    rig: Rig, tracks: PointTracks, seen: Triangulation, sigma_px: float | None = None
) -> ChangeModel:
    """Builds the model from tracks and their triangulation with the rig, at most 400 instants.

    Args:
        rig: the cameras.
        tracks: what they saw.
        seen: `triangulate(rig, tracks)`.
        sigma_px: noise; None takes it from the residuals.
    """
    useful = np.flatnonzero((seen.views >= 2).any(axis=1))
    if len(useful) > _MAX_INSTANTS:
        useful = useful[np.linspace(0, len(useful) - 1, _MAX_INSTANTS).round().astype(int)]
    sigma = sigma_px or noise_px(tracks, seen)
    n = len(rig)
    size = n * PER_CAMERA + BACK
    information = np.zeros((len(useful), size, size))
    gradient = np.zeros((len(useful), size))
    direct = np.zeros((len(useful), n, PER_CAMERA, PER_CAMERA))
    count = np.zeros((len(useful), n), np.int64)
    for first in range(0, len(useful), _AT_ONCE):
        rows = useful[first : first + _AT_ONCE]
        by_own, by_point, residual = _whitened(rig, tracks, seen, rows, sigma)
        turn = _target_axes(tracks, seen, rows)
        for k in range(len(rows)):
            row = first + k
            behind = np.zeros(n, bool) if tracks.behind is None else tracks.behind[:, rows[k]]
            across = np.zeros((by_point.shape[2], size, 3))
            inner, pull = np.zeros((len(across), 3, 3)), np.zeros((len(across), 3))
            for c in range(n):
                own, point, r = by_own[c, k], by_point[c, k], residual[c, k]
                place = np.arange(c * PER_CAMERA, (c + 1) * PER_CAMERA)
                flat = own.reshape(-1, PER_CAMERA)
                direct[row, c] = flat.T @ flat
                count[row, c] = np.count_nonzero(point.any(axis=(1, 2)))
                if behind[c]:
                    own = np.concatenate([own, point @ turn[k]], axis=-1)
                    place = np.append(place, size - BACK + np.arange(BACK))
                    flat = own.reshape(-1, len(place))
                information[row][np.ix_(place, place)] += flat.T @ flat
                gradient[row, place] += flat.T @ r.ravel()
                across[:, place] += own.mT @ point
                inner += point.mT @ point
                pull += (point.mT @ r[..., None])[..., 0]
            # A point which only one camera has in front of it tells nothing, and breaks nothing.
            ease = 1e-9 * np.trace(inner, axis1=1, axis2=2) + 1e-12
            inner += ease[:, None, None] * np.eye(3)
            solved = np.linalg.solve(inner, np.concatenate([across.mT, pull[..., None]], axis=-1))
            wide = across.transpose(1, 0, 2).reshape(size, -1)
            tall = solved.reshape(-1, size + 1)
            information[row] -= wide @ tall[:, :-1]
            gradient[row] -= wide @ tall[:, -1]
    return ChangeModel(tracks.time_s[useful], information, gradient, direct, count, sigma)


def _target_axes(tracks: PointTracks, seen: Triangulation, rows: np.ndarray) -> np.ndarray:
    """Rotation of the target in the world at some instants; zero where its points do not tell, so
    that a shift of its back does nothing there."""
    axes = np.zeros((len(rows), 3, 3))
    if tracks.target_m is None or tracks.behind is None or not tracks.behind.any():
        return axes
    for k, row in enumerate(rows):
        known = np.isfinite(seen.points[row]).all(axis=1)
        if known.sum() < 3:
            continue
        flat, space = tracks.target_m[known], seen.points[row][known]
        u, s, vt = np.linalg.svd((space - space.mean(axis=0)).T @ (flat - flat.mean(axis=0)))
        if s[1] > 0.05 * s[0]:
            axes[k] = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    return axes


def _whitened(
    rig: Rig, tracks: PointTracks, seen: Triangulation, rows: np.ndarray, sigma_px: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Derivatives by the cameras' changes and by the points, and residuals, over their standard
    deviations with Huber weights, at some instants: (cameras, instants, points, 2, changes | 3 |
    none), 0 where unseen."""
    shape = (len(rig), len(rows), seen.points.shape[1])
    by_own, by_point = np.zeros((*shape, 2, PER_CAMERA)), np.zeros((*shape, 2, 3))
    residual = np.zeros((*shape, 2))
    enough = seen.views[rows] >= 2
    for c, camera in enumerate(rig):
        left = seen.residual_px[c, rows]
        on = np.nonzero(enough & np.isfinite(left).all(axis=-1))
        scale = sigma_px * tracks.sigma_px[c, rows][on]
        length = np.linalg.norm(left[on], axis=1) / scale
        scale = scale * np.sqrt(np.maximum(1.0, length / _HUBER_SIGMAS))
        velocity = np.nan_to_num(tracks.velocity_px_s[c, rows][on])
        j_point, j_own = _derivatives(camera, seen.points[rows][on], velocity)
        by_point[c][on] = j_point / scale[:, None, None]
        by_own[c][on] = j_own / scale[:, None, None]
        residual[c][on] = left[on] / scale[:, None]
    return by_own, by_point, residual


def noise_px(tracks: PointTracks, seen: Triangulation) -> float:
    """Standard deviation of a usual pixel coordinate, by the median of the residuals."""
    known = np.isfinite(seen.residual_px).all(axis=-1)
    if not known.any():
        return 1.0
    views = np.broadcast_to(seen.views, known.shape)[known]
    # What the fit of the point leaves of the residual, on average.
    left = np.sqrt(np.maximum(2 * views - 3, 0.5) / (2 * views))
    scaled = np.abs(seen.residual_px[known]) / (tracks.sigma_px[known] * left)[:, None]
    return max(1.4826 * float(np.median(scaled)), 1e-3)


def estimate(
    model: ChangeModel, chosen: np.ndarray, nuisance: np.ndarray, keep: np.ndarray | None = None
) -> Estimate:
    """Estimates some changes while others are free as well.

    Args:
        model: the normal equations.
        chosen: positions of the unknowns that are asked for.
        nuisance: positions of those that are free but not asked for.
        keep: mask of the instants that take part; None for all.
    """
    rows = np.ones(len(model.time_s), bool) if keep is None else keep
    unknowns = np.concatenate([chosen, nuisance])
    a = model.information[rows][:, unknowns][:, :, unknowns]
    b = model.gradient[rows][:, unknowns]
    return _solved(a, b, _prior_sigma(unknowns, model.cameras), len(chosen))


def gains_after(
    model: ChangeModel, camera: int, nuisance: np.ndarray
) -> tuple[Float[np.ndarray, " instants"], Float[np.ndarray, "instants 6"]]:
    """What it would explain if one camera stood elsewhere from an instant on, for every instant.

    Args:
        model: the normal equations.
        camera: which one.
        nuisance: positions of unknowns that are free and the same at all instants.

    Returns:
        By how much the sum of the whitened squared residuals would fall, and the change of pose.
    """
    own = columns(camera, POSE)

    def tail(values: np.ndarray) -> np.ndarray:
        return np.cumsum(values[::-1], axis=0)[::-1]

    itself = tail(model.information[:, own][:, :, own])
    cross = tail(model.information[:, own][:, :, nuisance])
    pull = tail(model.gradient[:, own])
    prior = 1 / _prior_sigma(nuisance, model.cameras) ** 2
    total = model.information[:, nuisance][:, :, nuisance].sum(axis=0) + np.diag(prior)
    inverse = np.linalg.inv(total)
    reduced = itself + np.diag(1 / _prior_sigma(own, model.cameras) ** 2)
    reduced = reduced - cross @ inverse @ cross.mT
    left = pull - cross @ (inverse @ model.gradient[:, nuisance].sum(axis=0))
    change = np.linalg.solve(reduced, left[..., None])[..., 0]
    return np.sum(change * left, axis=-1), change


def with_move(model: ChangeModel, camera: int, after: np.ndarray) -> ChangeModel:
    """The model with six more unknowns, at `move_columns`: how a camera stands elsewhere after some
    moment than before it.

    Args:
        model: the normal equations.
        camera: which one.
        after: mask of the instants after the moment.
    """
    own = columns(camera, POSE)
    count, size = model.gradient.shape
    information = np.zeros((count, size + len(own), size + len(own)))
    gradient = np.zeros((count, size + len(own)))
    information[:, :size, :size], gradient[:, :size] = model.information, model.gradient
    beside = model.information[after][:, own]
    information[after, size:, :size] = beside
    information[after, :size, size:] = beside.mT
    information[after, size:, size:] = beside[:, :, own]
    gradient[after, size:] = model.gradient[after][:, own]
    return replace(model, information=information, gradient=gradient)


def moved_rig(rig: Rig, change: Float[np.ndarray, " unknowns"]) -> Rig:
    """The rig after changes of poses, time offsets and focal lengths; distortion stays."""
    cameras: list[Camera] = []
    for c, camera in enumerate(rig):
        own = change[c * PER_CAMERA : (c + 1) * PER_CAMERA]
        rotation = matrix_from_rotvec(own[:3]) @ camera.T_cam_world[:3, :3]
        u, _, vt = np.linalg.svd(rotation)
        pose = np.eye(4)
        pose[:3, :3] = u @ vt
        pose[:3, 3] = -pose[:3, :3] @ (camera.center_world + own[3:6])
        offset = camera.time_offset_s + float(own[OFFSET])
        lens = camera.intrinsics
        if own[FOCAL]:
            matrix = lens.matrix.copy()
            matrix[:2, :2] *= np.exp(own[FOCAL])
            lens = replace(lens, matrix=matrix)
        cameras.append(replace(camera, T_cam_world=pose, time_offset_s=offset, intrinsics=lens))
    return replace(rig, cameras=tuple(cameras))


def _derivatives(
    camera: Camera, point: np.ndarray, velocity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of the predicted pixels by the points, and by the changes of the camera."""
    lens = camera.intrinsics
    intrinsics = (lens.matrix, lens.packed_distortions, lens.lens == "fisheye")
    local = transform_points(camera.T_cam_world, point)
    by_local = projection_jacobian(local, *intrinsics, np.eye(4))
    rotation = camera.T_cam_world[:3, :3]
    own = np.empty((len(point), 2, PER_CAMERA))
    own[:, :, :3] = -by_local @ skew_matrix(local)
    own[:, :, 3:6] = -by_local @ rotation
    # A camera that is later than assumed shows where things were a little earlier.
    own[:, :, OFFSET] = -velocity
    pixels = project_points(local, *intrinsics, np.eye(4))[0]
    own[:, :, FOCAL] = pixels - lens.matrix[:2, 2]
    squares = np.sum((own[:, :, FOCAL] / lens.focal_px) ** 2, axis=1)
    own[:, :, RADIAL] = own[:, :, FOCAL] * squares[:, None]
    place = own[:, :, FOCAL] / lens.focal_px
    own[:, :, ASPECT] = own[:, :, FOCAL] * np.array([0.5, -0.5])
    own[:, :, ASPECT + 1 : ASPECT + 3] = lens.focal_px * np.eye(2)
    own[:, :, ASPECT + 3] = own[:, :, RADIAL] * squares[:, None]
    both = place[:, 0] * place[:, 1]
    own[:, 0, ASPECT + 4], own[:, 1, ASPECT + 4] = 2 * both, squares + 2 * place[:, 1] ** 2
    own[:, 0, ASPECT + 5], own[:, 1, ASPECT + 5] = squares + 2 * place[:, 0] ** 2, 2 * both
    own[:, :, ASPECT + 4 :] *= lens.focal_px
    return by_local @ rotation, own


def _prior_sigma(unknowns: np.ndarray, cameras: int) -> np.ndarray:
    further = np.concatenate([np.full(BACK, _BACK_SIGMA), _PRIOR_SIGMA[POSE]])
    return np.concatenate([np.tile(_PRIOR_SIGMA, cameras), further])[unknowns]


def _solved(a: np.ndarray, b: np.ndarray, sigma: np.ndarray, chosen: int) -> Estimate:
    prior = np.diag(1 / sigma**2)
    total, pull = a.sum(axis=0) + prior, b.sum(axis=0)
    inverse = np.linalg.inv(total)
    value = inverse @ pull
    without = np.arange(chosen, len(sigma))
    rest = total[np.ix_(without, without)]
    gain = float(pull @ value)
    if len(without):
        gain -= float(pull[without] @ np.linalg.solve(rest, pull[without]))
    # Scores of blocks of consecutive instants; neighbours share systematic errors.
    scores = b - a @ value
    edges = np.linspace(0, len(scores), min(len(scores), _BLOCKS) + 1).astype(int)
    blocks = np.add.reduceat(scores, edges[:-1], axis=0) if len(scores) else scores
    spread = blocks.T @ blocks * len(blocks) / max(len(blocks) - 1, 1)
    covariance = inverse @ spread @ inverse
    return Estimate(value[:chosen], covariance[:chosen, :chosen], gain)
