"""Cost and normal equations of the fit in torch, over stretches and frames at once.

The terms are those of `mocap.body.fit_smooth`: keypoints in 3D by their information with the robust
cost of Geman and McClure, pose prior, floor, anchors and displacement of standing soles, and white
noise acceleration of every unknown, which ties each frame to the next two.
"""

# pyright: basic

from __future__ import annotations

import torch

from mocap.body.fit_smooth import HELD_RAD
from mocap.body.fit_torch_model import (
    Batch,
    BatchEquations,
    Posed,
    Tree,
    points_jacobian,
    pose,
    vector_of,
)


def batch_cost(
    tree: Tree, batch: Batch, P: torch.Tensor, R: torch.Tensor, Q: torch.Tensor
) -> torch.Tensor:
    """The cost of each stretch, (B,)."""
    posed = pose(tree, batch, P, R, Q)
    off = batch.points - posed.points
    d2 = (off * (batch.information @ off[..., None])[..., 0]).sum(-1)
    c = batch.robust[:, None, None]
    total = (d2 * c / (c + d2)).sum((1, 2))
    soles = posed.points[:, :, tree.sole]
    below = soles[..., 2].clamp(max=0.0) * batch.valid[..., None]
    total = total + batch.floor_weight * (below * below).sum((1, 2))
    off = batch.anchor - soles
    total = total + (batch.anchor_weight * (off * off).sum(-1)).sum((1, 2))
    rest = (tree.rest - Q) * batch.valid[..., None]
    total = total + (tree.prior * rest * rest).sum((1, 2))
    slip = soles[:, 1:] - soles[:, :-1]
    total = total + (batch.standing * (slip * slip).sum(-1)).sum((1, 2))
    jerk = _jerk(batch, P, R, Q)
    return 0.5 * (total + (batch.tie * jerk * jerk).sum((1, 2)))


def batch_equations(
    tree: Tree, batch: Batch, P: torch.Tensor, R: torch.Tensor, Q: torch.Tensor
) -> BatchEquations:
    """The normal equations of each stretch; unknowns at a limit and pulled beyond it are held."""
    posed = pose(tree, batch, P, R, Q)
    J = points_jacobian(tree, posed)
    W, g = _pulls(tree, batch, posed)
    flat = J.flatten(3)
    A = (J[..., None, :] @ W[:, :, None]).flatten(3) @ flat.mT
    b = (flat @ g.flatten(2)[..., None])[..., 0]
    prior = torch.nn.functional.pad(tree.prior, (3, 0)) * batch.valid[..., None]
    b[..., 3:] += prior[..., 3:] * (tree.rest - Q)
    # Frames that only fill up stay where they are.
    A.diagonal(dim1=-2, dim2=-1).add_(prior + 1.0 - batch.valid[..., None])
    A1 = A.new_zeros(A.shape[0], A.shape[1] - 1, *A.shape[2:])
    _hold_soles(tree, batch, posed, J, A, A1, b)
    A2 = _tie(batch, P, R, Q, A, A1, b)
    held = torch.zeros_like(b, dtype=torch.bool)
    pull = b[..., 3:]
    held[..., 3:] = ((tree.low >= Q) & (pull < 0)) | ((tree.high <= Q) & (pull > 0))
    free = (~held).to(b.dtype)
    A *= free[..., :, None] * free[..., None, :]
    A.diagonal(dim1=-2, dim2=-1).add_((1.0 - free) / HELD_RAD**2)
    A1 *= free[:, 1:, :, None] * free[:, :-1, None, :]
    A2 *= free[:, 2:] * free[:, :-2]
    return BatchEquations(A, A1, A2, b * free, held)


def _pulls(tree: Tree, batch: Batch, posed: Posed) -> tuple[torch.Tensor, torch.Tensor]:
    """Information W and pull g of every keypoint, with those of floor and anchors."""
    off = batch.points - posed.points
    pull = (batch.information @ off[..., None])[..., 0]
    c = batch.robust[:, None, None]
    share = (c / (c + (off * pull).sum(-1))) ** 2
    W, g = share[..., None, None] * batch.information, share[..., None] * pull
    soles = posed.points[:, :, tree.sole]
    below = soles[..., 2].clamp(max=0.0) * batch.valid[..., None]
    weight = batch.floor_weight[:, None, None] * (below < 0)
    extra = torch.diag_embed(batch.anchor_weight[..., None].expand(*batch.anchor.shape)).clone()
    extra[..., 2, 2] += weight
    pull = batch.anchor_weight[..., None] * (batch.anchor - soles)
    pull[..., 2] -= weight * below
    return W.index_add_(2, tree.sole, extra), g.index_add_(2, tree.sole, pull)


def _hold_soles(
    tree: Tree,
    batch: Batch,
    posed: Posed,
    J: torch.Tensor,
    A: torch.Tensor,
    A1: torch.Tensor,
    b: torch.Tensor,
) -> None:
    """Adds what keeps standing soles from moving between two frames."""
    if not (batch.standing > 0).any():
        return
    soles = posed.points[:, :, tree.sole]
    off = (soles[:, :-1] - soles[:, 1:]).flatten(2)[..., None]
    sole_J = J[:, :, :, tree.sole].flatten(3)
    before, here = sole_J[:, :-1], sole_J[:, 1:]
    weight = batch.standing.repeat_interleave(3, -1)[:, :, None]
    A[:, 1:] += (here * weight) @ here.mT
    A[:, :-1] += (before * weight) @ before.mT
    A1 -= (here * weight) @ before.mT
    b[:, 1:] += ((here * weight) @ off)[..., 0]
    b[:, :-1] -= ((before * weight) @ off)[..., 0]


def _jerk(batch: Batch, P: torch.Tensor, R: torch.Tensor, Q: torch.Tensor) -> torch.Tensor:
    """Changes of velocity, (B, F-2, N)."""
    turn = vector_of(R[:, :-1].mT @ R[:, 1:])
    steps = torch.cat((P[:, 1:] - P[:, :-1], turn, Q[:, 1:, 3:] - Q[:, :-1, 3:]), -1)
    return steps[:, 1:] * batch.high[..., None] - steps[:, :-1] * batch.low[..., None]


def _tie(
    batch: Batch,
    P: torch.Tensor,
    R: torch.Tensor,
    Q: torch.Tensor,
    A: torch.Tensor,
    A1: torch.Tensor,
    b: torch.Tensor,
) -> torch.Tensor:
    """Adds the ties of smooth motion; returns the diagonals of the blocks (t+2, t)."""
    if P.shape[1] < 3:
        return b.new_zeros(b.shape[0], 0, b.shape[2])
    jerk = batch.tie * _jerk(batch, P, R, Q)
    low, high = batch.low[..., None], batch.high[..., None]
    middle = low + high
    own, next_one = A.diagonal(dim1=-2, dim2=-1), A1.diagonal(dim1=-2, dim2=-1)
    own[:, :-2] += batch.tie * low * low
    own[:, 1:-1] += batch.tie * middle * middle
    own[:, 2:] += batch.tie * high * high
    next_one[:, :-1] -= batch.tie * low * middle
    next_one[:, 1:] -= batch.tie * high * middle
    b[:, :-2] -= low * jerk
    b[:, 1:-1] += middle * jerk
    b[:, 2:] -= high * jerk
    return batch.tie * low * high
