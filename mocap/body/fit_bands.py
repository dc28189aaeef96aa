"""Compiled algebra of block pentadiagonal systems; the outer blocks are diagonal."""

# pyright: basic

from __future__ import annotations

import math

from numba import njit


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
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


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def lower_solve(L, Y):
    """Replaces Y by L^-1 Y."""
    n, columns = Y.shape
    for j in range(n):
        y = Y[j]
        for k in range(j):
            factor = L[j, k]
            if factor != 0.0:
                other = Y[k]
                for r in range(columns):
                    y[r] -= factor * other[r]
        inverse = 1.0 / L[j, j]
        for r in range(columns):
            y[r] *= inverse


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def upper_solve(L, Y):
    """Replaces Y by L^-T Y."""
    n, columns = Y.shape
    for j in range(n - 1, -1, -1):
        y = Y[j]
        inverse = 1.0 / L[j, j]
        for r in range(columns):
            y[r] *= inverse
        for k in range(j):
            factor = L[j, k]
            if factor != 0.0:
                other = Y[k]
                for r in range(columns):
                    other[r] -= factor * y[r]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def subtract_product(C, Y, Z, lower):
    """C -= Y^T Z, with Y n x n; `lower` says that Y[k, i] is zero for i > k."""
    n, columns = C.shape
    for i in range(n):
        row = C[i]
        for k in range(i if lower else 0, n):
            factor = Y[k, i]
            other = Z[k]
            for m in range(columns):
                row[m] -= factor * other[m]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def subtract_rows(C, U, Z):
    """C -= U Z, with U n x n."""
    n, columns = C.shape
    for i in range(n):
        row = C[i]
        for k in range(n):
            factor = U[i, k]
            other = Z[k]
            for m in range(columns):
                row[m] -= factor * other[m]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def subtract_outer(C, B, U):
    """The lower triangle of C -= B U^T."""
    n = len(C)
    for i in range(n):
        left = B[i]
        for m in range(i + 1):
            right = U[m]
            total = 0.0
            for k in range(n):
                total += left[k] * right[k]
            C[i, m] -= total


@njit(cache=True, nogil=True, error_model="numpy")
def factor_bands(A, A1, A2, Y2):
    """Factors along time: A gets L_t, A1 L_t^-1 A_{t+1,t}^T, Y2 L_t^-1 A_{t+2,t}^T."""
    frames, n = A2.shape
    for t in range(frames):
        cholesky(A[t])
        if t + 1 == frames:
            break
        Y1 = A1[t]
        turned = Y1.T.copy()
        Y1[:] = turned
        lower_solve(A[t], Y1)
        subtract_product(A[t + 1], Y1, Y1, False)
        if t + 2 == frames:
            continue
        Y = Y2[t]
        Y[:] = 0.0
        for i in range(n):
            Y[i, i] = A2[t, i]
        lower_solve(A[t], Y)
        subtract_product(A[t + 2], Y, Y, True)
        subtract_product(A1[t + 1], Y, Y1, True)


@njit(cache=True, nogil=True, error_model="numpy")
def solve_bands(A, A1, Y2, b):
    """Replaces b by the solution, from the factors."""
    frames, n = b.shape
    for t in range(frames):
        x = b[t]
        L = A[t]
        for i in range(n):
            total = x[i]
            for k in range(i):
                total -= L[i, k] * x[k]
            x[i] = total / L[i, i]
        if t + 1 < frames:
            for k in range(n):
                for i in range(n):
                    b[t + 1, i] -= A1[t, k, i] * x[k]
        if t + 2 < frames:
            for k in range(n):
                for i in range(k + 1):
                    b[t + 2, i] -= Y2[t, k, i] * x[k]
    for t in range(frames - 1, -1, -1):
        x = b[t]
        L = A[t]
        if t + 1 < frames:
            for k in range(n):
                for i in range(n):
                    x[k] -= A1[t, k, i] * b[t + 1, i]
        if t + 2 < frames:
            for k in range(n):
                for i in range(k + 1):
                    x[k] -= Y2[t, k, i] * b[t + 2, i]
        for i in range(n - 1, -1, -1):
            x[i] /= L[i, i]
            for k in range(i):
                x[k] -= L[i, k] * x[i]
