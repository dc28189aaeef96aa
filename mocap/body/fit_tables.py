"""A shaped body model and its measurements as the plain arrays that compiled kernels take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mocap.arrays import Float, Int
from mocap.body.model import BodyModel
from mocap.errors import InputError


class BodyTables(NamedTuple):
    """A body of known shape: J joints, D degrees of freedom, K keypoints, N = D + 3 unknowns.

    The unknowns are the root's position, its rotation (a small vector d in its own frame,
    R exp(d)), and the values of all other degrees of freedom.

    Attributes:
        parents: of the joints.
        bone: offset of each joint from its parent in the rest pose.
        dof_start: first degree of freedom of each joint, and D.
        axis: of the degrees of freedom.
        together: whether it makes one rotation vector with the one before.
        low: lower limits, -inf for none.
        high: upper limits.
        rest: where the pose prior pulls to.
        prior: its weights, 1 / sigma^2; 0 for none.
        above: per unknown, the unknown next nearer to the root on its chain; -1 for the first.
        point_joint: the joint each keypoint is attached to.
        point_local: its offset from that joint in the rest pose.
        sole: keypoints that touch the floor.
        sole_height: their heights when the foot stands on the floor.
    """

    parents: Int[np.ndarray, " joints"]
    bone: Float[np.ndarray, "joints 3"]
    dof_start: Int[np.ndarray, " joints_and_one"]
    axis: Float[np.ndarray, "dofs 3"]
    together: np.ndarray
    low: Float[np.ndarray, " dofs"]
    high: Float[np.ndarray, " dofs"]
    rest: Float[np.ndarray, " dofs"]
    prior: Float[np.ndarray, " dofs"]
    above: Int[np.ndarray, " unknowns"]
    point_joint: Int[np.ndarray, " keypoints"]
    point_local: Float[np.ndarray, "keypoints 3"]
    sole: Int[np.ndarray, " soles"]
    sole_height: Float[np.ndarray, " soles"]


class PointData(NamedTuple):
    """What was measured of K keypoints in F frames: in 3D, or as pixels of V cameras.

    Attributes:
        points: measured positions; 0 where missing.
        information: inverses of their covariances; 0 where missing.
        pixels: measured pixels.
        pixel_weight: 1 / sigma^2 of each; 0 where missing.
        matrix: camera matrices.
        distortion: their padded distortions.
        fisheye: whether the lens is a fisheye.
        T_cam_world: world to camera.
        robust: squared distance in sigmas at which a measurement's pull is largest (Geman-McClure).
    """

    points: Float[np.ndarray, "frames keypoints 3"]
    information: Float[np.ndarray, "frames keypoints 3 3"]
    pixels: Float[np.ndarray, "frames cameras keypoints 2"]
    pixel_weight: Float[np.ndarray, "frames cameras keypoints"]
    matrix: Float[np.ndarray, "cameras 3 3"]
    distortion: Float[np.ndarray, "cameras 8"]
    fisheye: np.ndarray
    T_cam_world: Float[np.ndarray, "cameras 4 4"]
    robust: float

    def frames(self, start: int, stop: int) -> PointData:
        """The data of some frames."""
        return self._replace(
            points=self.points[start:stop],
            information=self.information[start:stop],
            pixels=self.pixels[start:stop],
            pixel_weight=self.pixel_weight[start:stop],
        )

    def chosen(self, rows: np.ndarray) -> PointData:
        """The data of chosen frames."""
        return self._replace(
            points=self.points[rows],
            information=self.information[rows],
            pixels=self.pixels[rows],
            pixel_weight=self.pixel_weight[rows],
        )

    @property
    def seen(self) -> np.ndarray:
        """Whether a keypoint was measured in a frame, (F, K)."""
        by_views = (self.pixel_weight > 0).sum(axis=1) >= 2
        return by_views | (self.information[:, :, 0, 0] > 0)


_SOLE_PARTS = ("heel", "big_toe", "small_toe")


def body_tables(model: BodyModel, shape: np.ndarray, keypoints: Sequence[int]) -> BodyTables:
    """The tables of a body.

    Args:
        model: the body model.
        shape: its shape numbers.
        keypoints: the keypoints of the model that are fitted.

    Raises:
        InputError: the model's degrees of freedom are not as `mocap.body.model.Dofs` says.
    """
    shaped = model.shaped(shape)
    parents = np.array(model.tree.parents, np.int64)
    rest = shaped.rest_joints_m
    bone = rest - rest[np.maximum(parents, 0)]
    bone[0] = 0.0
    dofs = model.dofs
    _check_dofs(model)
    joints = len(parents)
    dof_start = np.searchsorted(dofs.joint, np.arange(joints + 1)).astype(np.int64)
    last = np.full(joints, -1, np.int64)
    above = np.full(len(dofs.names) + 3, -1, np.int64)
    above[1:3] = (0, 1)
    for j in range(joints):
        before = last[parents[j]] if j else 2
        for i in range(dof_start[j] + 3, dof_start[j + 1] + 3):
            above[i] = before
            before = i
        last[j] = before
    chosen = np.asarray(keypoints, np.int64)
    point_joint = np.asarray(model.keypoint_joint, np.int64)[chosen]
    names = [model.keypoint_names[k] for k in chosen]
    sole = [k for k, name in enumerate(names) if name.partition("_")[2] in _SOLE_PARTS]
    floor = _rest_floor(model, shaped.keypoints_m)
    up = _up_axis(model)
    with np.errstate(divide="ignore"):
        prior = np.where(np.isfinite(dofs.sigma_rad), 1.0 / np.square(dofs.sigma_rad), 0.0)
    return BodyTables(
        parents,
        np.ascontiguousarray(bone, np.float64),
        dof_start,
        np.ascontiguousarray(dofs.axis, np.float64),
        np.asarray(dofs.together, np.bool_),
        np.array(dofs.limits_rad[:, 0], np.float64),
        np.array(dofs.limits_rad[:, 1], np.float64),
        np.array(np.nan_to_num(dofs.rest_rad), np.float64),
        prior,
        above,
        point_joint,
        np.ascontiguousarray(shaped.keypoints_m[chosen] - rest[point_joint], np.float64),
        np.array(sole, np.int64),
        np.array([shaped.keypoints_m[chosen[k], up] - floor for k in sole], np.float64),
    )


def _up_axis(model: BodyModel) -> int:
    """Which axis of the rest pose points up: Z of the skeleton, Y of the SMPL family."""
    rest = model.shaped(model.shape_mean).rest_joints_m
    return int(np.argmax(np.ptp(rest, axis=0)[1:])) + 1


def _rest_floor(model: BodyModel, keypoints_m: np.ndarray) -> float:
    up = _up_axis(model)
    heights = [
        keypoints_m[k, up]
        for k, name in enumerate(model.keypoint_names)
        if name.partition("_")[2] in _SOLE_PARTS
    ]
    return min(heights, default=0.0)


def _check_dofs(model: BodyModel) -> None:
    dofs = model.dofs
    sound = (
        np.array_equal(dofs.joint[:3], (0, 0, 0))
        and (np.diff(dofs.joint) >= 0).all()
        and np.array_equal(dofs.together[:3], (False, True, True))
        and (len(dofs.joint) == 3 or dofs.joint[3] > 0)
        and np.allclose(np.linalg.norm(dofs.axis, axis=1), 1.0)
    )
    if not sound:
        raise InputError(
            f"body model {model.name!r} is damaged: its root must have the first three degrees of "
            f"freedom, all axes unit length, joints ascending"
        )
