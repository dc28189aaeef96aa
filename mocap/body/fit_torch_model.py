"""Bodies and their kinematics in torch, over stretches and frames at once.

It says the same as `mocap.body.fit_kernels`. Jacobians are analytic. Loops run over the levels of
the joint tree and over the places in a product of rotations, never over frames.
"""

# pyright: basic

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch

from mocap.body.fit_tables import BodyTables


@dataclass(frozen=True)
class Tree:
    """What is the same in all bodies of a batch, as index tensors; G groups of unknowns.

    Attributes:
        parents: of the joints.
        levels: the joints at each depth below the root.
        axis: of the degrees of freedom.
        group: group of each degree of freedom; the root's is 0.
        group_joint: joint of each group.
        slots: per place in a joint's product of rotations, the groups which have that place.
        dof_joint: joint of each degree of freedom.
        moves: whether a degree of freedom moves a keypoint, (D, K).
        point_joint: joint of each keypoint.
        sole: keypoints that touch the floor.
        low: lower limits of the degrees of freedom; of the root none.
        high: upper limits.
        rest: where the pose prior pulls to.
        prior: its weights; 0 for the root.
    """

    parents: torch.Tensor
    levels: tuple[torch.Tensor, ...]
    axis: torch.Tensor
    group: torch.Tensor
    group_joint: torch.Tensor
    slots: tuple[torch.Tensor, ...]
    dof_joint: torch.Tensor
    moves: torch.Tensor
    point_joint: torch.Tensor
    sole: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    rest: torch.Tensor
    prior: torch.Tensor


