"""A known person is estimated from the views he has claimed, and followed."""

# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel
from mocap.pipeline.frame_claims import latest_twice
from mocap.pipeline.frame_single_view import add_depth_variance, drift_variance, scale_from_links
from mocap.pipeline.frame_steps import (
    count_known,
    gather,
    has_details,
    judge,
    learn,
    limb_swapped,
    middle,
    noise,
    report,
    solve,
    sweep,
    tie_space,
    tie_view,
)
from mocap.reconstruction.mirror_kernels import against_prediction, turn
from mocap.reconstruction.swap_kernels import WHOLE_BODY, exchange
from mocap.tracking.kernels import update


@kernel
def _exchange_flags(flags, mirror):
    for k in range(len(mirror)):
        if mirror[k] > k:
            t = flags[k]
            flags[k] = flags[mirror[k]]
            flags[mirror[k]] = t


@kernel
def _exchange_sides(tracks, m, mirror):
    """Left becomes right in the state of one person."""
    tracks.points[m] = tracks.points[m][mirror].copy()
    tracks.velocity[m] = tracks.velocity[m][mirror].copy()
    tracks.pp[m] = tracks.pp[m][mirror].copy()
    tracks.pv[m] = tracks.pv[m][mirror].copy()
    tracks.vv[m] = tracks.vv[m][mirror].copy()
    tracks.seen[m] = tracks.seen[m][mirror].copy()
    tracks.seen_twice[m] = tracks.seen_twice[m][mirror].copy()
    tracks.latest[m] = math.nan


@kernel
def count_views(group):
    """How many cameras show somebody, and the last of them (-1 for none)."""
    views, last = 0, -1
    for c in range(len(group)):
        if group[c] >= 0:
            views += 1
            last = c
    return views, last


@kernel(inline="always")
def _take_prediction(prior, prior_cov, prior_h):
    """Packed information (K, 6) of the prediction; zero where there is none."""
    for k in range(len(prior)):
        if math.isfinite(prior[k, 0]):
            a, b, c = prior_cov[k, 0, 0], prior_cov[k, 0, 1], prior_cov[k, 0, 2]
            d, e, f = prior_cov[k, 1, 1], prior_cov[k, 1, 2], prior_cov[k, 2, 2]
            c00, c01, c02 = d * f - e * e, c * e - b * f, b * e - c * d
            by = 1 / (a * c00 + b * c01 + c * c02)
            prior_h[k, 0], prior_h[k, 1], prior_h[k, 2] = c00 * by, c01 * by, c02 * by
            prior_h[k, 3], prior_h[k, 4] = (a * f - c * c) * by, (b * c - a * e) * by
            prior_h[k, 5] = (a * d - b * b) * by
        else:
            for i in range(6):
                prior_h[k, i] = 0.0


@kernel(inline="always")
def _straighten_views(m, work, limbs, rig, body, tracks, settings, result):
    """Undoes exchanges of left and right in the gathered views, by the prediction."""
    prior, prior_cov = tracks.points[m], tracks.pp[m]
    for c in range(len(rig.focal)):
        result.turned[m, c] = limbs[c]
        if result.group[m, c] < 0:
            continue
        straight, turned = against_prediction(
            work.frames,
            work.conf,
            work.sigma,
            rig.center,
            c,
            prior,
            prior_cov,
            body.paired,
            body.mirror,
            settings.gate * settings.gate,
        )
        if straight > settings.suspicion and turned < settings.ratio * straight:
            turn(work.frames, work.conf, c, body.mirror, body.paired)
            result.turned[m, c] |= WHOLE_BODY
        if limbs[c]:
            exchange(work.frames, work.conf, c, body.mirror, body.part_bits, limbs[c])
        if has_details(body):
            result.turned[m, c] |= tie_view(work, c, prior, rig, body, settings)


@kernel(inline="always")
def _misfit(m, work, body, settings, result):
    """The view that shows somebody else, as most of its keypoints do not fit; -1 for none."""
    worst, who = settings.min_fit, -1
    for c in range(len(work.conf)):
        if result.group[m, c] < 0:
            continue
        have, fit = 0, 0
        for k in body.chosen:
            if work.conf[c, k] > 0 and math.isfinite(work.points[k, 0]):
                have += 1
                fit += result.used[m, c, k]
        if have >= 3 and fit / have < worst:
            worst, who = fit / have, c
    return who


@kernel(inline="always")
def _estimate(m, views, work, seen, rig, body, tracks, settings, result):
    """Estimates somebody from his views; gives up views that show somebody else.

    Returns:
        The views that are left, and what `solve_person` returns.
    """
    cameras = len(rig.focal)
    prior, prior_cov = tracks.points[m], tracks.pp[m]
    limbs = np.zeros(cameras, np.int64)
    for attempt in range(3):
        gather(result.group[m], seen, body.least, work)
        _straighten_views(m, work, limbs, rig, body, tracks, settings, result)
        lone, shown = solve(
            work,
            result.used[m],
            prior,
            prior_cov,
            tracks.length[m],
            tracks.sigma_length[m],
            rig,
            body,
            settings,
        )
        if attempt == 0:
            found_limb = False
            for c in range(cameras):
                if result.group[m, c] >= 0:
                    limbs[c] = limb_swapped(work, result.used[m], c, rig, body, settings)
                    found_limb = found_limb or limbs[c] > 0
            if found_limb:
                continue
        who = _misfit(m, work, body, settings, result) if views > 1 else -1
        if who < 0 or attempt == 2:
            break
        seen.taken[result.group[m, who]] = False
        result.group[m, who] = -1
        views -= 1
    return views, lone, shown


