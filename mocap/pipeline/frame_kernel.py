"""One frame in one compiled call: association, estimation and tracking on plain arrays."""

# pyright: basic

from __future__ import annotations

import math

import numpy as np
from numba import njit

from mocap.association.kernels import assign, cluster, pair_cost, person_cost
from mocap.geometry.ray_space import invert_packed, pack, ray_frames
from mocap.reconstruction.detail_kernels import tie_in_space, tie_in_view
from mocap.reconstruction.fusion_kernels import solve_person, sweep_links
from mocap.reconstruction.mirror_kernels import against_prediction, find_turned, turn
from mocap.reconstruction.swap_kernels import WHOLE_BODY, exchange, swapped_limb
from mocap.tracking.kernels import learn_lengths, predict, update

_SAME_M = 0.08
"""A 2D person that fits so well to somebody found in this frame is nobody else."""
_WEAK_M = 0.05
"""By so much worse fits a 2D person to somebody new, or whom two views have not shown lately."""
_LEAST_FRAGMENT = 3
"""A fragment that adds fewer keypoints is a double."""


@njit(cache=True, nogil=True, error_model="numpy")
def _gather(group, all_frames, all_conf, least, frames, conf):
    cameras, count = conf.shape
    for c in range(cameras):
        j = group[c]
        if j < 0:
            for k in range(count):
                conf[c, k] = 0.0
            continue
        for k in range(count):
            w = all_conf[j, k]
            conf[c, k] = w if w >= least[k] else 0.0
            for a in range(3):
                for b in range(3):
                    frames[c, k, a, b] = all_frames[j, k, a, b]


@njit(cache=True, nogil=True, error_model="numpy")
def _noise(center, rig, scale, sigma_m, floor_px, sigma):
    cameras, count = sigma.shape
    for c in range(cameras):
        d2 = 0.0
        for i in range(3):
            d2 += (center[i] - rig.center[c, i]) ** 2
        depth = max(math.sqrt(d2), 0.3)
        for k in range(count):
            a, b = sigma_m[k] / depth, floor_px / rig.focal[c]
            sigma[c, k] = scale[c] * math.sqrt(a * a + b * b)


@njit(cache=True, nogil=True, error_model="numpy")
def _middle(points, chosen, out):
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


@njit(cache=True, nogil=True, error_model="numpy")
def _count(points, chosen):
    n = 0
    for k in chosen:
        n += math.isfinite(points[k, 0])
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def _separation(a, b, chosen):
    total, n = 0.0, 0
    for k in chosen:
        if math.isfinite(a[k, 0]) and math.isfinite(b[k, 0]):
            total += math.sqrt(
                (a[k, 0] - b[k, 0]) ** 2 + (a[k, 1] - b[k, 1]) ** 2 + (a[k, 2] - b[k, 2]) ** 2
            )
            n += 1
    return total / n if n else math.inf


