"""Which 2D people of one frame set are the same person.

First the people known from the frame before claim their 2D people in every view (assignment on
ray to point distances). What is left is grouped by ray to ray distances, closest pairs first, with
at most one 2D person of each camera in a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from mocap.arrays import Float, Int
from mocap.association.rays import point_to_ray, ray_to_ray
from mocap.model import Skeleton
from mocap.model.config import AssociationConfig


@dataclass(frozen=True)
class ViewPeople:
    """The 2D people of one camera, as rays.

    Attributes:
        center: optical centre in the world frame, metres.
        rays: unit rays of all keypoints in the world frame; NaN for missing or unsure ones.
    """

    center: Float[np.ndarray, " 3"]
    rays: Float[np.ndarray, "people keypoints 3"]


Group = dict[int, int]
"""Camera position in the rig to 2D person in that camera."""


def match_known(
    views: Sequence[ViewPeople],
    known_points: Float[np.ndarray, "known keypoints 3"],
    skeleton: Skeleton,
    config: AssociationConfig,
) -> list[Group]:
    """Gives each known person the 2D people that show it, at most one per view.

    Args:
        views: the 2D people of each camera of the rig.
        known_points: where the known people are, metres; NaN for unknown keypoints.
        skeleton: tells the association keypoints and their mirror images.
        config: limits.

    Returns:
        One group per known person; empty if nobody fits.
    """
    groups: list[Group] = [{} for _ in range(len(known_points))]
    chosen, mirrored = _association(skeleton)
    for camera, view in enumerate(views):
        if not len(view.rays) or not len(known_points):
            continue
        cost = np.empty((len(known_points), len(view.rays)))
        for j, rays in enumerate(view.rays):
            for i, points in enumerate(known_points):
                straight = point_to_ray(points[chosen], rays[chosen], view.center)
                turned = point_to_ray(points[chosen], rays[mirrored], view.center)
                cost[i, j] = _mean_distance(straight, turned, config)
        # A pair beyond the limit counts as no pair: by its cost it would push good ones apart.
        limited = np.minimum(cost, config.max_track_distance_m)
        for i, j in zip(*linear_sum_assignment(limited), strict=True):
            if cost[i, j] <= config.max_track_distance_m:
                groups[i][camera] = int(j)
    return groups


def group_unknown(
    views: Sequence[ViewPeople],
    taken: Sequence[set[int]],
    skeleton: Skeleton,
    config: AssociationConfig,
) -> list[Group]:
    """Groups the 2D people that no known person has claimed.

    Args:
        views: the 2D people of each camera of the rig.
        taken: per camera, the 2D people that are claimed already.
        skeleton: tells the association keypoints and their mirror images.
        config: limits.

    Returns:
        Groups of at least two views, those with more views first.
    """
    chosen, mirrored = _association(skeleton)
    free = [
        (camera, j)
        for camera, view in enumerate(views)
        for j in range(len(view.rays))
        if j not in taken[camera]
        and np.isfinite(view.rays[j][chosen, 0]).sum() >= config.min_keypoints
    ]
    cost = np.full((len(free), len(free)), np.inf)
    for a, (camera_a, i) in enumerate(free):
        for b, (camera_b, j) in enumerate(free[:a]):
            if camera_a == camera_b:
                continue
            rays_a, center_a = views[camera_a].rays[i], views[camera_a].center
            rays_b, center_b = views[camera_b].rays[j], views[camera_b].center
            straight = ray_to_ray(rays_a[chosen], center_a, rays_b[chosen], center_b)
            turned = ray_to_ray(rays_a[chosen], center_a, rays_b[mirrored], center_b)
            cost[a, b] = cost[b, a] = _mean_distance(straight, turned, config)
    group_of = _cluster(cost, [camera for camera, _ in free], config.max_pair_distance_m)
    groups: dict[int, Group] = {}
    for member, (camera, j) in enumerate(free):
        groups.setdefault(int(group_of[member]), {})[camera] = j
    found = [group for group in groups.values() if len(group) >= 2]
    return sorted(found, key=len, reverse=True)


def _association(skeleton: Skeleton) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    chosen = np.array(skeleton.association_indices)
    return chosen, np.array(skeleton.mirror)[chosen]


def _mean_distance(straight: np.ndarray, turned: np.ndarray, config: AssociationConfig) -> float:
    """Mean of the capped distances, as labelled or mirrored; infinite with too few in common."""
    best = np.inf
    for distances, penalty in ((straight, 0.0), (turned, config.mirror_penalty_m)):
        common = ~np.isnan(distances)
        if common.sum() >= config.min_keypoints:
            mean = float(np.minimum(distances[common], config.cap_m).mean()) + penalty
            best = min(best, mean)
    return best


def _cluster(cost: np.ndarray, cameras: Sequence[int], limit: float) -> Int[np.ndarray, " n"]:
    """Joins the closest pair of clusters, by mean distance, as long as it is within the limit.

    Clusters that share a camera are never joined.
    """
    group_of = np.arange(len(cameras))
    while True:
        labels = np.unique(group_of)
        best, pair = limit, None
        for x, a in enumerate(labels):
            in_a = np.flatnonzero(group_of == a)
            seen = {cameras[int(m)] for m in in_a}
            for b in labels[:x]:
                in_b = np.flatnonzero(group_of == b)
                if seen & {cameras[int(m)] for m in in_b}:
                    continue
                block = cost[np.ix_(in_a, in_b)]
                known = np.isfinite(block)
                if not known.any():
                    continue
                mean = float(block[known].mean())
                if mean < best:
                    best, pair = mean, (a, b)
        if pair is None:
            return group_of
        group_of[group_of == pair[0]] = pair[1]
