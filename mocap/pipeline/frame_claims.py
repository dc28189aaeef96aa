"""People known from before claim their 2D people, camera by camera."""

# pyright: basic

from __future__ import annotations

import numpy as np

from mocap.association.kernels import assign, person_cost
from mocap.compiled import kernel

_WEAK_M = 0.05
"""By so much worse fits a 2D person to somebody new, or whom two views have not shown lately."""
_FRAGMENT_SHARE = 0.6
"""Part of the largest distance of a 2D person within which it is taken for somebody's fragment."""
_LEAST_FRAGMENT = 3
"""A fragment that adds fewer keypoints is a double."""


@kernel
def latest_twice(tracks, m, chosen):
    """When two views last showed a keypoint of somebody, seconds."""
    latest = -1e9
    for k in chosen:
        latest = max(latest, tracks.seen_twice[m, k])
    return latest


@kernel(inline="always")
def _weakness(now, known, body, tracks, settings):
    """Metres (N): whoever is not sure to be there must not take views from somebody who is."""
    weak = np.zeros(len(known))
    for a in range(len(known)):
        m = known[a]
        latest = latest_twice(tracks, m, body.chosen)
        if tracks.person_id[m] < 0 or now - latest > settings.stale_s:
            weak[a] = _WEAK_M
    return weak


@kernel(inline="always")
def claim_cost(j, c, row, seen, rig, body, tracks, settings):
    """How far 2D person j of camera c is from the person in a row, metres."""
    return person_cost(
        tracks.points[row],
        tracks.pp[row],
        seen.frames,
        seen.conf,
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


@kernel
def _join_fragment(j, c, group, most, least, seen):
    """Gives what 2D person j shows to the 2D person of whom it is another part; in place.

    Bottom-up detectors break one person into several. Whoever explains the fragment best gets the
    keypoints that its own 2D person in this view lacks.

    Returns:
        Whether j is such a fragment.
    """
    m = -1
    for row in range(len(seen.explained)):
        if seen.explained[row, j] < most:
            m, most = row, seen.explained[row, j]
    if m < 0 or group[m, c] < 0:
        return False
    return join_keypoints(j, group[m, c], least, seen)


@kernel
def join_keypoints(j, i, least, seen):
    """Gives the keypoints of 2D person j to 2D person i of the same view, who lacks them; in place.

    Returns:
        Whether there were enough of them. Else nothing has changed.
    """
    conf, pixels, frames = seen.conf, seen.pixels, seen.frames
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


@kernel(inline="always")
def claim(now, known, seen, rig, body, tracks, settings, result):
    """The known people (N) claim 2D people: `result.group`, `seen.taken`, `seen.explained`.

    What is left of a view and fits somebody who has claimed another 2D person there is joined to
    that one, in place.
    """
    people = len(seen.camera)
    weak = _weakness(now, known, body, tracks, settings)
    here = np.zeros(people, np.int64)
    for c in range(len(rig.focal)):
        n = 0
        for j in range(people):
            if seen.camera[j] == c:
                here[n] = j
                n += 1
        if n == 0 or len(known) == 0:
            continue
        limited = np.zeros((len(known), n))
        for a in range(len(known)):
            m = known[a]
            for b in range(n):
                cost = claim_cost(here[b], c, m, seen, rig, body, tracks, settings)
                seen.explained[m, here[b]] = cost
                limited[a, b] = min(cost + weak[a], settings.max_track_m)
        columns = assign(limited)
        for a in range(len(known)):
            b = columns[a]
            if b >= 0 and limited[a, b] < settings.max_track_m:
                result.group[known[a], c] = here[b]
                seen.taken[here[b]] = True
        most = _FRAGMENT_SHARE * settings.max_track_m
        for b in range(n):
            if not seen.taken[here[b]]:
                seen.taken[here[b]] = _join_fragment(
                    here[b], c, result.group, most, body.least, seen
                )


@kernel(inline="always")
def fits_somebody(j, known, seen, tracks, settings):
    """Whether a 2D person fits a known person, as a fragment would."""
    for m in known:
        if tracks.active[m] and seen.explained[m, j] < _FRAGMENT_SHARE * settings.max_track_m:
            return True
    return False
