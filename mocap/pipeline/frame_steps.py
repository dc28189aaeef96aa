"""The steps by which one person is estimated, on the plain arrays of one frame."""

# pyright: basic

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mocap.compiled import kernel
from mocap.reconstruction.detail_kernels import tie_in_space, tie_in_view
from mocap.reconstruction.fusion_kernels import solve_person
from mocap.reconstruction.link_kernels import sweep_links
from mocap.reconstruction.noise_kernels import judge_views, told_covariance
from mocap.reconstruction.swap_kernels import swapped_limb
from mocap.tracking.kernels import learn_lengths


class Seen(NamedTuple):
    """The 2D people (P) of the frame, and who claims them."""

    camera: np.ndarray  # (P)
    pixels: np.ndarray  # (P, K, 2)
    conf: np.ndarray  # (P, K)
    frames: np.ndarray  # (P, K, 3, 3) ray frames
    taken: np.ndarray  # (P) bool
    explained: np.ndarray  # (M, P) cost of each for each known person, metres


class Work(NamedTuple):
    """What the estimate of one person works on, and its result."""

    frames: np.ndarray  # (C, K, 3, 3) ray frames of the person's views
    conf: np.ndarray  # (C, K) 0 for none
    sigma: np.ndarray  # (C, K) noise, tangent of an angle
    middle: np.ndarray  # (3)
    prior_h: np.ndarray  # (K, 6) packed information of the prediction
    points: np.ndarray  # (K, 3)
    free: np.ndarray  # (K, 3) without links
    info: np.ndarray  # (K, 6) packed
    reported: np.ndarray  # (K, 6) packed
    links: np.ndarray  # (K, 6) packed: the part of `reported` that is from links
    views: np.ndarray  # (K, 6) packed: what the views say, by their residuals
    ratio: np.ndarray  # (K) variance of the views by that of the filter; 0 for none
    spread: np.ndarray  # (K)
    fresh: np.ndarray  # (K) bool: two views have seen the keypoint lately


@kernel(inline="always")
def empty_work(cameras, count):
    """Room for the estimate of one person."""
    return Work(
        np.zeros((cameras, count, 3, 3)),
        np.zeros((cameras, count)),
        np.zeros((cameras, count)),
        np.zeros(3),
        np.zeros((count, 6)),
        np.zeros((count, 3)),
        np.zeros((count, 3)),
        np.zeros((count, 6)),
        np.zeros((count, 6)),
        np.zeros((count, 6)),
        np.zeros((count, 6)),
        np.zeros(count),
        np.ones(count),
        np.ones(count, np.bool_),
    )


@kernel
def gather(group, seen, least, work):
    """Puts together the keypoints of a group (C) of 2D people, -1 for none."""
    cameras, count = work.conf.shape
    for c in range(cameras):
        j = group[c]
        if j < 0:
            for k in range(count):
                work.conf[c, k] = 0.0
            continue
        for k in range(count):
            w = seen.conf[j, k]
            work.conf[c, k] = w if w >= least[k] else 0.0
            for a in range(3):
                for b in range(3):
                    work.frames[c, k, a, b] = seen.frames[j, k, a, b]


@kernel
def noise(center, rig, scale, sigma_m, floor_px, sigma):
    """Sets the noise of each keypoint in each view (C, K) of somebody at a place."""
    cameras, count = sigma.shape
    for c in range(cameras):
        d2 = 0.0
        for i in range(3):
            d2 += (center[i] - rig.center[c, i]) ** 2
        by, least, learnt = 1 / max(math.sqrt(d2), 0.3), floor_px / rig.focal[c], scale[c]
        for k in range(count):
            a = sigma_m[k] * by
            sigma[c, k] = learnt * math.sqrt(a * a + least * least)


@kernel
def middle(points, chosen, out):
    """Mean of the known points; false if there are none."""
    out[:] = 0.0
    n = 0
    for k in chosen:
        if math.isfinite(points[k, 0]):
            n += 1
            for i in range(3):
                out[i] += points[k, i]
    for i in range(3):
        out[i] /= max(n, 1)
    return n > 0


@kernel
def count_known(points, chosen):
    """How many of the chosen points are known."""
    n = 0
    for k in chosen:
        n += math.isfinite(points[k, 0])
    return n


@kernel
def separation(a, b, chosen):
    """Mean distance of the points known of both; infinite if there are none."""
    total, n = 0.0, 0
    for k in chosen:
        if math.isfinite(a[k, 0]) and math.isfinite(b[k, 0]):
            total += math.sqrt(
                (a[k, 0] - b[k, 0]) ** 2 + (a[k, 1] - b[k, 1]) ** 2 + (a[k, 2] - b[k, 2]) ** 2
            )
            n += 1
    return total / n if n else math.inf