@njit(cache=True, nogil=True, error_model="numpy")
def _scale_from_links(
    points,
    center,
    ends,
    slot,
    length,
    sigma,
    prior,
    prior_h,
    chosen,
    moved,
    height,
    height_var,
    height_count,
    height_min2,
):
    """Moves a person seen by one camera along its rays so that the links have their lengths.

    Keypoint by keypoint this would take many sweeps, because each holds its neighbours back.
    """
    a, b = 0.0, 0.0
    for e in range(len(ends)):
        p, q = ends[e, 0], ends[e, 1]
        if not (math.isfinite(points[p, 0]) and math.isfinite(points[q, 0])):
            continue
        d2 = 0.0
        for i in range(3):
            d2 += (points[p, i] - points[q, i]) ** 2
        n = math.sqrt(d2)
        r = length[slot[e]] - n
        s = sigma[slot[e]]
        w = 1 / (s * s) / (1 + r * r / (s * s) / 9.0)
        a += w * n * n
        b += w * n * r
    # The errors of the predicted depths are common to all keypoints: one of them counts.
    pa, pb, count = 0.0, 0.0, 0
    for k in chosen:
        if not (math.isfinite(points[k, 0]) and math.isfinite(prior[k, 0])):
            continue
        h = prior_h[k]
        p0, p1, p2 = points[k, 0] - center[0], points[k, 1] - center[1], points[k, 2] - center[2]
        o0, o1, o2 = (
            prior[k, 0] - points[k, 0],
            prior[k, 1] - points[k, 1],
            prior[k, 2] - points[k, 2],
        )
        g0 = h[0] * p0 + h[1] * p1 + h[2] * p2
        g1 = h[1] * p0 + h[3] * p1 + h[4] * p2
        g2 = h[2] * p0 + h[4] * p1 + h[5] * p2
        pa += g0 * p0 + g1 * p1 + g2 * p2
        pb += g0 * o0 + g1 * o1 + g2 * o2
        count += 1
    if count:
        a += pa / count
        b += pb / count
    # So are those of the heights.
    pa, pb, count = 0.0, 0.0, 0
    for k in chosen:
        if not (math.isfinite(points[k, 0]) and height_count[k] >= 10):
            continue
        slope = points[k, 2] - center[2]
        r = height[k] - points[k, 2]
        variance = height_var[k] + height_min2
        w = 1 / variance / (1 + r * r / variance / 9.0)
        pa += w * slope * slope
        pb += w * slope * r
        count += 1
    if count:
        a += 2 * pa / count
        b += 2 * pb / count
    if a <= 0:
        return 0.01
    s = min(max(b / a, -0.05), 0.05)
    for k in range(len(points)):
        for i in range(3):
            points[k, i] += s * (points[k, i] - center[i])
            moved[k, i] += s * (moved[k, i] - center[i])
    return 1 / a


@njit(cache=True, nogil=True, error_model="numpy")
def _add_depth_variance(points, info, center, variance):
    """Makes all keypoints unsure along their rays by a variance in parts of the distance."""
    h = np.zeros(6)
    cov = np.zeros((3, 3))
    for k in range(len(points)):
        if not math.isfinite(points[k, 0]):
            continue
        invert_packed(info[k], cov)
        for i in range(3):
            for j in range(3):
                cov[i, j] += variance * (points[k, i] - center[i]) * (points[k, j] - center[j])
        pack(cov, h)
        invert_packed(h, cov)
        pack(cov, info[k])


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, nogil=True, error_model="numpy")
def _report(points, info, covariance):
    for k in range(len(points)):
        if math.isfinite(points[k, 0]):
            invert_packed(info[k], covariance[k])
        else:
            covariance[k] = math.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _exchange_flags(flags, mirror):
    for k in range(len(mirror)):
        if mirror[k] > k:
            t = flags[k]
            flags[k] = flags[mirror[k]]
            flags[mirror[k]] = t


