"""How tall people come out of a rig, and how upright: what tells a wrong square size.

Who is who across cameras can only be told by people of about the right size. A rig whose size may
be wrong by any factor is therefore tried as it is, and then with the factor that makes people as
tall as people are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calibration.checks.tracks import Triangulation, triangulate
from calibration.image_size import fit_camera_to_image_size
from calibration.people.common_instants import point_tracks
from calibration.people.labelling import label_people
from calibration.people.proportions import USUAL_STATURE_M
from calibration.people.tracks import PeopleTracks
from calibration.world_frame import WorldFrame, move_rig, people_floor, stature_m
from mocap.arrays import Float
from mocap.errors import CalibrationError, RigError
from mocap.model import Rig

PLAUSIBLE_M = (1.2, 2.2)
"""Heights at which people are matched as they should be."""
FACTORS = (1.0, 2.0, 0.5, 4.0, 0.25, 10.0, 0.1, 100.0, 0.01)
"""Sizes that are tried where nobody is recognised in the rig as it is."""
ROUNDS = 4
MOST_FRAMES = 400


@dataclass(frozen=True)
class PeopleSizes:
    """People as they come out of a rig.

    Attributes:
        stature_m: of each person, those first that were seen most; NaN for one that was never seen
            whole.
        upright: mean direction from the feet to the head of those who stood; None if nobody did.
        notes: what the user should read.
    """

    stature_m: Float[np.ndarray, " people"]
    upright: Float[np.ndarray, " 3"] | None
    notes: tuple[str, ...] = ()


def people_sizes(rig: Rig, tracks: PeopleTracks) -> PeopleSizes:
    """Measures people in a rig whose size may be wrong.

    Nothing is raised where people do not tell anything; a note says why.

    Args:
        rig: calibrated.
        tracks: 2D people of at least two of its cameras.
    """
    fitted, tracks, notes = _common(rig, tracks)
    if fitted is None:
        return PeopleSizes(np.zeros(0), None, notes)
    tracks = _thinned(tracks).only_used_keypoints()
    for first in FACTORS:
        factor = first
        for _ in range(ROUNDS):
            found = _measured(fitted, tracks, factor)
            if found is None:
                break
            height = float(np.nanmedian(found.stature_m))
            if PLAUSIBLE_M[0] <= height * factor <= PLAUSIBLE_M[1]:
                return replace(found, notes=notes)
            factor = USUAL_STATURE_M / height
    nobody = (
        "nobody was seen whole by two cameras at once, so people say nothing about the size of the "
        "squares; film somebody walking in full view of two cameras, without moving them"
    )
    return PeopleSizes(np.zeros(0), None, (*notes, nobody))


def _common(rig: Rig, tracks: PeopleTracks) -> tuple[Rig | None, PeopleTracks, tuple[str, ...]]:
    """The cameras that both know, with the lenses for the size of the people's images."""
    names = [name for name in rig.names if name in tracks.names]
    notes: list[str] = []
    kept: list[str] = []
    for name in names:
        try:
            camera, warning = fit_camera_to_image_size(rig[name], tracks[name].image_size)
        except RigError as error:
            notes.append(f"people of {name} were left out: {error}")
            continue
        rig = rig.replaced(camera)
        kept.append(name)
        notes += [] if warning is None else [warning]
    if len(kept) < 2:
        notes.append(
            f"people were seen by cameras {', '.join(tracks.names) or 'none'}, of which the rig "
            f"({', '.join(rig.names)}) knows {len(kept)}; two are needed to measure them"
        )
        return None, tracks, tuple(notes)
    return rig.subset(kept), tracks.subset(kept), tuple(notes)


def _thinned(tracks: PeopleTracks) -> PeopleTracks:
    """A stretch of neighbouring frames, as people are followed from one to the next."""
    longest = max(tracks.cameras, key=lambda camera: len(camera.row_frame))
    if len(longest.frame) <= MOST_FRAMES or not len(longest.row_frame):
        return tracks
    count = np.bincount(longest.row_frame, minlength=len(longest.frame)) > 0
    inside = np.cumsum(np.append(0, count))
    best = int(np.argmax(inside[MOST_FRAMES:] - inside[:-MOST_FRAMES]))
    start, end = longest.time_s[best], longest.time_s[best + MOST_FRAMES - 1]
    slack = 2 * longest.interval_s
    return tracks.between(float(start) - slack, float(end) + slack)


def _measured(rig: Rig, tracks: PeopleTracks, factor: float) -> PeopleSizes | None:
    """People as they come out of the rig, matched as if it were larger by a factor; None if nobody
    was seen whole."""
    larger = move_rig(WorldFrame(np.eye(4), factor), rig)
    # People may have been filmed another time, when the cameras started at other moments.
    own = np.array([camera.time_offset_s for camera in rig])
    best: tuple[float, PeopleSizes] | None = None
    for offsets in (own, np.zeros(len(rig))) if np.any(own) else (own,):
        timed = replace(
            larger,
            cameras=tuple(
                replace(camera, time_offset_s=float(offset))
                for camera, offset in zip(larger, offsets, strict=True)
            ),
        )
        labelled = label_people(tracks, timed, offsets, tolerance=2.0)
        if not labelled.people:
            continue
        seen = triangulate(timed, point_tracks(timed, labelled))
        sizes = _sizes(seen, labelled.people, tracks, factor)
        if np.isfinite(sizes.stature_m).any() and (best is None or seen.typical_px() < best[0]):
            best = seen.typical_px(), sizes
    return None if best is None else best[1]


def _sizes(seen: Triangulation, people: int, tracks: PeopleTracks, factor: float) -> PeopleSizes:
    points = seen.points.reshape(len(seen.points), people, -1, 3)
    try:
        upright = people_floor(points, tracks.skeleton).upright
    except CalibrationError:
        upright = None
    return PeopleSizes(stature_m(points, tracks.skeleton) / factor, upright)
