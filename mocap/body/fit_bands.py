"""Compiled algebra of block pentadiagonal systems; the outer blocks are diagonal.

The blocks are of 50 to 100 rows, where the matrix product of the linear algebra library is several
times faster than loops, and a triangular solution is not. So factors are kept as inverses of
triangular matrices, and everything beside them is a product. Who calls keeps the library to
one thread.
"""

# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel


@kernel(fastmath={"reassoc", "contract"})
def cholesky(A):
    """Replaces the lower triangle of A by its factor L; the rest is set to zero."""
    n = len(A)
    for j in range(n):
        row = A[j]
        for i in range(j):
            other = A[i]
            total = row[i]
            for k in range(i):
                total -= row[k] * other[k]
            row[i] = total / other[i]
        total = row[j]
        for k in range(j):
            total -= row[k] * row[k]
        row[j] = math.sqrt(max(total, 1e-9))
        for i in range(j + 1, n):
            row[i] = 0.0


@kernel(fastmath={"reassoc", "contract"})
def invert_lower(L):
    """Replaces a lower triangular matrix by its inverse."""
    n = len(L)
    before = np.empty(n)
    for i in range(n):
        row = L[i]
        before[:i] = row[:i]
        row[:i] = 0.0
        scale = 1.0 / row[i]
        for k in range(i):
            factor = -scale * before[k]
            if factor != 0.0:
                other = L[k]
                for m in range(k + 1):
                    row[m] += factor * other[m]
        row[i] = scale


@kernel
def factor_bands(A, A1, A2, Y2):
    """Factors along time: A gets L_t^-1, A1 L_t^-1 A_{t+1,t}^T, Y2 L_t^-1 A_{t+2,t}^T."""
    frames, n = A2.shape
    product = np.empty((n, n))
    for t in range(frames):
        cholesky(A[t])
        invert_lower(A[t])
        if t + 1 == frames:
            break
        Y1 = A1[t]
        np.dot(A[t], Y1.T, product)
        Y1[:] = product
        np.dot(Y1.T, Y1, product)
        A[t + 1] -= product
        if t + 2 == frames:
            continue
        Y = Y2[t]
        for i in range(n):
            for k in range(n):
                Y[i, k] = A[t, i, k] * A2[t, k]
        np.dot(Y.T, Y, product)
        A[t + 2] -= product
        np.dot(Y.T, Y1, product)
        A1[t + 1] -= product


@kernel
def solve_bands(A, A1, Y2, B):
    """Replaces each column of B, (F, N, R), by its solution, from the factors."""
    frames, n, columns = B.shape
    product = np.empty((n, columns))
    for t in range(frames):
        x = B[t]
        np.dot(A[t], x, product)
        x[:] = product
        if t + 1 < frames:
            np.dot(A1[t].T, x, product)
            B[t + 1] -= product
        if t + 2 < frames:
            np.dot(Y2[t].T, x, product)
            B[t + 2] -= product
    for t in range(frames - 1, -1, -1):
        x = B[t]
        if t + 1 < frames:
            np.dot(A1[t], B[t + 1], product)
            x -= product
        if t + 2 < frames:
            np.dot(Y2[t], B[t + 2], product)
            x -= product
        np.dot(A[t].T, x, product)
        x[:] = product


@kernel
def invert_frame(A, A1, Y2, t, later, C):
    """One step backwards of the selected inverse of the system (Takahashi, 1973).

    With U1 = L^-T Y1 and U2 = L^-T Y2, the covariance of frame t with the two after it follows from
    theirs. To be called for t from the last frame to the first.

    Args:
        A: L_t^-1 of all frames.
        A1: Y1 of all frames; that of t is overwritten.
        Y2: of all frames; that of t is overwritten.
        t: the frame.
        later: covariances of t+1, of t+1 with t+2, and of t+2, (3, N, N); moved on by one frame.
        C: gets the covariance of frame t.
    """
    frames, n, _ = A.shape
    product = np.empty((n, n))
    between = np.zeros((n, n))
    np.dot(A[t].T, A[t], C)
    if t + 1 < frames:
        U1 = A1[t]
        np.dot(A[t].T, U1, product)
        U1[:] = product
        np.dot(U1, later[0], between)
        if t + 2 < frames:
            U2 = Y2[t]
            np.dot(A[t].T, U2, product)
            U2[:] = product
            np.dot(U2, later[1].T, product)
            between += product
            far = np.dot(U1, later[1])
            np.dot(U2, later[2], product)
            far += product
            np.dot(far, U2.T, product)
            C += product
        np.dot(between, U1.T, product)
        C += product
    # Rounding must stay symmetric: the recursion amplifies what is not.
    for i in range(n):
        for m in range(i):
            C[m, i] = C[i, m]
    later[2] = later[0]
    later[1] = -between
    later[0] = C
