"""What one would write first: rays that pass near each other, linear triangulation, nearest ids.

Per frame, pairs of 2D people of different cameras are joined, closest rays first, one per camera;
keypoints are triangulated linearly from all views above a confidence, with the covariance of least
squares; a person gets the id of the nearest one of the last third of a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mocap.geometry.kernels import world_rays
from mocap.geometry.projection import projection_jacobian
from mocap.model import FrameSet, Motion, Rig, Skeleton

MAX_PAIR_M = 0.12
MAX_STEP_M = 0.5
MEMORY_S = 0.34
MIN_CONFIDENCE = 0.2
SIGMA_M = 0.02
FLOOR_PX = 1.0


def plain_reconstruction(sets: Sequence[FrameSet], rig: Rig, skeleton: Skeleton) -> Motion:
    """The people of all frames."""
    rows: list[tuple[int, float, int, np.ndarray, np.ndarray, np.ndarray]] = []
    known: dict[int, tuple[float, np.ndarray]] = {}
    next_id = 0
    for frame_set in sets:
        time_s = frame_set.time_ns * 1e-9
        found = [_triangulated(group, rig) for group in _groups(frame_set, rig)]
        free = {i: p for i, (t, p) in known.items() if time_s - t <= MEMORY_S}
        pairs = sorted(
            (_distance(points, before), k, i)
            for k, (points, _, _) in enumerate(found)
            for i, before in free.items()
        )
        ids: dict[int, int] = {}
        for distance, k, i in pairs:
            if distance <= MAX_STEP_M and k not in ids and i not in ids.values():
                ids[k] = i
        for k, (points, covariance, views) in enumerate(found):
            if k not in ids:
                ids[k] = next_id
                next_id += 1
            known[ids[k]] = time_s, points
            rows.append((frame_set.number, time_s, ids[k], points, covariance, views))
    rows.sort(key=lambda row: (row[0], row[2]))
    k = len(skeleton)
    return Motion(
        skeleton,
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows]),
        np.array([row[2] for row in rows], np.int64),
        np.array([row[3] for row in rows]).reshape(-1, k, 3),
        np.array([row[4] for row in rows]).reshape(-1, k, 3, 3),
        np.full((len(rows), k), np.nan),
        np.array([row[5] for row in rows], np.int64).reshape(-1, k),
    )


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    gap = np.linalg.norm(a - b, axis=1)
    return float(np.nanmean(gap)) if np.isfinite(gap).any() else np.inf


Group = dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]
"""Camera to pixels, rays and confidence of a 2D person."""


def _groups(frame_set: FrameSet, rig: Rig) -> list[Group]:
    arrays = rig.arrays
    people: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []
    for c, name in enumerate(rig.names):
        found = frame_set.observations[name].detections
        for pixels, trust in zip(found.keypoints_px, found.confidence, strict=True):
            one = slice(c, c + 1)
            rays = world_rays(
                pixels[None].astype(float),
                arrays.matrix[one],
                arrays.distortions[one],
                arrays.fisheye[one],
                arrays.T_cam_world[one],
            )[0]
            people.append(
                (c, pixels, np.where(trust[:, None] >= MIN_CONFIDENCE, rays, np.nan), trust)
            )
    centers = [camera.center_world for camera in rig]
    pairs: list[tuple[float, int, int]] = []
    for a in range(len(people)):
        for b in range(a):
            if people[a][0] != people[b][0]:
                cross = np.cross(people[a][2], people[b][2])
                base = centers[people[b][0]] - centers[people[a][0]]
                gap = np.abs(cross @ base) / np.maximum(np.linalg.norm(cross, axis=1), 1e-6)
                if np.isfinite(gap).sum() >= 4:
                    pairs.append((float(np.nanmean(np.minimum(gap, 0.5))), a, b))
    label = list(range(len(people)))
    for distance, a, b in sorted(pairs):
        if distance > MAX_PAIR_M or label[a] == label[b]:
            continue
        mine = [i for i in range(len(people)) if label[i] == label[a]]
        theirs = [i for i in range(len(people)) if label[i] == label[b]]
        if {people[i][0] for i in mine} & {people[i][0] for i in theirs}:
            continue
        for i in theirs:
            label[i] = label[a]
    groups: list[Group] = []
    for value in dict.fromkeys(label):
        members = [i for i in range(len(people)) if label[i] == value]
        if len(members) >= 2:
            groups.append({people[i][0]: people[i][1:] for i in members})
    return groups


def _triangulated(group: Group, rig: Rig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    arrays = rig.arrays
    k = len(next(iter(group.values()))[0])
    points, covariance = np.full((k, 3), np.nan), np.full((k, 3, 3), np.nan)
    views = np.zeros(k, np.int64)
    for j in range(k):
        seen = [c for c, (_, rays, _) in group.items() if np.isfinite(rays[j, 0])]
        if len(seen) < 2:
            continue
        across = [np.eye(3) - np.outer(group[c][1][j], group[c][1][j]) for c in seen]
        matrix = np.sum(across, axis=0)
        vector = sum(m @ rig.cameras[c].center_world for m, c in zip(across, seen, strict=True))
        if np.linalg.cond(matrix) > 1e6:
            continue
        points[j], views[j] = np.linalg.solve(matrix, vector), len(seen)
        information = np.zeros((3, 3))
        for c in seen:
            jacobian = projection_jacobian(
                points[j][None],
                arrays.matrix[c],
                arrays.distortions[c],
                bool(arrays.fisheye[c]),
                arrays.T_cam_world[c],
            )[0]
            depth = float(np.linalg.norm(points[j] - rig.cameras[c].center_world))
            focal = rig.cameras[c].intrinsics.focal_px
            information += jacobian.T @ jacobian / np.hypot(SIGMA_M * focal / depth, FLOOR_PX) ** 2
        covariance[j] = np.linalg.inv(information)
    return points, covariance, views
