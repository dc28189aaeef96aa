"""The fit of known bodies in torch, batched over people and frames, for a graphics card.

The cost is that of the compiled fit (`mocap.body.fit_smooth`), smoothness over time included, and
so are the steps: Levenberg-Marquardt, each stretch with its own damping. All stretches of all
people are fitted at the same time, and the frames of a stretch too: its system is block
pentadiagonal in time and is solved by odd-even reduction. What it does not do: find the shape,
first poses and covariances, and fit pixels; these stay with the compiled fit.

Unlike most of this package, importing this module imports torch.
"""

# pyright: basic

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from mocap.body.fit_frame import LARGEST_TURN
from mocap.body.fit_shape import Poses
from mocap.body.fit_smooth import Stretch
from mocap.body.fit_tables import BodyTables, PointData
from mocap.body.fit_torch_cost import batch_cost, batch_equations
from mocap.body.fit_torch_model import Batch, Tree, rotation_of, tree_of
from mocap.body.fit_torch_solve import solve_pentadiagonal
from mocap.errors import InputError

_MEMORY_SHARE = 0.4
"""Share of the free memory of a card that one batch may take, by a rough count."""
_CPU_BYTES = 1e9
_LEAST = 1e-6
"""Added to the diagonal, as in the compiled fit of a frame: unknowns that nothing tells of stay."""


class Fitted(NamedTuple):
    """One stretch after its fit.

    Attributes:
        poses: its poses.
        first: the cost before.
        cost: the cost after.
    """

    poses: Poses
    first: float
    cost: float


class _State(NamedTuple):
    P: torch.Tensor
    R: torch.Tensor
    Q: torch.Tensor


def has_cuda() -> bool:
    """Whether torch finds a CUDA graphics card."""
    return torch.cuda.is_available()


def device_name(name: str) -> str:
    """What a device is called, such as the name of a graphics card."""
    device = torch_device(name)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads"


