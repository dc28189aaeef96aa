"""Block pentadiagonal systems in torch, many at once, without a loop over frames.

Two frames make one block, which turns the system into a block tridiagonal one. Odd-even reduction
(Buzbee, Golub & Nielson, 1970) then eliminates every second block of all systems at the same time;
half of them remain, and after log2 of their number there is one. For positive definite systems
this is a Cholesky factorisation in another order, and as stable.
"""

# pyright: basic

from __future__ import annotations

import torch


def solve_pentadiagonal(
    A: torch.Tensor, A1: torch.Tensor, A2: torch.Tensor, b: torch.Tensor
) -> torch.Tensor:
    """Solves B symmetric, positive definite systems of F blocks of N unknowns.

    A system which is not positive definite has no meaningful solution; the caller finds that it
    does not lower the cost.

    Args:
        A: blocks of the diagonal, (B, F, N, N), whole.
        A1: blocks (t+1, t) below it, (B, F-1, N, N).
        A2: diagonals of the blocks (t+2, t), (B, F-2, N).
        b: right sides, (B, F, N).

    Returns:
        The solutions, (B, F, N).
    """
    batch, frames, n = b.shape
    if frames == 1:
        return torch.cholesky_solve(b[..., None], _factor(A))[..., 0]
    if frames % 2:
        A = torch.cat((A, torch.eye(n, dtype=A.dtype, device=A.device).expand(batch, 1, n, n)), 1)
        A1 = torch.cat((A1, A1.new_zeros(batch, 1, n, n)), 1)
        A2 = torch.cat((A2, A2.new_zeros(batch, 1, n)), 1)
        b = torch.cat((b, b.new_zeros(batch, 1, n)), 1)
    blocks = A.shape[1] // 2
    D = A.new_zeros(batch, blocks, 2 * n, 2 * n)
    D[..., :n, :n] = A[:, 0::2]
    D[..., n:, n:] = A[:, 1::2]
    D[..., n:, :n] = A1[:, 0::2]
    D[..., :n, n:] = A1[:, 0::2].mT
    E = A.new_zeros(batch, blocks - 1, 2 * n, 2 * n)
    E[..., :n, :n] = torch.diag_embed(A2[:, 0::2])
    E[..., n:, n:] = torch.diag_embed(A2[:, 1::2])
    E[..., :n, n:] = A1[:, 1::2]
    x = _reduce(D, E, b.reshape(batch, blocks, 2 * n, 1))
    return x.reshape(batch, 2 * blocks, n)[:, :frames]


def _reduce(D: torch.Tensor, E: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Solves block tridiagonal systems: D of the diagonal, E the blocks (s+1, s) below it."""
    if D.shape[1] == 1:
        return torch.cholesky_solve(b, _factor(D))
    odd = D.shape[1] // 2
    after = (D.shape[1] - 1) // 2
    L = _factor(D[:, 1::2])
    # Each odd block meets the even one before it, and all but perhaps the last the one after it.
    left, right = E[:, 0::2], E[:, 1::2].mT
    to_left = torch.linalg.solve_triangular(L, left, upper=False)
    to_right = torch.linalg.solve_triangular(L[:, :after], right, upper=False)
    pull = torch.linalg.solve_triangular(L, b[:, 1::2], upper=False)
    even, rest = D[:, 0::2].clone(), b[:, 0::2].clone()
    even[:, :odd] -= to_left.mT @ to_left
    rest[:, :odd] -= to_left.mT @ pull
    even[:, 1 : after + 1] -= to_right.mT @ to_right
    rest[:, 1 : after + 1] -= to_right.mT @ pull[:, :after]
    x_even = _reduce(even, -(to_right.mT @ to_left[:, :after]), rest)
    pull = pull - to_left @ x_even[:, :odd]
    pull[:, :after] -= to_right @ x_even[:, 1 : after + 1]
    x = torch.empty_like(b)
    x[:, 0::2] = x_even
    x[:, 1::2] = torch.linalg.solve_triangular(L.mT, pull, upper=True)
    return x


def _factor(D: torch.Tensor) -> torch.Tensor:
    return torch.linalg.cholesky_ex(D)[0]
