"""Groups of loose 2D people become new people, or the better place of somebody known."""

# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel
from mocap.pipeline.frame_claims import claim_cost, join_keypoints
from mocap.pipeline.frame_groups import group_loose, least_views, lone_holders, loose_people
from mocap.pipeline.frame_steps import (
    count_known,
    empty_work,
    gather,
    has_details,
    judge,
    learn,
    limb_swapped,
    middle,
    noise,
    report,
    separation,
    solve,
    sweep,
    tie_space,
    tie_view,
)
from mocap.reconstruction.mirror_kernels import find_turned
from mocap.reconstruction.swap_kernels import WHOLE_BODY, exchange
from mocap.tracking.kernels import update

_SAME_M = 0.08
"""A 2D person that fits so well to somebody found in this frame is nobody else."""
_FIRST_SIGMA = 0.02
"""Noise, tangent of an angle, of somebody whose distance is not known yet."""
_LEAST_PLAUSIBLE = 0.6
"""A new person needs this share of links whose lengths go together."""
_KEEPER_REFUSED = -2


@kernel
def _plausible(points, ends, slot, adult):
    """Share of the links whose lengths fit one body, by the average adult."""
    ratio = np.zeros(len(ends))
    n = 0
    for e in range(len(ends)):
        p, q = ends[e, 0], ends[e, 1]
        if adult[slot[e]] < 0.15:
            continue
        if math.isfinite(points[p, 0]) and math.isfinite(points[q, 0]):
            d2 = 0.0
            for i in range(3):
                d2 += (points[p, i] - points[q, i]) ** 2
            ratio[n] = math.sqrt(d2) / adult[slot[e]]
            n += 1
    if n < 4:
        return 1.0
    middle = np.median(ratio[:n])
    if middle < 0.4 or middle > 1.5:
        return 0.0
    fits = 0
    for e in range(n):
        fits += abs(ratio[e] / middle - 1) < 0.4
    return fits / n


@kernel(inline="always")
def _estimate(group, size, work, used, bits, seen, rig, scale, body, tracks, settings):
    """Estimates somebody of whom nothing is known but a group (C) of 2D people.

    Takes:
        used, bits: (C, K), (C) results: what was used, and the parts exchanged.

    Returns:
        Whether there is such a person, and what `solve_person` returns.
    """
    cameras = len(rig.focal)
    nowhere = np.full(work.points.shape, math.nan)
    no_cov = tracks.pp[0]
    length, sigma_length = body.adult_m.copy(), settings.adult_relative * body.adult_m
    gather(group, seen, body.least, work)
    work.sigma[:] = _FIRST_SIGMA
    lone, shown = solve(work, used, nowhere, no_cov, length, sigma_length, rig, body, settings)
    if not middle(work.points, body.chosen, work.middle):
        return False, lone, shown
    noise(work.middle, rig, scale, body.sigma_m, settings.floor_px, work.sigma)
    turned = np.zeros(cameras, np.bool_)
    find_turned(
        work.frames,
        work.conf,
        work.sigma,
        rig.center,
        body.paired,
        body.mirror,
        settings.gate * settings.gate,
        settings.min_cosine,
        settings.max_pairs,
        settings.suspicion,
        settings.ratio,
        turned,
    )
    for c in range(cameras):
        bits[c] = WHOLE_BODY if turned[c] else 0
        if group[c] >= 0 and has_details(body):
            bits[c] |= tie_view(work, c, nowhere, rig, body, settings)
    for attempt in range(2):
        lone, shown = solve(work, used, nowhere, no_cov, length, sigma_length, rig, body, settings)
        # Of two views that contradict each other none can be said to be wrong.
        if attempt > 0 or size < 3:
            break
        found_limb = False
        for c in range(cameras):
            if group[c] < 0:
                continue
            limb = limb_swapped(work, used, c, rig, body, settings)
            if limb:
                exchange(work.frames, work.conf, c, body.mirror, body.part_bits, limb)
                bits[c] |= limb
                found_limb = True
        if not found_limb:
            break
    if has_details(body):
        tie_space(work, used, body, settings)
    is_person = (
        count_known(work.points, body.chosen) >= settings.min_birth
        and _plausible(work.points, body.ends, body.slot, body.adult_m) >= _LEAST_PLAUSIBLE
    )
    return is_person, lone, shown


@kernel(inline="always")
def _keeper(now, group, holder, points, body, tracks, settings):
    """The known person of one view whose better place this group shows; row, -1 for nobody.

    `_KEEPER_REFUSED` if the place is too far from where he was thought to be.
    """
    keeper = -1
    for j in group:
        if j >= 0 and holder[j] >= 0:
            m = holder[j]
            if keeper < 0 or tracks.frames[m] > tracks.frames[keeper]:
                keeper = m
    if keeper < 0:
        return keeper
    since = 0.0
    for k in body.chosen:
        since += min(now - tracks.seen_twice[keeper, k], 2.0) / len(body.chosen)
    shift = separation(points, tracks.points[keeper], body.chosen)
    return _KEEPER_REFUSED if shift > settings.shift_m + settings.shift_m_s * since else keeper


@kernel(inline="always")
def _free_row(group, holder, points, body, tracks, settings, result):
    """A row for somebody new, -1 if none is left; and whether nobody else is at that place."""
    row = -1
    for m in range(len(tracks.active)):
        if not tracks.active[m]:
            if row < 0:
                row = m
            continue
        held = False
        for j in group:
            held = held or (j >= 0 and holder[j] == m)
        if held or not result.found[m]:
            continue
        if separation(points, tracks.points[m], body.chosen) < settings.min_separation_m:
            return row, False
    return row, True