@dataclass(frozen=True)
class Batch:
    """B stretches of at most F frames: bodies, measurements and ties; see `Stretch`.

    Attributes:
        bone: offset of each joint from its parent, (B, J, 3).
        local: offset of each keypoint from its joint, (B, K, 3).
        valid: which frames there are, (B, F); the others only fill up.
        points: measured keypoints, (B, F, K, 3), finite.
        information: inverses of their covariances, (B, F, K, 3, 3), 0 for missing.
        robust: squared distance of the robust cost, (B,).
        low: 1 / time to the frame before, (B, F-2), of all frames with two neighbours.
        high: 1 / time to the frame after.
        tie: weight of the change of velocity, (B, F-2, N).
        standing: weight of the displacement of soles to the next frame, (B, F-1, S).
        anchor: places of soles, (B, F, S, 3).
        anchor_weight: of these, (B, F, S).
        floor_weight: of soles below the floor, (B,).
    """

    bone: torch.Tensor
    local: torch.Tensor
    valid: torch.Tensor
    points: torch.Tensor
    information: torch.Tensor
    robust: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    tie: torch.Tensor
    standing: torch.Tensor
    anchor: torch.Tensor
    anchor_weight: torch.Tensor
    floor_weight: torch.Tensor

    def chosen(self, rows: torch.Tensor) -> Batch:
        """Some of the stretches."""
        return Batch(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class Posed:
    """Bodies in their poses.

    Attributes:
        joints: positions of the joints, (B, F, J, 3).
        points: of the keypoints, (B, F, K, 3).
        axis: of all rotations, in the world, (B, F, D, 3).
    """

    joints: torch.Tensor
    points: torch.Tensor
    axis: torch.Tensor


@dataclass(frozen=True)
class BatchEquations:
    """Normal equations of B stretches, block pentadiagonal, with held unknowns taken out."""

    A: torch.Tensor
    A1: torch.Tensor
    A2: torch.Tensor
    b: torch.Tensor
    held: torch.Tensor


def tree_of(body: BodyTables, device: torch.device, dtype: torch.dtype) -> Tree:
    """The tree of a body."""
    joints, dofs = len(body.parents), len(body.axis)
    dof_joint = np.repeat(np.arange(joints), np.diff(body.dof_start))
    group = np.cumsum(~body.together) - 1
    group_joint = dof_joint[~body.together]
    slot = np.arange(len(group_joint)) - np.searchsorted(group_joint, group_joint)
    depth = np.zeros(joints, np.int64)
    above = np.zeros((joints, joints), bool)
    above[0, 0] = True
    for j in range(1, joints):
        depth[j] = depth[body.parents[j]] + 1
        above[j] = above[body.parents[j]]
        above[j, j] = True

    def index(array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(np.asarray(array, np.int64), device=device)

    def number(array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(array, dtype=dtype, device=device)

    root = np.arange(dofs) < 3
    # Group 0 is the root's, whose rotation is a matrix already.
    slots = [np.flatnonzero((slot == s) & (group_joint > 0)) for s in range(int(slot.max()) + 1)]
    return Tree(
        parents=index(body.parents),
        levels=tuple(index(np.flatnonzero(depth == d)) for d in range(1, int(depth.max()) + 1)),
        axis=number(body.axis),
        group=index(group),
        group_joint=index(group_joint),
        slots=tuple(index(s) for s in slots if len(s)),
        dof_joint=index(dof_joint),
        moves=number(above[body.point_joint][:, dof_joint].T.copy()),
        point_joint=index(body.point_joint),
        sole=index(body.sole),
        low=number(np.where(root, -np.inf, body.low)),
        high=number(np.where(root, np.inf, body.high)),
        rest=number(np.where(root, 0.0, body.rest)),
        prior=number(np.where(root, 0.0, body.prior)),
    )


def rotation_of(phi: torch.Tensor) -> torch.Tensor:
    """Matrices of rotation vectors, (..., 3) to (..., 3, 3)."""
    angle2 = (phi * phi).sum(-1)
    small = angle2 < 1e-10
    safe = torch.where(small, torch.ones_like(angle2), angle2)
    angle = safe.sqrt()
    a = torch.where(small, 1.0 - angle2 / 6.0, torch.sin(angle) / angle)
    # Half angles, because 1 - cos loses all digits of a small angle.
    half = torch.sin(0.5 * angle) / angle
    b = torch.where(small, 0.5 - angle2 / 24.0, 2.0 * half * half)
    K = _cross_matrix(phi)
    eye = torch.eye(3, dtype=phi.dtype, device=phi.device)
    return eye + a[..., None, None] * K + b[..., None, None] * (K @ K)


def vector_of(R: torch.Tensor) -> torch.Tensor:
    """Rotation vectors of matrices, (..., 3, 3) to (..., 3)."""
    twice = torch.stack(
        (R[..., 2, 1] - R[..., 1, 2], R[..., 0, 2] - R[..., 2, 0], R[..., 1, 0] - R[..., 0, 1]), -1
    )
    sine = 0.5 * torch.linalg.vector_norm(twice, dim=-1)
    diagonal = R.diagonal(dim1=-2, dim2=-1)
    cosine = 0.5 * (diagonal.sum(-1) - 1.0)
    plain = sine > 1e-6
    safe = torch.where(plain, sine, torch.ones_like(sine))
    scale = torch.where(plain, 0.5 * torch.atan2(sine, cosine) / safe, 0.5)
    # Half a turn: the axis is a column of R + 1, and its sign does not matter.
    best = diagonal.argmax(-1)
    column = torch.gather(R + R.mT, -1, best[..., None, None].expand(*R.shape[:-1], 1))[..., 0]
    column = column + 2.0 * torch.nn.functional.one_hot(best, 3)
    half_turn = torch.pi * column / torch.linalg.vector_norm(column, dim=-1, keepdim=True)
    turned = (~plain & (cosine < 0))[..., None]
    return torch.where(turned, half_turn, scale[..., None] * twice)


def _cross_matrix(v: torch.Tensor) -> torch.Tensor:
    zero = torch.zeros_like(v[..., 0])
    x, y, z = v.unbind(-1)
    return torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), -1).reshape(*v.shape, 3)


def _turned_axes(phi: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """Jl(phi) a."""
    angle2 = (phi * phi).sum(-1, keepdim=True)
    small = angle2 < 1e-4
    safe = torch.where(small, torch.ones_like(angle2), angle2)
    angle = safe.sqrt()
    half = torch.sin(0.5 * angle) / angle
    b = torch.where(small, 0.5 - angle2 / 24.0 + angle2**2 / 720.0, 2.0 * half * half)
    c = torch.where(
        small,
        1.0 / 6.0 - angle2 / 120.0 + angle2**2 / 5040.0,
        (angle - torch.sin(angle)) / (safe * angle),
    )
    once = torch.linalg.cross(phi, a.expand_as(phi))
    return a + b * once + c * torch.linalg.cross(phi, once)


def pose(tree: Tree, batch: Batch, P: torch.Tensor, R: torch.Tensor, Q: torch.Tensor) -> Posed:
    """Joints, keypoints and axes of all frames: P (B, F, 3), R (B, F, 3, 3), Q (B, F, D)."""
    shape = Q.shape[:2]
    groups, joints = len(tree.group_joint), len(tree.parents)
    phi = Q.new_zeros(*shape, groups, 3)
    phi.index_add_(2, tree.group[3:], Q[..., 3:, None] * tree.axis[3:])
    turn = rotation_of(phi)
    eye = torch.eye(3, dtype=Q.dtype, device=Q.device)
    local = eye.expand(*shape, joints, 3, 3).clone()
    before = eye.expand(*shape, groups, 3, 3).clone()
    for slot in tree.slots:
        at = tree.group_joint[slot]
        before[:, :, slot] = local[:, :, at]
        local[:, :, at] = local[:, :, at] @ turn[:, :, slot]
    world, place = torch.empty_like(local), Q.new_empty(*shape, joints, 3)
    world[:, :, 0], place[:, :, 0] = R, P
    for level in tree.levels:
        parents = tree.parents[level]
        frame = world[:, :, parents]
        world[:, :, level] = frame @ local[:, :, level]
        bone = batch.bone[:, None, level, :, None]
        place[:, :, level] = place[:, :, parents] + (frame @ bone)[..., 0]
    above = tree.parents[tree.group_joint].clamp(min=0)
    before = world[:, :, above] @ before
    before[:, :, 0] = R
    axis = _turned_axes(phi[:, :, tree.group], tree.axis)
    axis[:, :, :3] = eye
    axis = (before[:, :, tree.group] @ axis[..., None])[..., 0]
    at = tree.point_joint
    points = place[:, :, at] + (world[:, :, at] @ batch.local[:, None, :, :, None])[..., 0]
    return Posed(place, points, axis)


def points_jacobian(tree: Tree, posed: Posed) -> torch.Tensor:
    """Derivatives of the keypoints by the unknowns, (B, F, N, K, 3)."""
    arm = posed.points[:, :, None] - posed.joints[:, :, tree.dof_joint, None]
    turns = torch.linalg.cross(posed.axis[:, :, :, None].expand_as(arm), arm)
    turns = turns * tree.moves[:, :, None]
    eye = torch.eye(3, dtype=arm.dtype, device=arm.device)
    shifts = eye[:, None].expand(*arm.shape[:2], 3, arm.shape[3], 3)
    return torch.cat((shifts, turns), 2)
