"""Normalised cross-correlation of signals with gaps, at all lags at once, and its peak.

Sums over what both signals have at a lag are themselves correlations of the signals and of their
masks, and so come from Fourier transforms (Padfield, Masked object registration in the Fourier
domain, IEEE TIP 2012). Signals have several channels; covariances and variances are summed over
the channels before they are divided.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import next_fast_len

from calibration.timing.curve import refine_peak
from mocap.arrays import Float, Int

JACKKNIFE_BLOCKS = 12
LEAST_SHARE = 0.2
"""Channels count at a lag where both have this share of the samples needed."""


def masked_correlation(
    first: Float[np.ndarray, "samples channels"],
    second: Float[np.ndarray, "other channels"],
    least_samples: float,
) -> tuple[Int[np.ndarray, " lags"], Float[np.ndarray, " lags"], Float[np.ndarray, " lags"]]:
    """Correlation of `first[i]` with `second[i + lag]` for all lags.

    Args:
        first: NaN where unknown.
        second: likewise, with the same step.
        least_samples: lags at which fewer samples are known in both are NaN; mean over channels
            that have any.

    Returns:
        Lags in steps, correlation, and how many samples both have (mean over channels).
    """
    n, m = len(first), len(second)
    size = fast_length(n + m - 1)
    lags = np.arange(-(n - 1), m)
    known_a, known_b = np.isfinite(first), np.isfinite(second)
    counts = np.zeros(len(lags))
    covariance, variance_a, variance_b = (np.zeros(len(lags)) for _ in range(3))
    channels = 0
    for c in range(first.shape[1]):
        if not (known_a[:, c].any() and known_b[:, c].any()):
            continue
        channels += 1
        # Centred first, or the sums cancel.
        a = np.where(known_a[:, c], first[:, c] - np.nanmean(first[:, c]), 0.0)
        b = np.where(known_b[:, c], second[:, c] - np.nanmean(second[:, c]), 0.0)
        spectra_a = np.fft.rfft(
            np.stack([known_a[:, c].astype(float), a, a * a]), size, axis=1
        ).conj()
        spectra_b = np.fft.rfft(np.stack([known_b[:, c].astype(float), b, b * b]), size, axis=1)
        pairs = [(0, 0), (1, 0), (2, 0), (0, 1), (0, 2), (1, 1)]
        products = np.stack([spectra_a[i] * spectra_b[j] for i, j in pairs])
        wrapped = np.fft.irfft(products, size, axis=1)
        count, sum_a, sum_aa, sum_b, sum_bb, sum_ab = np.take(wrapped, lags % size, axis=1)
        count = np.round(count)
        usable = count >= max(3.0, LEAST_SHARE * least_samples)
        divisor = np.maximum(count, 1.0)
        counts += count
        covariance += np.where(usable, sum_ab - sum_a * sum_b / divisor, 0.0)
        variance_a += np.where(usable, sum_aa - sum_a**2 / divisor, 0.0)
        variance_b += np.where(usable, sum_bb - sum_b**2 / divisor, 0.0)
    counts /= max(1, channels)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = covariance / np.sqrt(variance_a * variance_b)
    dull = (variance_a <= 1e-9 * variance_a.max(initial=0.0)) | (
        variance_b <= 1e-9 * variance_b.max(initial=0.0)
    )
    correlation[(counts < max(3.0, least_samples)) | dull] = np.nan
    return lags, np.clip(correlation, -1.0, 1.0), counts


def fast_length(samples: int) -> int:
    """A length at which the Fourier transform is quick, of at least so many samples."""
    return int(next_fast_len(samples, real=True) or samples)


def correlation_time(
    first: Float[np.ndarray, "samples channels"], second: Float[np.ndarray, "other channels"]
) -> float:
    """Samples per independent sample of a correlation of two signals (Bartlett's formula).

    The sum over lags of the product of both autocorrelations, up to where the first of them
    crosses zero: what comes back later is periodic motion, which shows as rivals of a lag.
    """
    curves: list[np.ndarray] = []
    for signal in (first, second):
        known = np.isfinite(signal)
        least = 0.25 * known.sum() / max(1, known.any(axis=0).sum())
        lags, curve, _ = masked_correlation(signal, signal, least)
        curves.append(np.nan_to_num(curve[lags >= 0]))
    length = min(map(len, curves))
    alive = np.cumprod((curves[0][:length] > 0) & (curves[1][:length] > 0))
    product = curves[0][:length] * curves[1][:length] * alive
    return max(1.0, float(product[0] + 2 * product[1:].sum()))


def peak_with_sigma(
    first: Float[np.ndarray, "samples channels"],
    second: Float[np.ndarray, "other channels"],
    lag: int,
    reach: int,
) -> tuple[float, float]:
    """Place of the correlation's peak near a lag, and its standard deviation.

    The standard deviation is found by leaving out one block of time after another (delete-a-group
    jackknife), so that it needs no model of the noise.

    Args:
        first: NaN where unknown.
        second: likewise.
        lag: the peak among whole lags.
        reach: how many steps to either side the parabola takes in.

    Returns:
        The lag in steps; NaN twice where too little is known.
    """
    shifts = np.arange(lag - 2 * reach, lag + 2 * reach + 1)
    start, stop = max(0, -lag), min(len(first), len(second) - lag)
    if stop - start < 2 * JACKKNIFE_BLOCKS:
        return float("nan"), float("nan")
    a = first[start:stop]
    index = np.arange(start, stop)[None, :] + shifts[:, None]
    inside = (index >= 0) & (index < len(second))
    sums = np.zeros((6, JACKKNIFE_BLOCKS, len(shifts), first.shape[1]))
    edges = np.linspace(0, stop - start, JACKKNIFE_BLOCKS + 1).astype(int)
    for s in range(len(shifts)):
        b = np.where(inside[s][:, None], second[np.where(inside[s], index[s], 0)], np.nan)
        both = np.isfinite(a) & np.isfinite(b)
        x, y = np.where(both, a, 0.0), np.where(both, b, 0.0)
        terms = np.stack([both.astype(float), x, y, x * x, y * y, x * y])
        sums[:, :, s] = np.add.reduceat(terms, edges[:-1], axis=1)
    total = sums.sum(axis=1)
    whole = _top(total, reach)
    left_out = np.array([_top(total - sums[:, k], reach) for k in range(JACKKNIFE_BLOCKS)])
    if not (np.isfinite(whole) and np.isfinite(left_out).all()):
        return float("nan"), float("nan")
    spread = left_out - left_out.mean()
    sigma = np.sqrt((JACKKNIFE_BLOCKS - 1) / JACKKNIFE_BLOCKS * (spread**2).sum())
    return float(shifts[2 * reach] + whole), float(sigma)


def _top(sums: np.ndarray, reach: int) -> float:
    """Place of the peak relative to the middle shift, from sums (6, shifts, channels)."""
    count, sum_a, sum_b, sum_aa, sum_bb, sum_ab = sums
    divisor = np.maximum(count, 1.0)
    covariance = (sum_ab - sum_a * sum_b / divisor).sum(axis=1)
    variances = (sum_aa - sum_a**2 / divisor).sum(axis=1) * (sum_bb - sum_b**2 / divisor).sum(
        axis=1
    )
    if not (variances > 0).all():
        return float("nan")
    values = covariance / np.sqrt(variances)
    middle = int(np.argmax(values[reach : len(values) - reach])) + reach
    place = refine_peak(values[middle - reach : middle + reach + 1])
    return middle - 2 * reach + place
