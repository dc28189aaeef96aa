"""Compiled fit of the picture of a corner; `calibration.corner_fit` tells the model."""

# The types of compiled functions are numba's to infer; annotations on them would say nothing.
# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel

PARAMETERS = 11
"""x, y; directions of the two edges; log of their blurs; a, b; gradient of shading; growth d."""
ITERATIONS = 20
HUBER_SCALES = 1.5
"""Residual, in units of their scale, beyond which a pixel loses weight."""
LEAST_NOISE = 1.0
"""Noise of a pixel in grey levels that is always assumed."""
BLUR_PX = 1.2
"""Usual blur; the prior spreads by a factor of e**PRIOR_LOG_BLUR."""
PRIOR_LOG_BLUR = 0.7
PRIOR_ANGLE_RAD = 0.1
PRIOR_SLOPE = 0.02
"""Change of brightness per pixel, in parts of the contrast."""
PRIOR_GROWTH_PX = 0.5


@kernel
def corner_model(
    x: float, y: float, q: np.ndarray, side: float, saddle: float, slopes: np.ndarray
) -> float:
    """Brightness of the model at a pixel.

    Args:
        x: of the pixel.
        y: of the pixel.
        q: parameters.
        side: 1 if the axes turn clockwise as in an image, -1 if they are mirrored.
        saddle: 1 where four squares meet, else 0.
        slopes: takes the derivatives by the parameters.
    """
    dx, dy = x - q[0], y - q[1]
    c1, s1, c2, s2 = math.cos(q[2]), math.sin(q[2]), math.cos(q[3]), math.sin(q[3])
    n1, n2 = side * (c1 * dy - s1 * dx), side * (s2 * dx - c2 * dy)
    w1, w2 = math.exp(-q[4]), math.exp(-q[5])
    d = q[10]
    a1, g1 = _step((n1 - d) * w1)
    a2, g2 = _step((n2 - d) * w2)
    b1, h1 = _step((-n1 - d) * w1)
    b2, h2 = _step((-n2 - d) * w2)
    value = a1 * a2 + saddle * b1 * b2
    by_n1 = w1 * (g1 * a2 - saddle * h1 * b2)
    by_n2 = w2 * (a1 * g2 - saddle * b1 * h2)
    b = q[7]
    slopes[0] = b * side * (by_n1 * s1 - by_n2 * s2) - q[8]
    slopes[1] = b * side * (-by_n1 * c1 + by_n2 * c2) - q[9]
    slopes[2] = -b * side * by_n1 * (c1 * dx + s1 * dy)
    slopes[3] = b * side * by_n2 * (c2 * dx + s2 * dy)
    slopes[4] = -b * w1 * (g1 * (n1 - d) * a2 + saddle * h1 * (-n1 - d) * b2)
    slopes[5] = -b * w2 * (a1 * g2 * (n2 - d) + saddle * b1 * h2 * (-n2 - d))
    slopes[6] = 1.0
    slopes[7] = value
    slopes[8] = dx
    slopes[9] = dy
    slopes[10] = -b * (w1 * g1 * a2 + w2 * a1 * g2)
    slopes[10] -= b * saddle * (w1 * h1 * b2 + w2 * b1 * h2)
    return q[6] + b * value + q[8] * dx + q[9] * dy


@kernel
def _step(x: float) -> tuple[float, float]:
    """Blurred step and its derivative."""
    if x > 3.0:
        return 1.0, 0.0
    if x < -3.0:
        return 0.0, 0.0
    return 0.5 * (1 + math.erf(x)), 0.5641895835477563 * math.exp(-x * x)