@kernel(inline="always")
def _enter(
    now,
    row,
    is_new,
    group,
    used,
    bits,
    lone,
    shown,
    noise_now,
    work,
    rig,
    body,
    tracks,
    settings,
    result,
):
    """Writes the person estimated into a row of the tracks and of the result."""
    nowhere = np.full(work.points.shape, math.nan)
    if is_new:
        tracks.length[row] = body.adult_m
        tracks.height_count[row] = 0.0
        tracks.turned_frames[row] = 0
        tracks.length_count[row] = 0.0
    level, lasting = noise_now
    tracks.latest[row] = math.nan
    judge(
        work,
        used,
        level,
        tracks.latest[row],
        rig,
        body,
        settings,
        np.zeros((4, len(level))),
        np.zeros(2),
    )
    learn(work, tracks, row, body, settings)
    sweep(work, used, nowhere, lone, shown, tracks, row, rig, body, settings)
    report(work, lasting, np.zeros(work.info.shape), tracks, row, body, result.covariance[row])
    update(
        tracks.points[row],
        tracks.velocity[row],
        tracks.pp[row],
        tracks.pv[row],
        tracks.vv[row],
        nowhere,
        work.points,
        work.info,
    )
    for k in range(len(work.points)):
        n = 0
        for c in range(len(used)):
            n += used[c, k]
        tracks.seen[row, k] = now if n > 0 else -1e9
        tracks.seen_twice[row, k] = now if n > 1 else -1e9
    tracks.active[row] = True
    tracks.time[row] = now
    if is_new:
        tracks.frames[row] = 1
        tracks.person_id[row] = -1
        tracks.born[row] = now
        result.born[row] = True
    result.found[row] = True
    result.used[row] = used
    result.group[row] = group
    result.turned[row] = bits


@kernel
def _add_member(j, group, least, seen):
    """Adds a 2D person to a group (C), or to another part of him there; 1 for a new view."""
    c = seen.camera[j]
    if group[c] < 0:
        group[c] = j
        return 1
    has, other = 0, 0
    for k in range(len(least)):
        has += seen.conf[j, k] >= least[k]
        other += seen.conf[group[c], k] >= least[k]
    if has > other:
        join_keypoints(group[c], j, least, seen)
        group[c] = j
    else:
        join_keypoints(j, group[c], least, seen)
    return 0


@kernel(inline="always")
def _take_rest(row, group, loose, holder, explained_now, seen, rig, body, tracks, settings):
    """Gives the person in a row what is left of him: views, and fragments in views he has.

    Takes:
        group: (C) his 2D people, changed; explained_now: (N) of the loose ones, changed.

    Returns:
        Whether anything was given, so that he must be estimated again.
    """
    more = False
    for b in range(len(loose)):
        j = loose[b]
        c = seen.camera[j]
        if explained_now[b] or holder[j] >= 0 or group[c] == j:
            continue
        if claim_cost(j, c, row, seen, rig, body, tracks, settings) >= _SAME_M:
            continue
        # One person split into two is not two people.
        explained_now[b] = True
        if group[c] < 0:
            group[c] = j
            more = True
        elif join_keypoints(j, group[c], body.least, seen):
            more = True
    return more


@kernel(inline="always")
def find_new(now, known, seen, rig, scale, noise_now, body, tracks, settings, result):
    """Finds people among the 2D people whom nobody has claimed, the largest groups first."""
    cameras, count = len(rig.focal), seen.conf.shape[1]
    holder = lone_holders(known, tracks, len(seen.camera), result)
    loose = loose_people(known, holder, seen, body, tracks, settings)
    n = len(loose)
    if n < 2:
        return
    label = group_loose(loose, seen, rig, body, settings)
    sizes = np.zeros(n, np.int64)
    for a in range(n):
        sizes[label[a]] += 1
    explained_now = np.zeros(n, np.bool_)
    group = np.zeros(cameras, np.int64)
    bits = np.zeros(cameras, np.int64)
    used = np.zeros((cameras, count), np.bool_)
    work = empty_work(cameras, count)
    least = least_views(seen.camera, cameras, settings.min_view_share)
    for size in range(n, least - 1, -1):
        for a in range(n):
            if sizes[a] != size:
                continue
            group[:] = -1
            members = 0
            for b in range(n):
                if label[b] == a and not explained_now[b]:
                    members += _add_member(loose[b], group, body.least, seen)
            if members < least:
                continue
            row, keeper, is_new = -1, -1, True
            for attempt in range(2):
                is_person, lone, shown = _estimate(
                    group, members, work, used, bits, seen, rig, scale, body, tracks, settings
                )
                if not is_person:
                    break
                if attempt == 0:
                    keeper = _keeper(now, group, holder, work.points, body, tracks, settings)
                    row, alone = _free_row(
                        group, holder, work.points, body, tracks, settings, result
                    )
                    if not alone or (row < 0 and keeper < 0):
                        break
                    for j in group:
                        if j >= 0 and holder[j] >= 0 and holder[j] != keeper:
                            tracks.active[holder[j]] = False
                            result.found[holder[j]] = False
                    is_new = keeper < 0
                    row = row if is_new else keeper
                _enter(
                    now,
                    row,
                    is_new,
                    group,
                    used,
                    bits,
                    lone,
                    shown,
                    noise_now,
                    work,
                    rig,
                    body,
                    tracks,
                    settings,
                    result,
                )
                if attempt > 0 or not _take_rest(
                    row, group, loose, holder, explained_now, seen, rig, body, tracks, settings
                ):
                    break
