"""How good a session is, judged without ground truth.

An error that is computed only on what was kept proves nothing, so the figures here count every
view that has a keypoint, whether reconstruction used it or not, and every frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float, Int, UInt8
from mocap.geometry.projection import project_points
from mocap.model import FrameSet, Motion, Rig, Skeleton, ViewState
from mocap.model.config import ReconstructionConfig
from mocap.pipeline.look_back import LookBack
from mocap.pipeline.reconstructor import Reconstructor
from mocap.reconstruction.swaps import source_of

LIMBS = tuple(
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("left", "right")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
)
"""The eight bones of arms and legs."""


@dataclass(frozen=True)
class Reprojection:
    """Distances between 2D keypoints and reprojected 3D keypoints.

    Attributes:
        camera: position in the rig of each distance.
        keypoint: position in the skeleton.
        error_px: in pixels.
    """

    camera: Int[np.ndarray, " n"]
    keypoint: Int[np.ndarray, " n"]
    error_px: Float[np.ndarray, " n"]

    def median_px(self, keypoints: Sequence[int] | None = None) -> float:
        """Median over all distances, or over those of some keypoints; NaN if there are none."""
        chosen = slice(None) if keypoints is None else np.isin(self.keypoint, keypoints)
        return _median(self.error_px[chosen])

    def median_of_camera_px(self, camera: int, keypoints: Sequence[int] | None = None) -> float:
        """Median of one camera."""
        chosen = self.camera == camera
        if keypoints is not None:
            chosen &= np.isin(self.keypoint, keypoints)
        return _median(self.error_px[chosen])


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def limb_lengths_m(person: Motion) -> dict[str, Float[np.ndarray, " rows"]]:
    """Length of each arm and leg bone of one person in every row, metres.

    Args:
        person: rows of one person.

    Returns:
        Lengths by bone ("left_shoulder-left_elbow"); NaN where an end is missing. Bones which
        the skeleton does not have are left out.
    """
    skeleton = person.skeleton
    return {
        f"{a}-{b}": np.linalg.norm(
            person.points_m[:, skeleton.index(a)] - person.points_m[:, skeleton.index(b)], axis=1
        )
        for a, b in LIMBS
        if a in skeleton and b in skeleton
    }


def limb_deviation_m(person: Motion) -> dict[str, float]:
    """Standard deviation over time of the length of each arm and leg bone, metres."""
    lengths = limb_lengths_m(person)
    return {
        bone: float(np.nanstd(values)) if np.isfinite(values).any() else float("nan")
        for bone, values in lengths.items()
    }


def valid_share(motion: Motion, keypoints: Sequence[int], rows: int | None = None) -> float:
    """Share of keypoints that have a position.

    Args:
        motion: people.
        keypoints: positions in the skeleton.
        rows: number of people times frames that there should be; the rows there are by default.
    """
    expected = (len(motion) if rows is None else rows) * len(keypoints)
    found = np.isfinite(motion.points_m[:, list(keypoints), 0]).sum()
    return float(found / expected) if expected else float("nan")


def reprojection(
    motion: Motion,
    frame_sets: Sequence[FrameSet],
    rig: Rig,
    assignment: dict[tuple[int, int], tuple[Sequence[int], Sequence[int]]],
    min_confidence: float,
) -> Reprojection:
    """Reprojects a layer into every view that shows the person, used or not.

    Args:
        motion: any layer of a session.
        frame_sets: its 2D observations.
        rig: its cameras.
        assignment: by (frame, person id), which 2D person of each camera it is (-1 for none) and
            which of its parts were exchanged (`Person3D.swapped`; 1 or true: the whole body).
        min_confidence: 2D keypoints of lower confidence are not compared.
    """
    sets = {frame_set.number: frame_set for frame_set in frame_sets}
    cameras: list[np.ndarray] = []
    keypoints: list[np.ndarray] = []
    errors: list[np.ndarray] = []
    for row in range(len(motion)):
        key = (int(motion.frame[row]), int(motion.person_id[row]))
        if key not in assignment:
            continue
        indices, swapped = assignment[key]
        for c, camera in enumerate(rig):
            observation = sets[key[0]].observations.get(camera.name)
            if indices[c] < 0 or observation is None:
                continue
            pixels = observation.detections.keypoints_px[indices[c]]
            confidence = observation.detections.confidence[indices[c]]
            source = source_of(motion.skeleton, int(swapped[c]))
            pixels, confidence = pixels[source], confidence[source]
            error = _distances(motion.points_m[row], pixels, rig, c)
            good = np.flatnonzero((confidence >= min_confidence) & np.isfinite(error))
            cameras.append(np.full(len(good), c))
            keypoints.append(good)
            errors.append(error[good])
    if not errors:
        nothing = np.zeros(0, np.int64)
        return Reprojection(nothing, nothing, np.zeros(0))
    return Reprojection(np.concatenate(cameras), np.concatenate(keypoints), np.concatenate(errors))


@dataclass(frozen=True)
class ViewShare:
    """What one camera contributed to the 3D people of a session.

    Attributes:
        seen: number of 2D people that belong to a 3D person.
        used: share of their keypoints that were used.
        rejected: share that disagreed with the other views and was left out.
        mirrored: number of those 2D people whose left and right were exchanged.
    """

    seen: int
    used: float
    rejected: float
    mirrored: int


def view_share(
    view_state: UInt8[np.ndarray, "rows keypoints"],
    detection_index: Int[np.ndarray, " rows"],
    mirrored: UInt8[np.ndarray, " rows"],
    keypoints: Sequence[int],
) -> ViewShare:
    """Sums up one camera's columns of the raw layer.

    Args:
        view_state: `ViewState` of each keypoint.
        detection_index: which 2D person; -1 for none.
        mirrored: 1 where left and right were exchanged.
        keypoints: positions in the skeleton of the keypoints to count.
    """
    seen = detection_index >= 0
    states = view_state[seen][:, list(keypoints)]
    count = max(states.size, 1)
    return ViewShare(
        int(seen.sum()),
        float((states == ViewState.USED).sum() / count),
        float((states == ViewState.REJECTED).sum() / count),
        int(mirrored[seen].astype(bool).sum()),
    )


def _distances(points: np.ndarray, pixels: np.ndarray, rig: Rig, c: int) -> np.ndarray:
    arrays = rig.arrays
    projected, _ = project_points(
        points,
        arrays.matrix[c],
        arrays.distortions[c],
        bool(arrays.fisheye[c]),
        arrays.T_cam_world[c],
    )
    return np.linalg.norm(projected - pixels, axis=1)


def assignment_of(
    frame: np.ndarray, person_id: np.ndarray, detection_index: np.ndarray, swapped: np.ndarray
) -> dict[tuple[int, int], tuple[Sequence[int], Sequence[int]]]:
    """The `assignment` of `reprojection` from the columns of a raw layer."""
    return {
        (int(f), int(p)): (indices.tolist(), flags.astype(int).tolist())
        for f, p, indices, flags in zip(frame, person_id, detection_index, swapped, strict=True)
    }


def reconstruct_all(
    frame_sets: Sequence[FrameSet], rig: Rig, skeleton: Skeleton, config: ReconstructionConfig
) -> Motion:
    """Reconstructs frame sets again, as the raw layer of a session of these cameras would be."""
    reconstructor = Reconstructor(rig, skeleton, config)
    look_back = LookBack(reconstructor)
    settled = [f for s in frame_sets for f in look_back.add(s, reconstructor.process(s))]
    rows = [(s, one) for s, people, _ in (*settled, *look_back.finish()) for one in people]
    k = len(skeleton)
    found = [person.keypoints for _, person in rows]
    return Motion(
        skeleton,
        np.array([s.number for s, _ in rows], np.int64),
        np.array([s.time_ns * 1e-9 for s, _ in rows]),
        np.array([person.person_id for _, person in rows], np.int64),
        np.array([p.points_m for p in found]).reshape(-1, k, 3),
        np.array([p.covariance_m2 for p in found]).reshape(-1, k, 3, 3),
        np.array([p.reprojection_px for p in found]).reshape(-1, k),
        np.array([p.n_views for p in found]).reshape(-1, k),
    )


def nearest_rows(reference: Motion, other: Motion) -> Int[np.ndarray, " rows"]:
    """For each row of `reference`, the row of `other` in the same frame that is closest.

    Returns:
        Row numbers; -1 where `other` has nobody in that frame.
    """
    result = np.full(len(reference), -1)
    for row in range(len(reference)):
        candidates = np.flatnonzero(other.frame == reference.frame[row])
        if not len(candidates):
            continue
        offsets = other.points_m[candidates] - reference.points_m[row]
        distance = np.linalg.norm(offsets, axis=2)
        known = np.isfinite(distance).sum(axis=1)
        mean = np.nansum(distance, axis=1) / np.maximum(known, 1)
        mean[known == 0] = np.inf
        if np.isfinite(mean.min()):
            result[row] = candidates[int(np.argmin(mean))]
    return result