@kernel(inline="always")
def _learn_heights(m, free, chosen, tracks):
    for k in chosen:
        if math.isfinite(free[k, 2]):
            n = min(tracks.height_count[m, k], 100.0)
            off = free[k, 2] - tracks.height[m, k]
            if n == 0:
                tracks.height[m, k] = free[k, 2]
                tracks.height_var[m, k] = 0.01
                tracks.height_count[m, k] = 1.0
                continue
            off = min(max(off, -0.3), 0.3)
            tracks.height[m, k] += off / (n + 1)
            tracks.height_var[m, k] += (off * off - tracks.height_var[m, k]) / (n + 5)
            tracks.height_count[m, k] += 1.0


@kernel(inline="always")
def _count_opposite(m, views, tracks, result):
    """Counts frames in which most views show somebody the other way round than he was taken."""
    opposite = 0
    for c in range(result.group.shape[1]):
        opposite += result.group[m, c] >= 0 and result.turned[m, c] & WHOLE_BODY
    if views > 1:
        tracks.turned_frames[m] = tracks.turned_frames[m] + 1 if 2 * opposite > views else 0


@kernel(inline="always")
def _exchange_person(m, mirror, tracks, result):
    """It is we who erred: left becomes right in the person, no longer in the views."""
    _exchange_sides(tracks, m, mirror)
    result.covariance[m] = result.covariance[m][mirror].copy()
    for c in range(result.group.shape[1]):
        if result.group[m, c] >= 0:
            result.turned[m, c] ^= WHOLE_BODY
            _exchange_flags(result.used[m, c], mirror)
    tracks.turned_frames[m] = 0


@kernel(inline="always")
def _sweep_single(m, lone, shown, alone_s, work, rig, body, tracks, settings, result):
    """The sweeps for somebody whom one camera shows (for so long), moved along its rays first."""
    _, camera = count_views(result.group[m])
    moved = tracks.points[m].copy()
    variance = 0.0
    for _ in range(3):
        variance = scale_from_links(
            work.points,
            rig.center[camera],
            body.ends,
            body.slot,
            tracks.length[m],
            tracks.sigma_length[m],
            tracks.points[m],
            work.prior_h,
            body.chosen,
            moved,
            tracks.height[m],
            tracks.height_var[m],
            tracks.height_count[m],
            settings.height_min_m**2,
            work.middle,
            drift_variance(alone_s),
        )
    sweep(work, result.used[m], moved, lone, shown, tracks, m, rig, body, settings)
    add_depth_variance(
        work.points, work.info, rig.center[camera], max(variance, settings.depth_floor2)
    )
    work.reported[:] = work.info
    work.ratio[:] = 0.0


@kernel(inline="always")
def follow(m, now, work, seen, rig, scale, noise_now, body, tracks, settings, result):
    """Estimates the known person in row m and moves him on; forgets him where one view alone
    has shown him for too long."""
    count = len(work.points)
    views, _ = count_views(result.group[m])
    if views == 1:
        # A new person must be shown by two views for a while.
        limit = settings.max_single_s if tracks.person_id[m] >= 0 else 0.5 * settings.confirm_s
        if now - latest_twice(tracks, m, body.chosen) > limit:
            tracks.active[m] = False
            result.group[m] = -1
            return
    prior = tracks.points[m]
    if views == 0:
        return
    _take_prediction(prior, tracks.pp[m], work.prior_h)
    if not middle(prior, body.chosen, work.middle):
        return
    noise(work.middle, rig, scale, body.sigma_m, settings.floor_px, work.sigma)
    for k in range(count):
        work.fresh[k] = now - tracks.seen_twice[m, k] < settings.stale_s
    views, lone, shown = _estimate(m, views, work, seen, rig, body, tracks, settings, result)
    if views == 0:
        return
    used = result.used[m]
    if has_details(body):
        tie_space(work, used, body, settings)
    _count_opposite(m, views, tracks, result)
    level, lasting = noise_now
    judge(work, used, level, tracks.latest[m], rig, body, settings, result.squares, result.repeated)
    learn(work, tracks, m, body, settings)
    _learn_heights(m, work.free, body.chosen, tracks)
    if views == 1:
        alone_s = now - latest_twice(tracks, m, body.chosen)
        _sweep_single(m, lone, shown, alone_s, work, rig, body, tracks, settings, result)
    else:
        sweep(work, used, prior.copy(), lone, shown, tracks, m, rig, body, settings)
    report(work, lasting, work.prior_h, tracks, m, body, result.covariance[m])
    for k in range(count):
        n = 0
        for c in range(len(used)):
            n += used[c, k]
        if n > 0:
            tracks.seen[m, k] = now
        if n > 1:
            tracks.seen_twice[m, k] = now
    update(
        tracks.points[m],
        tracks.velocity[m],
        tracks.pp[m],
        tracks.pv[m],
        tracks.vv[m],
        prior.copy(),
        work.points,
        work.info,
    )
    if count_known(work.points, body.chosen) < settings.min_keypoints:
        return
    result.found[m] = True
    tracks.frames[m] += 1
    if tracks.turned_frames[m] >= settings.turned_frames:
        _exchange_person(m, body.mirror, tracks, result)