@kernel(inline="always")
def judge(work, used, level, latest, rig, body, settings, squares, repeated):
    """What the residuals say of the noise; see `judge_views`."""
    judge_views(
        work.points,
        work.frames,
        work.conf,
        work.sigma,
        rig.center,
        used,
        work.spread,
        settings.cauchy,
        settings.prior_dof,
        settings.table,
        level,
        body.chosen,
        latest,
        work.views,
        work.ratio,
        squares,
        repeated,
    )


@kernel(inline="always")
def report(work, lasting, prior_h, tracks, row, body, covariance):
    """Sets the covariances (K, 3, 3) that are told; see `told_covariance`."""
    told_covariance(
        work.points,
        work.reported,
        work.views,
        work.links,
        work.ratio,
        lasting,
        prior_h,
        tracks.pp[row],
        (body.ends, body.slot, body.of_keypoint),
        tracks.length[row],
        tracks.sigma_length[row],
        covariance,
    )


@kernel(inline="always")
def _numbers(settings):
    return (
        settings.gate,
        settings.cauchy,
        settings.min_cosine,
        settings.max_pairs,
        settings.sweeps,
        settings.prior_dof,
        settings.table,
    )


@kernel(inline="always")
def solve(work, used, prior, prior_cov, length, sigma_length, rig, body, settings):
    """Estimates all keypoints from the gathered views; see `solve_person`."""
    return solve_person(
        work.frames,
        work.conf,
        work.sigma,
        rig.center,
        prior,
        prior_cov,
        work.prior_h,
        (body.ends, body.slot, body.of_keypoint),
        length,
        sigma_length,
        _numbers(settings),
        work.points,
        work.info,
        used,
        work.free,
        work.spread,
        work.fresh,
        settings.max_free_m**2,
    )


@kernel(inline="always")
def learn(work, tracks, row, body, settings):
    """Learns the bone lengths of the person in a row from what views alone have placed."""
    learn_lengths(
        work.free,
        work.info,
        body.sigma_m,
        body.ends,
        body.slot,
        body.adult_m,
        tracks.length[row],
        tracks.length_count[row],
        tracks.sigma_length[row],
        settings.link_relative,
        settings.link_min_m,
        settings.adult_relative,
    )


@kernel(inline="always")
def sweep(work, used, prior, lone, seen, tracks, row, rig, body, settings):
    """Gives the links of the person in a row their lengths; see `sweep_links`."""
    sweep_links(
        work.frames,
        work.conf,
        work.sigma,
        rig.center,
        prior,
        work.prior_h,
        (body.ends, body.slot, body.of_keypoint),
        tracks.length[row],
        tracks.sigma_length[row],
        _numbers(settings),
        work.points,
        work.info,
        used,
        work.spread,
        lone,
        seen,
        settings.link_trust,
        tracks.height[row],
        tracks.height_var[row],
        tracks.height_count[row],
        settings.height_min_m**2,
        settings.link_report,
        work.reported,
        work.links,
    )


@kernel(inline="always")
def has_details(body):
    """Whether the skeleton has hands or a face."""
    return body.hands.shape[1] > 0 or len(body.face) > 0


@kernel(inline="always")
def tie_view(work, c, prior, rig, body, settings):
    """Hangs hands and face of one view on the body; returns the parts exchanged."""
    return tie_in_view(
        work.frames,
        work.conf,
        c,
        prior,
        work.middle,
        rig.center,
        body.hands,
        body.wrists,
        body.face,
        body.head,
        body.mirror,
        body.part_bits,
        settings.hand_reach_m,
        settings.face_reach_m,
    )


@kernel(inline="always")
def tie_space(work, used, body, settings):
    """Leaves out hands and face that are not on the body."""
    tie_in_space(
        work.points,
        used,
        body.hands,
        body.wrists,
        body.face,
        body.head,
        settings.hand_reach_m,
        settings.face_reach_m,
    )


@kernel(inline="always")
def limb_swapped(work, used, c, rig, body, settings):
    """The limb whose left and right one view has exchanged; 0 for none."""
    return swapped_limb(
        work.points,
        work.info,
        work.frames,
        work.conf,
        used,
        work.sigma,
        rig.center,
        c,
        body.mirror,
        body.part_bits,
        body.limb_bits,
        settings.gate * settings.gate,
    )
