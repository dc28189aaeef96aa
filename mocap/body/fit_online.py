"""The fit of a body frame by frame, as the frames come: warm-started, without a look ahead.

Each unknown is followed by a filter of position and velocity under white noise acceleration, the
same prior of motion as that of the whole fit. A frame's fit takes the filter's prediction as one
more measurement, and its result as the filter's new state; correlations between unknowns live in
the fit, between frames only variances are kept. The shape is learnt from the first frames, and
then stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import ThreadpoolController

from mocap.arrays import Bool, Float
from mocap.body.fit_config import FitConfig
from mocap.body.fit_contacts import LOW_M, SLOW_M_S
from mocap.body.fit_data import FEWEST_KEYPOINTS, inform
from mocap.body.fit_frame import (
    Prediction,
    farthest,
    fit_frame,
    fit_frame_annealed,
    fit_frame_regaining,
    frame_work,
    linearise,
)
from mocap.body.fit_joint_spread import frame_spread
from mocap.body.fit_kernels import factor_tree, move, variances_tree
from mocap.body.fit_noise import firm_noise, is_trunk
from mocap.body.fit_poses import motion_density
from mocap.body.fit_shape import Poses, reduced_shape_equations
from mocap.body.fit_shape_spread import shape_factor
from mocap.body.fit_start import rough_roots
from mocap.body.fit_tables import PointData, body_tables
from mocap.body.model import BodyModel
from mocap.errors import InputError

_SHAPE_FRAMES = 300
"""The shape is learnt from so many frames."""
_SHAPE_EVERY = 5
"""One in so many frames tells the shape: neighbours say the same."""
_EARLY = (5, 10, 20, 40, 80)
"""After so many of those frames the shape is solved anew, and at the end."""
_SHAPE_SHARE = 0.25
_WIDE = 3e8
_ANCHOR_SIGMA_M = 0.002
_LIFTED_M = 0.04
"""A standing sole which is measured this far from its anchor has left it."""
_FLOOR_SIGMA_M = 0.004
_STEPS = 6
_LOST_S = 1.0
"""After so long without a fit the next frame starts anew."""


@dataclass(frozen=True, eq=False)
class OnlinePose:
    """A body in one frame.

    Attributes:
        time_s: its time.
        root_position_m: world position of the root joint.
        rotations: of each joint relative to its parent; of the root, in the world.
        joint_positions_m: of all joints.
        position_covariance_m2: covariance of each joint's position, the uncertainty of the shape
            included.
        rotation_covariance_rad2: of each joint's rotation as a small rotation vector d in its own
            frame, R exp(d); the same.
        dof_rad: values of the model's degrees of freedom; the root's three are 0.
        sigma: standard deviation of every unknown: the root's position (metres) and rotation
            (radians), then the other degrees of freedom; for the shape as it is known.
        shape: the shape as far as it is known.
        shape_settled: whether the shape will change no more.
        standing: which sole points are held.
        measured: whether the frame had enough keypoints; if not, the pose is predicted.
    """

    time_s: float
    root_position_m: Float[np.ndarray, " 3"]
    rotations: Float[np.ndarray, "joints 3 3"]
    joint_positions_m: Float[np.ndarray, "joints 3"]
    position_covariance_m2: Float[np.ndarray, "joints 3 3"]
    rotation_covariance_rad2: Float[np.ndarray, "joints 3 3"]
    dof_rad: Float[np.ndarray, " dofs"]
    sigma: Float[np.ndarray, " unknowns"]
    shape: Float[np.ndarray, " shape"]
    shape_settled: bool
    standing: Bool[np.ndarray, " soles"]
    measured: bool


class OnlineFitter:
    """Fits one person, frame by frame.

    Args:
        model: the body model.
        config: settings; `shape_frames` and `threads` are not used.
        shape: shape numbers, if they are known from before; then they stay.
    """

    def __init__(
        self,
        model: BodyModel,
        config: FitConfig | None = None,
        shape: Float[np.ndarray, " shape"] | None = None,
    ) -> None:
        self.model = model
        self.config = config or FitConfig()
        names = model.keypoint_names
        self._keypoints = list(range(len(names)))
        self._noise2 = (self.config.model_noise_m * firm_noise(names)) ** 2
        self._trunk = np.array([10.0 if is_trunk(name) else 0.1 for name in names])
        self._settled = shape is not None
        self.shape = np.array(model.shape_mean if shape is None else shape, np.float64)
        self._information = np.diag(1.0 / model.shape_sigma**2)
        self._weighted = self._information @ model.shape_mean
        self._seen = self._told = 0
        self._take_shape(np.zeros((len(self.shape),) * 2) if self._settled else None)
        joints, unknowns = len(self._body.parents), len(self._body.above)
        self._work = frame_work(joints, len(names), unknowns)
        density = motion_density(self._body) / max(self.config.smooth, 1e-9)
        self._density = density
        soles = len(self._body.sole)
        self._anchor = np.zeros((soles, 3))
        self._standing = np.zeros(soles, bool)
        self._sole_m = np.full((soles, 3), np.nan)
        self._slow = np.zeros(soles)
        self._pose = Poses(
            np.zeros((1, 3)), np.zeros((1, 3, 3)), np.zeros((1, len(self._body.axis)))
        )
        self._velocity = np.zeros(unknowns)
        # Variances of value and velocity, and their covariance.
        self._variance = np.zeros((3, unknowns))
        self._spread = np.zeros((2, joints, 3, 3))
        self._threads = ThreadpoolController()
        self._time_s = float("nan")
        self._fitted_s = float("nan")

    def update(
        self,
        time_s: float,
        points_m: Float[np.ndarray, "keypoints 3"],
        covariance_m2: Float[np.ndarray, "keypoints 3 3"],
    ) -> OnlinePose | None:
        """Fits the next frame.

        Args:
            time_s: its time, later than that of the frame before.
            points_m: the model's keypoints, NaN for missing.
            covariance_m2: their covariances.

        Returns:
            The pose; None as long as there was no frame with enough keypoints.

        Raises:
            InputError: the time is not later than that of the frame before.
        """
        if time_s <= self._time_s:
            raise InputError(
                f"a frame at {time_s:g} s came after one at {self._time_s:g} s; frames of a live "
                f"fit must come in order of time"
            )
        measured = np.asarray(np.isfinite(points_m).all(axis=1))
        enough = int(measured.sum()) >= FEWEST_KEYPOINTS
        data = self._data(points_m, covariance_m2, measured)
        known = time_s - self._fitted_s < _LOST_S
        if not known:
            if not enough or not self._start(data, points_m, measured):
                self._time_s = time_s
                return None
            weight = np.zeros(len(self._density))
        else:
            weight = self._predict(time_s - self._time_s)
        P, R, Q = self._pose
        expect = Prediction(
            P[0].copy(),
            R[0].copy(),
            Q[0].copy(),
            weight,
            self._anchor,
            np.where(self._standing, 1.0 / _ANCHOR_SIGMA_M**2, 0.0),
            1.0 / _FLOOR_SIGMA_M**2 if self.config.floor else 0.0,
        )
        if enough:
            fit_frame_regaining(self._body, data, 0, expect, P[0], R[0], Q[0], _STEPS, self._work)
            self._fitted_s = time_s
        self._correct(data, expect, fresh=not known)
        self._find_standing(time_s, points_m, measured)
        self._time_s = time_s
        if enough and not self._settled:
            with self._threads.limit(limits=1):
                self._learn_shape(data, expect)
        return self._result(time_s, enough)

    def _data(
        self, points_m: np.ndarray, covariance: np.ndarray, measured: np.ndarray
    ) -> PointData:
        information = np.zeros((1, len(points_m), 3, 3))
        inform(np.asarray(covariance, np.float64)[None], measured[None], self._noise2, information)
        return PointData(
            np.nan_to_num(np.asarray(points_m, np.float64))[None],
            information,
            np.zeros((1, 0, len(points_m), 2)),
            np.zeros((1, 0, len(points_m))),
            np.zeros((0, 3, 3)),
            np.zeros((0, 8)),
            np.zeros(0, np.bool_),
            np.zeros((0, 4, 4)),
            3.0 * self.config.robust_sigmas**2,
        )

    def _start(self, data: PointData, points_m: np.ndarray, measured: np.ndarray) -> bool:
        """A first pose from the rest pose; whether there is one."""
        rest = np.zeros((len(self._body.parents), 3))
        for j in range(1, len(rest)):
            rest[j] = rest[self._body.parents[j]] + self._body.bone[j]
        rest = self._body.point_local + rest[self._body.point_joint]
        rough_P, rough_R = rough_roots(points_m[None], measured[None], rest, self._trunk)
        if not np.isfinite(rough_P).all():
            return False
        P, R, Q = self._pose
        P[:], R[:], Q[0] = rough_P, rough_R, self._body.rest
        Q[0, :3] = 0.0
        loose = Prediction(
            P[0].copy(),
            R[0].copy(),
            Q[0].copy(),
            np.zeros(len(self._density)),
            self._anchor,
            np.zeros(len(self._anchor)),
            0.0,
        )
        wide = data._replace(robust=_WIDE)
        pose = (P[0], R[0], Q[0])
        fit_frame(self._body, wide, 0, loose, *pose, 40, self._work)
        left = farthest(data, 0, P[0], self._work.points)
        fit_frame_annealed(self._body, data, 0, loose, *pose, _STEPS, self._work, left)
        self._velocity[:] = 0.0
        self._standing[:] = False
        self._sole_m[:] = np.nan
        return True

    def _predict(self, step_s: float) -> np.ndarray:
        """Moves the pose on by its velocity; the weights of what it then says."""
        value, mixed, speed = self._variance
        value += 2 * step_s * mixed + step_s**2 * speed + self._density * step_s**3 / 3
        mixed += step_s * speed + self._density * step_s**2 / 2
        speed += self._density * step_s
        P, R, Q = self._pose
        move(self._body, P[0], R[0], Q[0], self._velocity * step_s)
        return 1.0 / value

    def _correct(self, data: PointData, expect: Prediction, *, fresh: bool) -> None:
        """The filter's state after the fit of a frame."""
        P, R, Q = self._pose
        linearise(self._body, data, 0, expect, P[0], R[0], Q[0], self._work)
        frame_spread(self._body, Q[0], expect.weight, self._factor, self._work, *self._spread)
        self._work.H[np.diag_indices(6)] += 1e-6
        factor_tree(self._body.above, self._work.H)
        after = np.zeros(len(self._density))
        variances_tree(self._body.above, self._work.H, self._work.step, after)
        value, mixed, speed = self._variance
        if fresh:
            value[:] = after
            mixed[:] = 0.0
            speed[:] = 4.0 * self._density
            return
        change = np.concatenate((P[0] - expect.p0, Q[0] - expect.q))
        change[3:6] = _turn(expect.R0, R[0])
        share = np.minimum(after / value, 1.0)
        gain = mixed / value
        self._velocity += gain * change
        speed -= gain * mixed * (1.0 - share)
        mixed *= share
        value *= share

    def _find_standing(self, time_s: float, points_m: np.ndarray, measured: np.ndarray) -> None:
        if not self.config.contacts:
            return
        sole = self._body.sole
        now = self._pose.P[0] + self._work.points[sole]
        step_s = time_s - self._time_s
        if np.isfinite(step_s) and np.isfinite(self._sole_m).all():
            speed = np.linalg.norm(now - self._sole_m, axis=1) / step_s
            memory = np.exp(-step_s / 0.05)
            self._slow = memory * self._slow + (1.0 - memory) * speed
            low = now[:, 2] - self._body.sole_height < LOW_M
            there = measured[sole]
            off = np.linalg.norm(np.nan_to_num(points_m[sole]) - self._anchor, axis=1)
            kept = self._standing & (~there | (off < _LIFTED_M))
            begun = ~self._standing & low & there & (self._slow < 0.5 * SLOW_M_S)
            self._anchor[begun] = now[begun]
            self._standing = kept | begun
        else:
            self._slow[:] = 1.0
        self._sole_m = now

    def _learn_shape(self, data: PointData, expect: Prediction) -> None:
        self._seen += 1
        if self._seen % _SHAPE_EVERY:
            return
        loose = expect._replace(
            weight=np.zeros_like(expect.weight), anchor_weight=np.zeros_like(expect.anchor_weight)
        )
        normal, pull = reduced_shape_equations(
            self._shaped, self._keypoints, self._body, data, 0, loose, self._pose, self._work
        )
        self._information += _SHAPE_SHARE * normal
        self._weighted += _SHAPE_SHARE * (normal @ self.shape + pull)
        self._told += 1
        self._settled = self._seen >= _SHAPE_FRAMES
        if self._told in _EARLY or self._settled:
            self.shape = np.linalg.solve(self._information, self._weighted)
            self._take_shape()

    def _take_shape(self, covariance: Float[np.ndarray, "shape shape"] | None = None) -> None:
        """Tables for the shape of the moment, whose covariance is what is known so far."""
        if covariance is None:
            covariance = np.linalg.inv(self._information)
        self._body = body_tables(self.model, self.shape, self._keypoints)
        self._shaped = self.model.shaped(self.shape)
        self._factor = shape_factor(self._shaped, self._keypoints, covariance)

    def _result(self, time_s: float, enough: bool) -> OnlinePose:
        P, _, Q = self._pose
        world = self._work.orientation.copy()
        local = world.copy()
        parents = self._body.parents
        local[1:] = np.swapaxes(world[parents[1:]], 1, 2) @ world[1:]
        values = Q[0].copy()
        values[:3] = 0.0
        return OnlinePose(
            time_s,
            P[0].copy(),
            local,
            P[0] + self._work.position,
            self._spread[0].copy(),
            self._spread[1].copy(),
            values,
            np.sqrt(self._variance[0]),
            self.shape.copy(),
            self._settled,
            self._standing.copy(),
            enough,
        )


def _turn(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The rotation vector from one root rotation to the next, which is small."""
    between = before.T @ after
    skew = 0.5 * (between - between.T)
    vector = np.array([skew[2, 1], skew[0, 2], skew[1, 0]])
    sine = float(np.linalg.norm(vector))
    if sine < 1e-9:
        return vector
    angle = float(np.arctan2(sine, 0.5 * (np.trace(between) - 1.0)))
    return vector * (angle / sine)
