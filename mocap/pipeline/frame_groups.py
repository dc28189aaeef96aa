"""2D people whom nobody known has claimed are grouped among each other, view by view."""

# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.association.kernels import cluster, pair_cost
from mocap.compiled import kernel
from mocap.pipeline.frame_claims import fits_somebody
from mocap.pipeline.frame_known import count_views

_COMMON_OF_PARTS = 2
"""Association keypoints that two parts of one person may share, such as the hips."""


@kernel(inline="always")
def lone_holders(known, tracks, people, result):
    """Who has claimed each 2D person (P) and is shown by no other view; row, -1 for nobody.

    These 2D people take part in the grouping as well: the place of such a person is a guess, and
    another view may tell better where he is.
    """
    holder = np.full(people, -1)
    for m in known:
        if not tracks.active[m] or not result.found[m]:
            continue
        views, last = count_views(result.group[m])
        if views == 1:
            holder[result.group[m, last]] = m
    return holder


@kernel(inline="always")
def loose_people(known, holder, seen, body, tracks, settings):
    """The 2D people (N) who are grouped: claimed by nobody, or by somebody in a single view."""
    people = len(seen.camera)
    loose = np.zeros(people, np.int64)
    n = 0
    for j in range(people):
        if seen.taken[j] and holder[j] < 0:
            continue
        has = 0
        for k in body.chosen:
            has += seen.conf[j, k] >= settings.assoc_confidence
        if has < settings.assoc_keypoints:
            continue
        if holder[j] < 0 and fits_somebody(j, known, seen, tracks, settings):
            continue
        loose[n] = j
        n += 1
    return loose[:n]


@kernel
def _are_apart(i, j, seen, chosen, min_confidence):
    """Whether two 2D people of one camera show the same keypoints.

    Those who do not may be two parts of one person, as bottom-up detectors break people up.
    """
    common = 0
    for k in chosen:
        common += seen.conf[i, k] >= min_confidence and seen.conf[j, k] >= min_confidence
    return common > _COMMON_OF_PARTS


@kernel(inline="always")
def group_loose(loose, seen, rig, body, settings):
    """Labels (N) of groups of 2D people whose rays meet.

    There is one of each camera at most, or several that are parts of one person.
    """
    n = len(loose)
    cost = np.full((n, n), math.inf)
    apart = np.zeros((n, n), np.bool_)
    for a in range(n):
        i = loose[a]
        for b in range(a):
            j = loose[b]
            if seen.camera[i] == seen.camera[j]:
                apart[a, b] = _are_apart(i, j, seen, body.chosen, settings.assoc_confidence)
                apart[b, a] = apart[a, b]
                continue
            cost[a, b] = pair_cost(
                seen.frames[i],
                seen.conf[i],
                rig.center[seen.camera[i]],
                seen.frames[j],
                seen.conf[j],
                rig.center[seen.camera[j]],
                body.chosen,
                body.mirror,
                settings.assoc_confidence,
                settings.assoc_keypoints,
                settings.cap_m,
                settings.mirror_penalty_m,
            )
            cost[b, a] = cost[a, b]
    return cluster(cost, apart, settings.max_pair_m)


@kernel(inline="always")
def least_views(camera, cameras, min_view_share):
    """How many views a new person needs.

    With many cameras two whose rays happen to meet are no evidence: others would see it too.
    """
    watching = np.zeros(cameras, np.bool_)
    for c in camera:
        watching[c] = True
    return max(2, math.ceil(min_view_share * watching.sum()))
