"""Who is who, given cameras that are roughly right: association, tracking and mirrored views.

The reconstruction of the main job does it, so people are matched here as they will be there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibration.people.tracks import CameraPeople, LabelledPeople, PeopleTracks
from mocap.arrays import Float
from mocap.model import Detections, FrameSet, Observation, Rig
from mocap.model.config import AssociationConfig, ReconstructionConfig, TriangulationConfig
from mocap.pipeline.reconstructor import Reconstructor

_MIN_SHARE = 0.1
"""People seen in fewer frames than this share of the longest are left out."""


def label_people(
    tracks: PeopleTracks,
    rig: Rig,
    offset_s: Float[np.ndarray, " cameras"] | None = None,
    *,
    tolerance: float = 1.0,
    drift: Float[np.ndarray, " cameras"] | None = None,
) -> LabelledPeople:
    """Matches the 2D people of all cameras and over time, and puts left and right right.

    Args:
        tracks: the 2D people; cameras in the order of the rig.
        rig: the cameras, metric and roughly right.
        offset_s: how late each camera is; those of the rig by default.
        tolerance: how many times further apart than usual views of the same person may be.
        drift: by how much each camera's clock runs fast, as a fraction.

    Returns:
        The people, those first that are seen most; nobody where no two views match.
    """
    offsets = np.array([c.time_offset_s for c in rig]) if offset_s is None else offset_s
    config = _config(tolerance)
    reconstructor = Reconstructor(rig, tracks.skeleton, config)
    rows: list[dict[int, np.ndarray]] = [{} for _ in tracks.cameras]
    mirrored: list[dict[int, np.ndarray]] = [{} for _ in tracks.cameras]
    rates = np.ones(len(offsets)) if drift is None else 1 + drift
    for frames, time_s in _instants(tracks, offsets, rates):
        observations: dict[str, Observation] = {}
        members: dict[str, np.ndarray] = {}
        for camera, frame in zip(tracks.cameras, frames, strict=True):
            if frame < 0:
                continue
            own = camera.rows_of(frame)
            members[camera.name] = own
            observations[camera.name] = Observation(
                camera.name, frame, round(time_s * 1e9), _detections(camera, own)
            )
        number = len(rows[0])
        for person in reconstructor.process(FrameSet(number, round(time_s * 1e9), observations)):
            for c, camera in enumerate(tracks.cameras):
                index = person.detection_index[c]
                if index < 0:
                    continue
                count = len(camera.frame)
                row = rows[c].setdefault(person.person_id, np.full(count, -1))
                turn = mirrored[c].setdefault(person.person_id, np.zeros(count, bool))
                row[frames[c]] = members[camera.name][index]
                turn[frames[c]] = person.mirrored[c]
    return _collected(tracks, rows, mirrored)


def _collected(
    tracks: PeopleTracks,
    rows: list[dict[int, np.ndarray]],
    mirrored: list[dict[int, np.ndarray]],
) -> LabelledPeople:
    seen: dict[int, int] = {}
    for own in rows:
        for person, row in own.items():
            seen[person] = seen.get(person, 0) + int((row >= 0).sum())
    most = max(seen.values(), default=0)
    people = [p for p in sorted(seen, key=lambda p: -seen[p]) if seen[p] >= _MIN_SHARE * most]
    tables: list[np.ndarray] = []
    turns: list[np.ndarray] = []
    for c, camera in enumerate(tracks.cameras):
        count = len(camera.frame)
        nothing, straight = np.full(count, -1), np.zeros(count, bool)
        table = [rows[c].get(p, nothing) for p in people]
        turn = [mirrored[c].get(p, straight) for p in people]
        tables.append(np.array(table, np.int64).reshape(len(people), count))
        turns.append(np.array(turn, bool).reshape(len(people), count))
    return LabelledPeople.from_rows(tracks, tables, turns)


def _instants(
    tracks: PeopleTracks, offset_s: np.ndarray, rates: np.ndarray
) -> list[tuple[list[int], float]]:
    """Frames of all cameras that belong together, by the clock of the fastest camera."""
    fastest = int(np.argmin([c.interval_s for c in tracks.cameras]))
    reference = tracks.cameras[fastest]
    instants: list[tuple[list[int], float]] = []
    for stamp in reference.time_s:
        time_s = float((stamp - offset_s[fastest]) / rates[fastest])
        frames: list[int] = []
        for camera, offset, rate in zip(tracks.cameras, offset_s, rates, strict=True):
            frame = -1
            if len(camera.time_s):
                gap = np.abs(camera.time_s - (time_s * rate + offset))
                nearest = int(np.argmin(gap))
                limit = 0.5 * max(reference.interval_s, 1e-3) + 1e-6
                frame = nearest if gap[nearest] <= limit else -1
            frames.append(frame)
        instants.append((frames, time_s))
    return instants


def _detections(camera: CameraPeople, rows: np.ndarray) -> Detections:
    return Detections(camera.keypoints_px[rows], camera.confidence[rows], np.ones(len(rows)))


def _config(tolerance: float) -> ReconstructionConfig:
    association, triangulation = AssociationConfig(), TriangulationConfig()
    return ReconstructionConfig(
        association=replace(
            association,
            max_track_distance_m=association.max_track_distance_m * tolerance,
            max_pair_distance_m=association.max_pair_distance_m * tolerance,
        ),
        triangulation=replace(triangulation, sigma_body_m=triangulation.sigma_body_m * tolerance),
    )