@kernel
def _gather(gray, place, axes, shape, pixels):
    """Collects the pixels (x, y, brightness) of the window; returns their number."""
    before, after, blank, least, most = shape
    det = axes[0, 0] * axes[1, 1] - axes[0, 1] * axes[1, 0]
    if abs(det) < 4.0:
        return 0
    length_u = math.hypot(axes[0, 0], axes[0, 1])
    length_v = math.hypot(axes[1, 0], axes[1, 1])
    lo_u = max(-max(before, least / length_u), -most / length_u)
    lo_v = max(-max(before, least / length_v), -most / length_v)
    hi_u = min(max(after, least / length_u), most / length_u)
    hi_v = min(max(after, least / length_v), most / length_v)
    # Blur carries what is printed there about a pixel further.
    blank_u = max(blank - 1.0 / length_v, least / length_u)
    blank_v = max(blank - 1.0 / length_u, least / length_v)
    reach_x = max(-lo_u, hi_u) * abs(axes[0, 0]) + max(-lo_v, hi_v) * abs(axes[1, 0])
    reach_y = max(-lo_u, hi_u) * abs(axes[0, 1]) + max(-lo_v, hi_v) * abs(axes[1, 1])
    x0 = max(0, math.ceil(place[0] - reach_x))
    y0 = max(0, math.ceil(place[1] - reach_y))
    x1 = min(gray.shape[1] - 1, math.floor(place[0] + reach_x))
    y1 = min(gray.shape[0] - 1, math.floor(place[1] + reach_y))
    n = 0
    for y in range(y0, y1 + 1):
        for x in range(x0, x1 + 1):
            dx, dy = x - place[0], y - place[1]
            u = (dx * axes[1, 1] - dy * axes[1, 0]) / det
            v = (dy * axes[0, 0] - dx * axes[0, 1]) / det
            if u < lo_u or u > hi_u or v < lo_v or v > hi_v:
                continue
            if abs(u) > blank_u and abs(v) > blank_v:
                continue
            if n == pixels.shape[0]:
                return n
            pixels[n, 0], pixels[n, 1], pixels[n, 2] = x, y, gray[y, x]
            n += 1
    return n


@kernel
def _assess(pixels, n, q, side, saddle, prior, weight, noise, H, g, slopes):
    """Cost with its gradient and curvature; also the mean size of the residuals."""
    H[:] = 0.0
    g[:] = 0.0
    cost, size = 0.0, 0.0
    edge = HUBER_SCALES * noise
    for i in range(n):
        value = corner_model(pixels[i, 0], pixels[i, 1], q, side, saddle, slopes)
        r = pixels[i, 2] - value
        away = abs(r)
        size += away
        w = 1.0
        if away > edge:
            w = edge / away
            cost += edge * (2 * away - edge)
        else:
            cost += r * r
        for j in range(PARAMETERS):
            ws = w * slopes[j]
            if ws == 0.0:
                continue
            g[j] += ws * r
            for k in range(j + 1):
                H[j, k] += ws * slopes[k]
    v = noise * noise
    for j in range(PARAMETERS):
        if weight[j] > 0:
            away = q[j] - prior[j]
            cost += v * weight[j] * away * away
            g[j] -= v * weight[j] * away
            H[j, j] += v * weight[j]
        for k in range(j):
            H[k, j] = H[j, k]
    return cost, size / n