def torch_device(name: str) -> torch.device:
    """The device of a name such as "cpu" and "cuda".

    Raises:
        InputError: there is no such device here.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"there is no device {name!r}; use cpu or cuda") from None
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"the fit does not run on device {name!r}; use cpu or cuda")
    if device.type == "cuda":
        count = torch.cuda.device_count() if has_cuda() else 0
        if not count:
            raise InputError(
                f"device {name!r} was asked for, but torch {torch.__version__} finds no CUDA "
                f"graphics card; 'mocap doctor' says more. Use the device cpu"
            )
        if (device.index or 0) >= count:
            raise InputError(f"there is no device {name!r}, only {count} CUDA graphics cards")
    return device


def fit_stretches(
    bodies: Sequence[BodyTables],
    data: Sequence[PointData],
    stretches: Sequence[Stretch],
    poses: Sequence[Poses],
    *,
    iterations: int,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
    tolerance: float = 1e-4,
) -> list[Fitted]:
    """Fits stretches of frames, each as a whole, all at the same time.

    Args:
        bodies: the body of each stretch: of the same model with the same keypoints; lengths may
            differ.
        data: what was measured in each stretch, in 3D.
        stretches: how the frames of each are tied.
        poses: where each starts; not changed.
        iterations: most steps.
        device: "cpu" or "cuda".
        dtype: float64, or float32, which a sole held within half a millimetre is too stiff for.
        tolerance: a stretch is done when a step lowers its cost by a smaller share than this, or
            turns nothing by ten times as many radians.

    Raises:
        InputError: there is no such device, the bodies are not of one model, or there are pixels.
    """
    where = torch_device(device)
    if not bodies:
        return []
    _check(bodies, data)
    tree = tree_of(bodies[0], where, dtype)
    order = np.argsort([-len(p.P) for p in poses], kind="stable")
    result: dict[int, Fitted] = {}
    most = _most_frames(bodies[0], where, dtype)
    while len(order):
        # In order of length, so that short ones are not filled up to the longest.
        count = max(1, most // len(poses[order[0]].P))
        chosen, order = order[:count], order[count:]
        batch, state = pack(
            [bodies[i] for i in chosen],
            [data[i] for i in chosen],
            [stretches[i] for i in chosen],
            [poses[i] for i in chosen],
            where,
            dtype,
        )
        first, cost, state = _descend(tree, batch, state, iterations, tolerance)
        host = [_host(tensor) for tensor in (*state, first, cost)]
        for row, i in enumerate(chosen):
            frames = len(poses[i].P)
            found = Poses(*(array[row, :frames].copy() for array in host[:3]))
            result[int(i)] = Fitted(found, float(host[3][row]), float(host[4][row]))
    return [result[i] for i in range(len(poses))]


def fit_frames(
    bodies: Sequence[BodyTables],
    data: Sequence[PointData],
    poses: Sequence[Poses],
    *,
    iterations: int = 50,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
    tolerance: float = 1e-4,
    floor_weight: float = 0.0,
) -> list[tuple[Poses, np.ndarray]]:
    """Fits every frame of every person by itself: keypoints, pose prior, limits and floor.

    Args:
        bodies: the body of each person.
        data: the frames of each person.
        poses: where each frame starts; not changed.
        iterations: most steps.
        device: "cpu" or "cuda".
        dtype: float64 or float32.
        tolerance: see `fit_stretches`.
        floor_weight: of soles below the floor, 1 / sigma^2.

    Returns:
        Per person the poses, and the cost of each frame.

    Raises:
        InputError: as of `fit_stretches`.
    """
    where = torch_device(device)
    if not bodies:
        return []
    _check(bodies, data)
    tree = tree_of(bodies[0], where, dtype)
    still = [_untied(body, len(p.P), floor_weight) for body, p in zip(bodies, poses, strict=True)]
    batch, state = pack(bodies, data, still, poses, where, dtype)
    there = batch.valid > 0
    batch, state = _apart(batch), _State(*(x.flatten(0, 1)[:, None] for x in state))
    cost = there.new_zeros(there.numel(), dtype=dtype)
    for rows in there.flatten().nonzero()[:, 0].split(_most_frames(bodies[0], where, dtype)):
        part = _State(*(x[rows] for x in state))
        _, cost[rows], part = _descend(tree, batch.chosen(rows), part, iterations, tolerance)
        for x, moved in zip(state, part, strict=True):
            x[rows] = moved
    host = [_host(x.unflatten(0, there.shape)) for x in (*state, cost)]
    result: list[tuple[Poses, np.ndarray]] = []
    for i, own in enumerate(poses):
        frames = len(own.P)
        found = Poses(*(array[i, :frames, 0].copy() for array in host[:3]))
        result.append((found, host[3][i, :frames].copy()))
    return result


def _untied(body: BodyTables, frames: int, floor_weight: float) -> Stretch:
    """Frames that have nothing to do with each other."""
    soles = len(body.sole)
    return Stretch(
        np.arange(frames, dtype=np.float64),
        np.zeros(len(body.above)),
        np.zeros((max(frames - 1, 0), soles), bool),
        0.0,
        np.zeros((frames, soles, 3)),
        np.zeros((frames, soles)),
        floor_weight,
    )


def _apart(batch: Batch) -> Batch:
    """Every frame as a stretch of its own."""
    count, frames = batch.valid.shape
    unknowns, soles = batch.tie.shape[2], batch.anchor.shape[2]

    def each(x: torch.Tensor) -> torch.Tensor:
        return x[:, None].expand(count, frames, *x.shape[1:]).flatten(0, 1)

    def own(x: torch.Tensor) -> torch.Tensor:
        return x.flatten(0, 1)[:, None]

    return Batch(
        bone=each(batch.bone),
        local=each(batch.local),
        valid=own(batch.valid),
        points=own(batch.points),
        information=own(batch.information),
        robust=each(batch.robust),
        low=batch.low.new_ones(count * frames, 0),
        high=batch.high.new_ones(count * frames, 0),
        tie=batch.tie.new_zeros(count * frames, 0, unknowns),
        standing=batch.standing.new_zeros(count * frames, 0, soles),
        anchor=own(batch.anchor),
        anchor_weight=own(batch.anchor_weight),
        floor_weight=each(batch.floor_weight),
    )


def _host(tensor: torch.Tensor) -> np.ndarray:
    return tensor.to("cpu", torch.float64).numpy()


_SHARED = (
    "parents",
    "dof_start",
    "axis",
    "together",
    "low",
    "high",
    "rest",
    "prior",
    "point_joint",
    "sole",
)


def _check(bodies: Sequence[BodyTables], data: Sequence[PointData]) -> None:
    different = {id(body): body for body in bodies}.values()
    for body in different:
        for name in _SHARED:
            if not np.array_equal(getattr(body, name), getattr(bodies[0], name)):
                raise InputError(
                    f"bodies of one batch must be of one model with the same keypoints, but their "
                    f"tables differ in {name}; fit them one after the other"
                )
    if any(len(part.matrix) for part in data):
        raise InputError(
            "the batched fit takes keypoints in 3D only, not pixels of cameras; use the device cpu"
        )


def _most_frames(body: BodyTables, device: torch.device, dtype: torch.dtype) -> int:
    """How many frames fit into memory at once."""
    n, numbers = len(body.above), 3 * len(body.point_joint)
    # Arms, Jacobian and its products; blocks, pairs of blocks, their factors and those of half.
    frame = (8 * n * numbers + 24 * n * n) * torch.finfo(dtype).bits // 8
    free = _CPU_BYTES
    if device.type == "cuda":
        free = _MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]
    return max(1, int(free // frame))


def pack(
    bodies: Sequence[BodyTables],
    data: Sequence[PointData],
    stretches: Sequence[Stretch],
    poses: Sequence[Poses],
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[Batch, _State]:
    """Stretches side by side, filled up to the longest."""
    count, frames = len(bodies), max(len(p.P) for p in poses)
    unknowns, keypoints = len(bodies[0].above), len(bodies[0].point_joint)
    soles = len(bodies[0].sole)
    valid = np.zeros((count, frames))
    points = np.zeros((count, frames, keypoints, 3))
    information = np.zeros((count, frames, keypoints, 3, 3))
    low, high = np.ones((2, count, max(frames - 2, 0)))
    tie = np.zeros((count, max(frames - 2, 0), unknowns))
    standing = np.zeros((count, frames - 1, soles))
    anchor, anchor_weight = np.zeros((count, frames, soles, 3)), np.zeros((count, frames, soles))
    P, Q = np.zeros((count, frames, 3)), np.zeros((count, frames, len(bodies[0].axis)))
    R = np.tile(np.eye(3), (count, frames, 1, 1))
    for i, (part, stretch, start) in enumerate(zip(data, stretches, poses, strict=True)):
        n = len(start.P)
        valid[i, :n] = 1.0
        there = (part.information[:, :, 0, 0] > 0)[..., None]
        points[i, :n] = np.where(there, part.points, 0.0)
        information[i, :n] = np.where(there[..., None], part.information, 0.0)
        P[i, :n], R[i, :n], Q[i, :n] = start
        if n > 1:
            standing[i, : n - 1] = stretch.standing * stretch.standing_weight
        held = stretch.anchor_weight > 0
        anchor[i, :n] = np.where(held[..., None], stretch.anchor, 0.0)
        anchor_weight[i, :n] = np.where(held, stretch.anchor_weight, 0.0)
        if n > 2:
            step = np.diff(stretch.time_s)
            low[i, : n - 2], high[i, : n - 2] = 1.0 / step[:-1], 1.0 / step[1:]
            scale = 2.0 / (step[:-1] + step[1:])
            tie[i, : n - 2] = scale[:, None] * stretch.motion

    def tensor(array: np.ndarray | list) -> torch.Tensor:
        return torch.as_tensor(np.asarray(array), dtype=dtype, device=device)

    batch = Batch(
        tensor([body.bone for body in bodies]),
        tensor([body.point_local for body in bodies]),
        tensor(valid),
        tensor(points),
        tensor(information),
        tensor([part.robust for part in data]),
        tensor(low),
        tensor(high),
        tensor(tie),
        tensor(standing),
        tensor(anchor),
        tensor(anchor_weight),
        tensor([stretch.floor_weight for stretch in stretches]),
    )
    return batch, _State(tensor(P), tensor(R), tensor(Q))


@torch.no_grad()
def _descend(
    tree: Tree, batch: Batch, state: _State, iterations: int, tolerance: float
) -> tuple[torch.Tensor, torch.Tensor, _State]:
    """Levenberg-Marquardt of each stretch; returns the costs before and after, and the poses."""
    rounding = 1e-10 if state.P.dtype == torch.float64 else 1e-6
    first = batch_cost(tree, batch, *state)
    cost, damping = first.clone(), torch.full_like(first, 1e-5)
    active = torch.arange(len(first), device=first.device)
    for _ in range(iterations):
        part, now = batch, state
        if len(active) < len(first):
            part, now = batch.chosen(active), _State(*(x[active] for x in state))
        later, largest = _step(tree, part, now, damping[active])
        new, old = batch_cost(tree, part, *later), cost[active]
        # A system without a solution gives NaN, which is not better.
        better = new <= old * (1.0 + rounding)
        done = better & ((largest < 10 * tolerance) | (old - new < tolerance * old))
        taken = active[better]
        for x, moved in zip(state, later, strict=True):
            x[taken] = moved[better]
        cost[taken] = new[better]
        damping[active] = torch.where(
            better, (0.1 * damping[active]).clamp(min=1e-9), (10 * damping[active]).clamp(min=1e-3)
        )
        active = active[~done]
        if not len(active):
            break
    return first, cost, state


def _step(
    tree: Tree, batch: Batch, state: _State, damping: torch.Tensor
) -> tuple[_State, torch.Tensor]:
    """The poses after a damped step, and by how much it turns at most, (B,)."""
    found = batch_equations(tree, batch, *state)
    diagonal = found.A.diagonal(dim1=-2, dim2=-1)
    diagonal.mul_(1.0 + damping[:, None, None]).add_(_LEAST)
    step = solve_pentadiagonal(found.A, found.A1, found.A2, found.b)
    turn = step[..., 3:].abs().amax(-1)
    step = step * (LARGEST_TURN / turn.clamp(min=LARGEST_TURN))[..., None]
    Q = state.Q.clone()
    Q[..., 3:] = torch.clamp(Q[..., 3:] + step[..., 6:], tree.low[3:], tree.high[3:])
    R = state.R @ rotation_of(step[..., 3:6])
    return _State(state.P + step[..., :3], R, Q), turn.amax(-1)
