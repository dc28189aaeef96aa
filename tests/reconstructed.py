"""Scenes run through the whole reconstruction, as a session would keep them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mocap.model import Bystander, FrameSet, Motion, Person3D, Rig, Skeleton
from mocap.model.config import ReconstructionConfig
from mocap.pipeline.evidence import Evidence
from mocap.pipeline.reconstructor import Reconstructor

Frame = tuple[FrameSet, list[Person3D], tuple[Bystander, ...]]


def run(
    sets: Sequence[FrameSet], rig: Rig, skeleton: Skeleton, config: ReconstructionConfig
) -> list[Frame]:
    """Every frame with its people and bystanders."""
    reconstructor = Reconstructor(rig, skeleton, config)
    return [(s, reconstructor.process(s), reconstructor.bystanders) for s in sets]


def motion_of(frames: Sequence[Frame], skeleton: Skeleton) -> Motion:
    """The raw layer."""
    rows = [(s, person) for s, people, _ in frames for person in people]
    k, found = len(skeleton), [person.keypoints for _, person in rows]
    return Motion(
        skeleton,
        np.array([s.number for s, _ in rows], np.int64),
        np.array([s.time_ns * 1e-9 for s, _ in rows]),
        np.array([person.person_id for _, person in rows], np.int64),
        np.array([x.points_m for x in found]).reshape(-1, k, 3),
        np.array([x.covariance_m2 for x in found]).reshape(-1, k, 3, 3),
        np.array([x.reprojection_px for x in found]).reshape(-1, k),
        np.array([x.n_views for x in found]).reshape(-1, k),
    )


def evidence_of(
    frames: Sequence[Frame], rig: Rig, skeleton: Skeleton, config: ReconstructionConfig
) -> Evidence:
    """What `mocap.pipeline.explain` works on."""
    rows = [(s, person) for s, people, _ in frames for person in people]
    aside = [(s, one) for s, _, bystanders in frames for one in bystanders]
    c, k = len(rig), len(skeleton)
    raw = motion_of(frames, skeleton)
    views = {
        "detection_index": np.array([p.detection_index for _, p in rows]).reshape(-1, c),
        "swapped": np.array([p.exchanged for _, p in rows], np.uint8).reshape(-1, c),
        "view_state": np.array([p.keypoints.view_state for _, p in rows]).reshape(-1, c, k),
        "residual_px": np.array([p.keypoints.residual_px for _, p in rows]).reshape(-1, c, k),
    }
    bystanders = {
        "frame": np.array([s.number for s, _ in aside], np.int64),
        "person_id": np.array([one.person_id for _, one in aside], np.int64),
        "reason": np.array([int(one.reason) for _, one in aside], np.uint8),
        "detection_index": np.array([one.detection_index for _, one in aside]).reshape(-1, c),
    }
    return Evidence(
        rig,
        skeleton,
        raw,
        raw,
        views,
        [s for s, _, _ in frames],
        config.triangulation,
        config.association,
        bystanders,
    )


def save_people(path: Path, rig: Rig, skeleton: Skeleton, sets: Sequence[FrameSet]) -> None:
    """Writes the 2D people as an observation file, its frames numbered from 0."""
    rows = [
        (n, c, people.keypoints_px[j], people.confidence[j])
        for n, frames in enumerate(sets)
        for c, name in enumerate(rig.names)
        for people in [frames.observations[name].detections]
        for j in range(len(people))
    ]
    np.savez(
        path,
        joint_names=np.array(skeleton.keypoints),
        camera_names=np.array(rig.names),
        image_size=np.array([camera.intrinsics.size for camera in rig]),
        frame_ids=np.arange(len(sets)),
        frame=np.array([row[0] for row in rows]),
        camera=np.array([row[1] for row in rows]),
        keypoints=np.array([np.column_stack([row[2], row[3]]) for row in rows]),
    )