@njit(cache=True, nogil=True, error_model="numpy")
def _exchange_sides(tracks, m, mirror):
    """Left becomes right in the state of one person."""
    tracks.points[m] = tracks.points[m][mirror].copy()
    tracks.velocity[m] = tracks.velocity[m][mirror].copy()
    tracks.pp[m] = tracks.pp[m][mirror].copy()
    tracks.pv[m] = tracks.pv[m][mirror].copy()
    tracks.vv[m] = tracks.vv[m][mirror].copy()
    tracks.seen[m] = tracks.seen[m][mirror].copy()
    tracks.seen_twice[m] = tracks.seen_twice[m][mirror].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def _join_fragment(j, c, explained, group, most, least, pixels, conf, frames):
    """Gives what 2D person j shows to the 2D person of whom it is another part; in place.

    Bottom-up detectors break one person into several. Whoever explains the fragment best gets the
    keypoints that its own 2D person in this view lacks.

    Returns:
        Whether j is such a fragment.
    """
    m = -1
    for row in range(len(explained)):
        if explained[row, j] < most:
            m, most = row, explained[row, j]
    if m < 0 or group[m, c] < 0:
        return False
    i = group[m, c]
    joined = 0
    for k in range(len(least)):
        joined += conf[i, k] < least[k] and conf[j, k] >= least[k]
    if joined < _LEAST_FRAGMENT:
        return False
    for k in range(len(least)):
        if conf[i, k] < least[k] and conf[j, k] >= least[k]:
            conf[i, k] = conf[j, k]
            pixels[i, k] = pixels[j, k]
            frames[i, k] = frames[j, k]
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def process_frame(now, camera, pixels, all_conf, rig, scale, body, tracks, settings, result):
    """Takes in one frame; changes `tracks` and fills `result`.

    Takes:
        now: seconds.
        camera: (P) of each 2D person.
        pixels, all_conf: (P, K, 2), (P, K) their keypoints; fragments of one person are put
            together in place.
        rig, scale, body, settings: see their classes; scale (C) is the noise of the cameras.
        tracks: state.
        result: output.
    """
    people, count = all_conf.shape
    cameras = len(rig.focal)
    rows = len(tracks.active)
    gate2 = settings.gate * settings.gate
    all_frames = ray_frames(
        pixels, all_conf, camera, rig.matrix, rig.distortions, rig.fisheye, rig.T_cam_world
    )
    result.found[:] = False
    result.born[:] = False
    result.group[:] = -1
    result.turned[:] = 0
    result.used[:] = False
    for m in range(rows):
        if not tracks.active[m]:
            continue
        predict(
            tracks.points[m],
            tracks.velocity[m],
            tracks.pp[m],
            tracks.pv[m],
            tracks.vv[m],
            tracks.seen[m],
            tracks.seen_twice[m],
            now - tracks.time[m],
            now,
            body.density,
            body.chosen,
            settings.stale_s,
            settings.memory_s,
            settings.damping_s,
        )
        tracks.time[m] = now
    # People known so far claim their 2D people, camera by camera.
    taken = np.zeros(people, np.bool_)
    explained = np.full((rows, people), math.inf)
    known = np.zeros(rows, np.int64)
    n_known = 0
    for m in range(rows):
        if tracks.active[m]:
            known[n_known] = m
            n_known += 1
    # Whoever is not sure to be there must not take views from somebody who is.
    weak = np.zeros(n_known)
    for a in range(n_known):
        m = known[a]
        latest = -1e9
        for k in body.chosen:
            latest = max(latest, tracks.seen_twice[m, k])
        if tracks.person_id[m] < 0 or now - latest > settings.stale_s:
            weak[a] = _WEAK_M
    here = np.zeros(people, np.int64)
    for c in range(cameras):
        n = 0
        for j in range(people):
            if camera[j] == c:
                here[n] = j
                n += 1
        if n == 0 or n_known == 0:
            continue
        limited = np.zeros((n_known, n))
        for a in range(n_known):
            m = known[a]
            for b in range(n):
                j = here[b]
                cost = person_cost(
                    tracks.points[m],
                    tracks.pp[m],
                    all_frames,
                    all_conf,
                    j,
                    rig.center,
                    c,
                    body.chosen,
                    body.mirror,
                    settings.assoc_confidence,
                    settings.assoc_keypoints,
                    settings.cap_m,
                    settings.mirror_penalty_m,
                    settings.blur_m**2,
                )
                explained[m, j] = cost
                limited[a, b] = min(cost + weak[a], settings.max_track_m)
        columns = assign(limited)
        for a in range(n_known):
            b = columns[a]
            if b >= 0 and limited[a, b] < settings.max_track_m:
                result.group[known[a], c] = here[b]
                taken[here[b]] = True
        for b in range(n):
            if not taken[here[b]]:
                taken[here[b]] = _join_fragment(
                    here[b],
                    c,
                    explained,
                    result.group,
                    0.6 * settings.max_track_m,
                    body.least,
                    pixels,
                    all_conf,
                    all_frames,
                )
    frames = np.zeros((cameras, count, 3, 3))
    conf = np.zeros((cameras, count))
    sigma = np.zeros((cameras, count))
    middle = np.zeros(3)
    prior_h = np.zeros((count, 6))
    inverse = np.zeros((3, 3))
    fused = np.zeros((count, 3))
    free = np.zeros((count, 3))
    info = np.zeros((count, 6))
    reported = np.zeros((count, 6))
    spread = np.ones(count)
    fresh = np.ones(count, np.bool_)
    nowhere = np.full((count, 3), math.nan)
    limbs = np.zeros(cameras, np.int64)
    has_details = body.hands.shape[1] > 0 or len(body.face) > 0
    links = (body.ends, body.slot, body.of_keypoint)
    numbers = (
        settings.gate,
        settings.cauchy,
        settings.min_cosine,
        settings.max_pairs,
        settings.sweeps,
        settings.prior_dof,
        settings.table,
    )
    for a in range(n_known):
        m = known[a]
        views, lone_camera = 0, -1
        for c in range(cameras):
            if result.group[m, c] >= 0:
                views += 1
                lone_camera = c
        if views == 1:
            latest = -1e9
            for k in body.chosen:
                latest = max(latest, tracks.seen_twice[m, k])
            # A new person must be shown by two views for a while.
            limit = settings.max_single_s if tracks.person_id[m] >= 0 else 0.5 * settings.confirm_s
            if now - latest > limit:
                tracks.active[m] = False
                result.group[m] = -1
                continue
        if views == 0:
            continue
        prior, prior_cov = tracks.points[m], tracks.pp[m]
        for k in range(count):
            if math.isfinite(prior[k, 0]):
                h = prior_h[k]
                h[0], h[1], h[2] = prior_cov[k, 0, 0], prior_cov[k, 0, 1], prior_cov[k, 0, 2]
                h[3], h[4], h[5] = prior_cov[k, 1, 1], prior_cov[k, 1, 2], prior_cov[k, 2, 2]
                invert_packed(h, inverse)
                pack(inverse, h)
            else:
                prior_h[k] = 0.0
        if not _middle(prior, body.chosen, middle):
            continue
        _noise(middle, rig, scale, body.sigma_m, settings.floor_px, sigma)
        for k in range(count):
            fresh[k] = now - tracks.seen_twice[m, k] < settings.stale_s
        limbs[:] = 0
        for attempt in range(3):
            _gather(result.group[m], all_frames, all_conf, body.least, frames, conf)
            for c in range(cameras):
                result.turned[m, c] = limbs[c]
                if result.group[m, c] < 0:
                    continue
                straight, turned = against_prediction(
                    frames,
                    conf,
                    sigma,
                    rig.center,
                    c,
                    prior,
                    prior_cov,
                    body.paired,
                    body.mirror,
                    gate2,
                )
                if straight > settings.suspicion and turned < settings.ratio * straight:
                    turn(frames, conf, c, body.mirror, body.paired)
                    result.turned[m, c] |= WHOLE_BODY
                if limbs[c]:
                    exchange(frames, conf, c, body.mirror, body.part_bits, limbs[c])
                if has_details:
                    result.turned[m, c] |= tie_in_view(
                        frames,
                        conf,
                        c,
                        prior,
                        middle,
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
            lone, seen = solve_person(
                frames,
                conf,
                sigma,
                rig.center,
                prior,
                prior_cov,
                prior_h,
                links,
                tracks.length[m],
                tracks.sigma_length[m],
                numbers,
                fused,
                info,
                result.used[m],
                free,
                spread,
                fresh,
                settings.max_free_m**2,
            )
            if attempt == 0:
                found_limb = False
                for c in range(cameras):
                    if result.group[m, c] >= 0:
                        limbs[c] = swapped_limb(
                            fused,
                            info,
                            frames,
                            conf,
                            result.used[m],
                            sigma,
                            rig.center,
                            c,
                            body.mirror,
                            body.part_bits,
                            body.limb_bits,
                            gate2,
                        )
                        found_limb = found_limb or limbs[c] > 0
                if found_limb:
                    continue
            # A view most of whose keypoints do not fit shows somebody else.
            worst, who = settings.min_fit, -1
            for c in range(cameras):
                if result.group[m, c] < 0 or views < 2:
                    continue
                have, fit = 0, 0
                for k in body.chosen:
                    if conf[c, k] > 0 and math.isfinite(fused[k, 0]):
                        have += 1
                        fit += result.used[m, c, k]
                if have >= 3 and fit / have < worst:
                    worst, who = fit / have, c
            if who < 0 or attempt == 2:
                break
            taken[result.group[m, who]] = False
            result.group[m, who] = -1
            views -= 1
        if views == 0:
            continue
        if has_details:
            tie_in_space(
                fused,
                result.used[m],
                body.hands,
                body.wrists,
                body.face,
                body.head,
                settings.hand_reach_m,
                settings.face_reach_m,
            )
        # Most views show the person the other way round than we took it: so it is we who erred.
        opposite = 0
        for c in range(cameras):
            opposite += result.group[m, c] >= 0 and result.turned[m, c] & WHOLE_BODY
        if views > 1:
            tracks.turned_frames[m] = tracks.turned_frames[m] + 1 if 2 * opposite > views else 0
        learn_lengths(
            free,
            info,
            body.sigma_m,
            body.ends,
            body.slot,
            body.adult_m,
            tracks.length[m],
            tracks.length_count[m],
            tracks.sigma_length[m],
            settings.link_relative,
            settings.link_min_m,
            settings.adult_relative,
        )
        for k in body.chosen:
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
        depth_variance = 0.0
        moved = prior.copy()
        if views == 1:
            for c in range(cameras):
                if result.group[m, c] >= 0:
                    lone_camera = c
            for _ in range(3):
                depth_variance = _scale_from_links(
                    fused,
                    rig.center[lone_camera],
                    body.ends,
                    body.slot,
                    tracks.length[m],
                    tracks.sigma_length[m],
                    prior,
                    prior_h,
                    body.chosen,
                    moved,
                    tracks.height[m],
                    tracks.height_var[m],
                    tracks.height_count[m],
                    settings.height_min_m**2,
                )
        sweep_links(
            frames,
            conf,
            sigma,
            rig.center,
            moved,
            prior_h,
            links,
            tracks.length[m],
            tracks.sigma_length[m],
            numbers,
            fused,
            info,
            result.used[m],
            spread,
            lone,
            seen,
            settings.link_trust,
            tracks.height[m],
            tracks.height_var[m],
            tracks.height_count[m],
            settings.height_min_m**2,
            settings.link_report,
            reported,
        )
        if views == 1:
            _add_depth_variance(
                fused, info, rig.center[lone_camera], max(depth_variance, settings.depth_floor2)
            )
            reported[:] = info
        _report(fused, reported, result.covariance[m])
        for k in range(count):
            n = 0
            for c in range(cameras):
                n += result.used[m, c, k]
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
            fused,
            info,
        )
        if _count(fused, body.chosen) < settings.min_keypoints:
            continue
        result.found[m] = True
        tracks.frames[m] += 1
        if tracks.turned_frames[m] >= settings.turned_frames:
            _exchange_sides(tracks, m, body.mirror)
            result.covariance[m] = result.covariance[m][body.mirror].copy()
            for c in range(cameras):
                if result.group[m, c] >= 0:
                    result.turned[m, c] ^= WHOLE_BODY
                    _exchange_flags(result.used[m, c], body.mirror)
            tracks.turned_frames[m] = 0
    # Two tracks at one place are one person.
    for a in range(n_known):
        for b in range(a):
            m, o = known[a], known[b]
            if not (tracks.active[m] and tracks.active[o]):
                continue
            if (
                _separation(tracks.points[m], tracks.points[o], body.chosen)
                < settings.min_separation_m
            ):
                loser = m if tracks.frames[m] < tracks.frames[o] else o
                tracks.active[loser] = False
                result.found[loser] = False
    # Who is left is grouped among each other.
    loose = np.zeros(people, np.int64)
    n = 0
    # A 2D person claimed by somebody whom no other view shows takes part as well: its place is a
    # guess, and another view may tell better where it is.
    holder = np.full(people, -1)
    for a in range(n_known):
        m = known[a]
        if not tracks.active[m] or not result.found[m]:
            continue
        views, last = 0, 0
        for c in range(cameras):
            if result.group[m, c] >= 0:
                views += 1
                last = result.group[m, c]
        if views == 1:
            holder[last] = m
    free_people = 0
    for j in range(people):
        if taken[j] and holder[j] < 0:
            continue
        near = False
        for a in range(n_known):
            if holder[j] >= 0 or not tracks.active[known[a]]:
                continue
            near = near or explained[known[a], j] < 0.6 * settings.max_track_m
        has = 0
        for k in body.chosen:
            has += all_conf[j, k] >= settings.assoc_confidence
        if has >= settings.assoc_keypoints and not near:
            loose[n] = j
            n += 1
            free_people += holder[j] < 0
    if n < 2:
        return
    cost = np.full((n, n), math.inf)
    loose_camera = np.zeros(n, np.int64)
    for a in range(n):
        i = loose[a]
        loose_camera[a] = camera[i]
        for b in range(a):
            j = loose[b]
            if camera[i] == camera[j]:
                continue
            cost[a, b] = pair_cost(
                all_frames[i],
                all_conf[i],
                rig.center[camera[i]],
                all_frames[j],
                all_conf[j],
                rig.center[camera[j]],
                body.chosen,
                body.mirror,
                settings.assoc_confidence,
                settings.assoc_keypoints,
                settings.cap_m,
                settings.mirror_penalty_m,
            )
            cost[b, a] = cost[a, b]
    label = cluster(cost, loose_camera, settings.max_pair_m)
    sizes = np.zeros(n, np.int64)
    for a in range(n):
        sizes[label[a]] += 1
    explained_now = np.zeros(n, np.bool_)
    group = np.zeros(cameras, np.int64)
    turned = np.zeros(cameras, np.bool_)
    bits = np.zeros(cameras, np.int64)
    used = np.zeros((cameras, count), np.bool_)
    # With many cameras two whose rays happen to meet are no evidence: others would see it too.
    watching = 0
    for c in range(cameras):
        for j in range(people):
            if camera[j] == c:
                watching += 1
                break
    least = max(2, math.ceil(settings.min_view_share * watching))
    for size in range(n, least - 1, -1):
        for a in range(n):
            if sizes[a] != size:
                continue
            group[:] = -1
            members = 0
            for b in range(n):
                if label[b] == a and not explained_now[b]:
                    group[loose_camera[b]] = loose[b]
                    members += 1
            if members < least:
                continue
            _gather(group, all_frames, all_conf, body.least, frames, conf)
            for c in range(cameras):
                for k in range(count):
                    sigma[c, k] = 0.02
            turned[:] = False
            prior_h[:] = 0.0
            length, sigma_length = body.adult_m.copy(), settings.adult_relative * body.adult_m
            solve_person(
                frames,
                conf,
                sigma,
                rig.center,
                nowhere,
                tracks.pp[0],
                prior_h,
                links,
                length,
                sigma_length,
                numbers,
                fused,
                info,
                used,
                free,
                spread,
                fresh,
                settings.max_free_m**2,
            )
            if not _middle(fused, body.chosen, middle):
                continue
            _noise(middle, rig, scale, body.sigma_m, settings.floor_px, sigma)
            find_turned(
                frames,
                conf,
                sigma,
                rig.center,
                body.paired,
                body.mirror,
                gate2,
                settings.min_cosine,
                settings.max_pairs,
                settings.suspicion,
                settings.ratio,
                turned,
            )
            for c in range(cameras):
                bits[c] = WHOLE_BODY if turned[c] else 0
                if group[c] >= 0 and has_details:
                    bits[c] |= tie_in_view(
                        frames,
                        conf,
                        c,
                        nowhere,
                        middle,
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
            for _attempt in range(2):
                lone, seen = solve_person(
                    frames,
                    conf,
                    sigma,
                    rig.center,
                    nowhere,
                    tracks.pp[0],
                    prior_h,
                    links,
                    length,
                    sigma_length,
                    numbers,
                    fused,
                    info,
                    used,
                    free,
                    spread,
                    fresh,
                    settings.max_free_m**2,
                )
                # Of two views that contradict each other none can be said to be wrong.
                if _attempt > 0 or size < 3:
                    break
                found_limb = False
                for c in range(cameras):
                    if group[c] < 0:
                        continue
                    limb = swapped_limb(
                        fused,
                        info,
                        frames,
                        conf,
                        used,
                        sigma,
                        rig.center,
                        c,
                        body.mirror,
                        body.part_bits,
                        body.limb_bits,
                        gate2,
                    )
                    if limb:
                        exchange(frames, conf, c, body.mirror, body.part_bits, limb)
                        bits[c] |= limb
                        found_limb = True
                if not found_limb:
                    break
            if has_details:
                tie_in_space(
                    fused,
                    used,
                    body.hands,
                    body.wrists,
                    body.face,
                    body.head,
                    settings.hand_reach_m,
                    settings.face_reach_m,
                )
            if _count(fused, body.chosen) < settings.min_birth:
                continue
            if _plausible(fused, body.ends, body.slot, body.adult_m) < 0.6:
                continue
            keeper = -1
            for c in range(cameras):
                if group[c] >= 0 and holder[group[c]] >= 0:
                    m = holder[group[c]]
                    if keeper < 0 or tracks.frames[m] > tracks.frames[keeper]:
                        keeper = m
            if keeper >= 0:
                since = 0.0
                for k in body.chosen:
                    since += min(now - tracks.seen_twice[keeper, k], 2.0) / len(body.chosen)
                shift = _separation(fused, tracks.points[keeper], body.chosen)
                if shift > settings.shift_m + settings.shift_m_s * since:
                    keeper = -2
            alone = True
            row = -1
            for m in range(rows):
                if tracks.active[m]:
                    held = False
                    for c in range(cameras):
                        held = held or (group[c] >= 0 and holder[group[c]] == m)
                    if held:
                        continue
                    if (
                        result.found[m]
                        and _separation(fused, tracks.points[m], body.chosen)
                        < settings.min_separation_m
                    ):
                        alone = False
                elif row < 0:
                    row = m
            if not alone or (row < 0 and keeper < 0):
                continue
            for c in range(cameras):
                if group[c] >= 0 and holder[group[c]] >= 0:
                    m = holder[group[c]]
                    if m != keeper:
                        tracks.active[m] = False
                        result.found[m] = False
            if keeper >= 0:
                row = keeper
            if keeper < 0:
                tracks.length[row] = body.adult_m
                tracks.height_count[row] = 0.0
                tracks.turned_frames[row] = 0
                tracks.length_count[row] = 0.0
            learn_lengths(
                free,
                info,
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
            sweep_links(
                frames,
                conf,
                sigma,
                rig.center,
                nowhere,
                prior_h,
                links,
                tracks.length[row],
                tracks.sigma_length[row],
                numbers,
                fused,
                info,
                used,
                spread,
                lone,
                seen,
                settings.link_trust,
                tracks.height[row],
                tracks.height_var[row],
                tracks.height_count[row],
                settings.height_min_m**2,
                settings.link_report,
                reported,
            )
            _report(fused, reported, result.covariance[row])
            update(
                tracks.points[row],
                tracks.velocity[row],
                tracks.pp[row],
                tracks.pv[row],
                tracks.vv[row],
                nowhere,
                fused,
                info,
            )
            for k in range(count):
                m = 0
                for c in range(cameras):
                    m += used[c, k]
                tracks.seen[row, k] = now if m > 0 else -1e9
                tracks.seen_twice[row, k] = now if m > 1 else -1e9
                for c in range(cameras):
                    result.used[row, c, k] = used[c, k]
            tracks.active[row] = True
            tracks.time[row] = now
            result.found[row] = True
            if keeper < 0:
                tracks.frames[row] = 1
                tracks.person_id[row] = -1
                tracks.born[row] = now
                result.born[row] = True
            for c in range(cameras):
                result.group[row, c] = group[c]
                result.turned[row, c] = bits[c]
            # One person split into two groups is not two people.
            for b in range(n):
                if label[b] == a or group[loose_camera[b]] >= 0 or holder[loose[b]] >= 0:
                    continue
                off = person_cost(
                    tracks.points[row],
                    tracks.pp[row],
                    all_frames,
                    all_conf,
                    loose[b],
                    rig.center,
                    loose_camera[b],
                    body.chosen,
                    body.mirror,
                    settings.assoc_confidence,
                    settings.assoc_keypoints,
                    settings.cap_m,
                    settings.mirror_penalty_m,
                    settings.blur_m**2,
                )
                if off < _SAME_M:
                    explained_now[b] = True
