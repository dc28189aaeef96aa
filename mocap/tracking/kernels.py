"""Compiled prediction and update of a person's keypoints: position and velocity of each.

A keypoint moves with an acceleration that is white noise. One that was not seen for a while does
not go on with a speed of its own, which nobody has measured, but with that of the body.
"""

# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel
from mocap.geometry.ray_space import invert_packed, pack

FASTEST2 = 16.0
"""Variance of the speed of a keypoint of which nothing else is known, per axis, m^2/s^2."""


@kernel
def predict(
    x, v, pp, pv, vv, seen, seen_twice, age, now, density, chosen, stale_s, memory_s, damping_s
):
    """Moves one person's state `age` seconds ahead, in place.

    Takes:
        x, v: (K, 3) positions and velocities; NaN for unknown.
        pp, pv, vv: (K, 3, 3) covariances.
        seen: (K) when each keypoint was last seen by two views (or by one).
        age: seconds since the state's time.
        now: the new time.
        density: (K) of the acceleration noise, m^2/s^3.
        chosen: keypoints that tell the body's velocity.
        stale_s: a keypoint not seen for longer moves with the body.
        memory_s: a keypoint not seen for longer is unknown.
        damping_s: time constant with which the speed of unseen keypoints decays.
    """
    count = len(x)
    body = np.zeros(3)
    speeds = np.zeros(len(chosen))
    for i in range(3):
        n = 0
        for k in chosen:
            if math.isfinite(x[k, 0]) and now - seen_twice[k] < 0.05 + 2 * age:
                speeds[n] = v[k, i]
                n += 1
        body[i] = np.median(speeds[:n]) if n > 3 else 0.0
    for k in range(count):
        if not math.isfinite(x[k, 0]):
            continue
        unseen = now - seen[k]
        if unseen > memory_s:
            x[k] = math.nan
            continue
        if now - seen_twice[k] > stale_s:
            keep = math.exp(-age / damping_s)
            for i in range(3):
                v[k, i] = body[i] + keep * (v[k, i] - body[i])
        q = density[k]
        for i in range(3):
            x[k, i] += age * v[k, i]
            for j in range(3):
                pp[k, i, j] += age * (pv[k, i, j] + pv[k, j, i]) + age * age * vv[k, i, j]
            pp[k, i, i] += q * age * age * age / 3 + 1e-6
        for i in range(3):
            for j in range(3):
                pv[k, i, j] += age * vv[k, i, j]
            pv[k, i, i] += q * age * age / 2
            vv[k, i, i] += q * age
            # However long it was not seen.
            if vv[k, i, i] > FASTEST2:
                scale = math.sqrt(FASTEST2 / vv[k, i, i])
                for j in range(3):
                    vv[k, i, j] *= scale
                    vv[k, j, i] *= scale
                    pv[k, j, i] *= scale


@kernel
def update(x, v, pp, pv, vv, predicted, fused, info):
    """Takes in the estimate of one person: predicted state (in place) to updated state.

    Takes:
        x, v, pp, pv, vv: predicted state.
        predicted: (K, 3) predicted positions, NaN where there was no prediction.
        fused: (K, 3) estimates with the prediction in; NaN for unknown.
        info: (K, 6) packed information of `fused`.
    """
    count = len(x)
    h, inverse, s = np.zeros(6), np.zeros((3, 3)), np.zeros((3, 3))
    gain = np.zeros((3, 3))
    t1 = np.zeros((3, 3))
    for k in range(count):
        if not math.isfinite(fused[k, 0]):
            x[k] = math.nan
            continue
        invert_packed(info[k], s)
        if not math.isfinite(predicted[k, 0]):
            for i in range(3):
                x[k, i] = fused[k, i]
                v[k, i] = 0.0
                for j in range(3):
                    pp[k, i, j] = s[i, j]
                    pv[k, i, j] = 0.0
                    vv[k, i, j] = FASTEST2 if i == j else 0.0
            continue
        pack(pp[k], h)
        invert_packed(h, inverse)
        # Velocity follows position by the regression pv^T pp^-1 (Rauch, Tung and Striebel).
        for i in range(3):
            for j in range(3):
                gain[i, j] = 0.0
                for m in range(3):
                    gain[i, j] += pv[k, m, i] * inverse[m, j]
        for i in range(3):
            for j in range(3):
                v[k, i] += gain[i, j] * (fused[k, j] - predicted[k, j])
        for i in range(3):
            for j in range(3):
                t1[i, j] = 0.0
                for m in range(3):
                    t1[i, j] += gain[i, m] * (pp[k, m, j] - s[m, j])
        for i in range(3):
            for j in range(3):
                for m in range(3):
                    vv[k, i, j] -= t1[i, m] * gain[j, m]
        for i in range(3):
            for j in range(3):
                pv[k, i, j] = 0.0
                for m in range(3):
                    pv[k, i, j] += s[i, m] * gain[j, m]
        for i in range(3):
            vv[k, i, i] = max(vv[k, i, i], 1e-4)
            x[k, i] = fused[k, i]
            for j in range(3):
                pp[k, i, j] = s[i, j]


@kernel
def learn_lengths(
    free, info, sigma_m, ends, slot, adult, length, count, sigma, relative, minimum, adult_relative
):
    """Running robust mean of the link lengths of one person, in place.

    The lengths of an average adult count as much as their spread among people is known to make
    them worth beside one measured length: next to nothing for a thigh, several looks for the eyes.

    Takes:
        free: (K, 3) positions estimated without links; NaN where fewer than two views.
        info: (K, 6) their packed information; sigma_m: (K) their noise in a usual frame, metres.
        ends, slot: the links; adult: (S) average lengths.
        length, count, sigma: (S) state: learnt lengths, number of lengths seen (in usual frames),
            and how far a length may be from them.
        relative, minimum: sigma of a length that is well known, by its length and in metres.
        adult_relative: sigma of the average length, by its length.
    """
    u = np.zeros(3)
    cov_a, cov_b = np.zeros((3, 3)), np.zeros((3, 3))
    for e in range(len(ends)):
        a, b, p = ends[e, 0], ends[e, 1], slot[e]
        if not (math.isfinite(free[a, 0]) and math.isfinite(free[b, 0])):
            continue
        d2 = 0.0
        for i in range(3):
            u[i] = free[a, i] - free[b, i]
            d2 += u[i] * u[i]
        if d2 <= 0:
            continue
        invert_packed(info[a], cov_a)
        invert_packed(info[b], cov_b)
        variance = 0.0
        for i in range(3):
            for j in range(3):
                variance += u[i] * (cov_a[i, j] + cov_b[i, j]) * u[j] / d2
        usual = sigma_m[a] * sigma_m[a] + sigma_m[b] * sigma_m[b]
        weight = min(usual / variance, 1.0)
        average = usual / max(adult_relative * adult[p], minimum) ** 2
        off = math.sqrt(d2) - length[p]
        limit = 0.25 * adult[p] if count[p] < 5 else 0.10 * adult[p] + 0.01
        off = min(max(off, -limit), limit)
        count[p] += weight
        length[p] += off * weight / (min(count[p], 200.0) + average)
    for p in range(len(length)):
        share = count[p] / (count[p] + 8.0)
        sigma[p] = max(minimum, relative * length[p], (1 - share) * adult_relative * adult[p])