@kernel
def fit_kernel(gray, place, axes, shape, saddle, q):
    """Fits one corner; returns its standard deviation per axis and the residuals' scale.

    Leaves `q` NaN where too few pixels are left.
    """
    pixels = np.empty((1024, 3))
    n = _gather(gray, place, axes, shape, pixels)
    if n < 3 * PARAMETERS:
        return np.nan, np.nan
    side = 1.0 if axes[0, 0] * axes[1, 1] > axes[0, 1] * axes[1, 0] else -1.0
    q[0], q[1] = place[0], place[1]
    q[2] = math.atan2(axes[0, 1], axes[0, 0])
    q[3] = math.atan2(axes[1, 1], axes[1, 0])
    q[4] = q[5] = math.log(BLUR_PX)
    q[6:] = 0.0
    q[7] = 1.0
    slopes = np.empty(PARAMETERS)
    # Brightness and contrast from a straight line through pixels and model.
    sf = sff = sp = sfp = spp = 0.0
    for i in range(n):
        corner_model(pixels[i, 0], pixels[i, 1], q, side, saddle, slopes)
        f, p = slopes[7], pixels[i, 2]
        sf, sff, sp, sfp, spp = sf + f, sff + f * f, sp + p, sfp + f * p, spp + p * p
    spread = sff - sf * sf / n
    if spread <= 1e-6:
        q[:] = np.nan
        return np.nan, np.nan
    q[7] = (sfp - sf * sp / n) / spread
    q[6] = (sp - q[7] * sf) / n
    noise = max(LEAST_NOISE, math.sqrt(max(0.0, (spp - sp * sp / n - q[7] ** 2 * spread) / n)))
    prior = q.copy()
    weight = np.zeros(PARAMETERS)
    weight[2] = weight[3] = PRIOR_ANGLE_RAD**-2
    weight[4] = weight[5] = PRIOR_LOG_BLUR**-2
    weight[8] = weight[9] = (PRIOR_SLOPE * max(abs(q[7]), 10.0)) ** -2
    weight[10] = PRIOR_GROWTH_PX**-2 if saddle > 0 else 1e12
    H = np.empty((PARAMETERS, PARAMETERS))
    g = np.empty(PARAMETERS)
    H2 = np.empty((PARAMETERS, PARAMETERS))
    g2 = np.empty(PARAMETERS)
    step = np.empty(PARAMETERS)
    cost, size = _assess(pixels, n, q, side, saddle, prior, weight, noise, H, g, slopes)
    damping = 1e-3
    for _ in range(ITERATIONS):
        if not _solve(H, g, damping, step):
            damping = 10 * damping + 1e-6
            continue
        tried = q + step
        cost2, size = _assess(pixels, n, tried, side, saddle, prior, weight, noise, H2, g2, slopes)
        if not cost2 < cost:
            damping *= 10
            if damping > 1e6:
                break
            continue
        q[:] = tried
        damping = max(1e-7, 0.1 * damping)
        H, H2, g, g2, cost = H2, H, g2, g, cost2
        # The scale follows the residuals, so that the weights mean the same in every picture.
        scale = max(LEAST_NOISE, 1.2533 * size)
        settled = abs(scale - noise) <= 0.1 * noise
        if not settled:
            noise = scale
            cost, size = _assess(pixels, n, q, side, saddle, prior, weight, noise, H, g, slopes)
        elif math.hypot(step[0], step[1]) < 1e-3:
            break
    variance = 0.0
    for axis in range(2):
        g[:] = 0.0
        g[axis] = 1.0
        if not _solve(H, g, 0.0, step):
            return np.nan, np.nan
        variance += 0.5 * noise * noise * step[axis]
    return math.sqrt(max(0.0, variance)), noise


@kernel
def _solve(H, g, damping, x):
    """Solves (H + damping diag(H)) x = g by Cholesky; tells whether that was possible."""
    L = np.empty((PARAMETERS, PARAMETERS))
    unit = np.empty(PARAMETERS)
    for j in range(PARAMETERS):
        if not H[j, j] > 0.0:
            return False
        unit[j] = 1.0 / math.sqrt(H[j, j])
    for j in range(PARAMETERS):
        for k in range(j + 1):
            value = H[j, k] * unit[j] * unit[k]
            if j == k:
                value += damping + 1e-12
            for i in range(k):
                value -= L[j, i] * L[k, i]
            if j == k:
                if not value > 1e-13:
                    return False
                L[j, j] = math.sqrt(value)
            else:
                L[j, k] = value / L[k, k]
    for j in range(PARAMETERS):
        value = g[j] * unit[j]
        for i in range(j):
            value -= L[j, i] * x[i]
        x[j] = value / L[j, j]
    for j in range(PARAMETERS - 1, -1, -1):
        value = x[j]
        for i in range(j + 1, PARAMETERS):
            value -= L[i, j] * x[i]
        x[j] = value / L[j, j]
    for j in range(PARAMETERS):
        x[j] *= unit[j]
    return True
