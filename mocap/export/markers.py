"""One person's keypoints as markers on an even grid of frames, and what becomes of gaps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mocap.arrays import Bool, Float, Int
from mocap.errors import InputError, valid_choices
from mocap.export.source import ExportSource, check_span
from mocap.model import ViewState
from mocap.model.skeleton import PARTS

MarkerParts = Literal["body", "feet", "left_hand", "right_hand", "face"]
BODY_PARTS: tuple[MarkerParts, ...] = ("body", "feet", "left_hand", "right_hand")
MarkerNames = Literal["own", "pose2sim"]
Gaps = Literal["fill", "trim", "leave"]

_SHARE_LOST_AT_ENDS = 0.1
"""A marker for whose sake more of the frames would have to be cut off at the ends is left out."""


@dataclass(frozen=True)
class Markers:
    """Markers over time.

    Attributes:
        person_id: whose they are.
        names: of the M markers.
        frame: consecutive frame numbers of the session.
        rate_hz: frames per second.
        time_s: seconds of the session clock, even.
        points_m: positions, world; NaN for missing.
        sigma_m: standard deviation along one axis; NaN where unknown.
        used: per camera, whether the marker was measured in it.
    """

    person_id: int
    names: tuple[str, ...]
    frame: Int[np.ndarray, " frames"]
    rate_hz: float
    time_s: Float[np.ndarray, " frames"]
    points_m: Float[np.ndarray, "frames markers 3"]
    sigma_m: Float[np.ndarray, "frames markers"]
    used: Bool[np.ndarray, "frames cameras markers"]

    @property
    def there(self) -> Bool[np.ndarray, "frames markers"]:
        """Where a marker has a position."""
        return np.asarray(np.isfinite(self.points_m).all(axis=2))

    def select(self, *, frames: slice = slice(None), markers: np.ndarray | None = None) -> Markers:
        """A stretch of frames, and some of the markers."""
        keep = np.arange(len(self.names)) if markers is None else np.flatnonzero(markers)
        return replace(
            self,
            names=tuple(self.names[i] for i in keep),
            frame=self.frame[frames],
            time_s=self.time_s[frames],
            points_m=self.points_m[frames][:, keep],
            sigma_m=self.sigma_m[frames][:, keep],
            used=self.used[frames][:, :, keep],
        )


def person_markers(
    source: ExportSource, person_id: int, parts: tuple[MarkerParts, ...], names: MarkerNames
) -> Markers:
    """The keypoints of one person as markers; those that are never there are left out.

    Args:
        source: the session.
        person_id: of a person in it.
        parts: parts of the body whose keypoints are wanted.
        names: as the skeleton calls them, or as Pose2Sim's OpenSim models do.

    Raises:
        InputError: there is no such part, nothing is left of the person, or the frame numbers
            are not usable.
    """
    for part in parts:
        if part not in PARTS:
            raise InputError(f"no part {part!r} of the body; parts are {valid_choices(PARTS)}")
    person = source.motion.person(person_id)
    check_span(person_id, person.frame)
    rows = person.frame - person.frame[0]
    keep = np.array([p in parts for p in person.skeleton.parts])
    keep &= np.isfinite(person.points_m).all(axis=2).any(axis=0)
    if not keep.any():
        raise InputError(
            f"person {person_id} has no keypoint of {', '.join(parts) or 'no part'}; choose other "
            f"parts, people or frames"
        )
    frames, markers = int(rows[-1]) + 1, np.flatnonzero(keep)
    points = np.full((frames, len(markers), 3), np.nan)
    points[rows] = person.points_m[:, keep]
    sigma = np.full((frames, len(markers)), np.nan)
    covariance = person.covariance_m2[:, keep]
    sigma[rows] = np.sqrt(np.trace(covariance, axis1=2, axis2=3) / 3.0)
    used = np.zeros((frames, len(source.rig), len(markers)), bool)
    if source.views is not None:
        mine = (source.views.person_id == person_id) & np.isin(source.views.frame, person.frame)
        state = source.views.view_state[mine][:, :, keep]
        used[source.views.frame[mine] - person.frame[0]] = state == ViewState.USED
    rate_hz = source.rate_hz
    return Markers(
        person_id=person_id,
        names=tuple(_spelled(person.skeleton.keypoints[i], names) for i in markers),
        frame=person.frame[0] + np.arange(frames),
        rate_hz=rate_hz,
        time_s=person.time_s[0] + np.arange(frames) / rate_hz,
        points_m=points,
        sigma_m=sigma,
        used=used,
    )


def _spelled(keypoint: str, names: MarkerNames) -> str:
    if names == "own":
        return keypoint
    side, _, rest = keypoint.partition("_")
    if side not in ("left", "right"):
        rest = keypoint.removeprefix("mid_")
    words = "".join(word.capitalize() for word in rest.split("_"))
    return {"left": "L", "right": "R"}.get(side, "") + words


def close_gaps(markers: Markers, gaps: Gaps) -> tuple[Markers, tuple[str, ...]]:
    """Markers without gaps, as OpenSim's tools want them.

    A marker that is missing at the beginning or the end for so long that more than a tenth of the
    frames had to be cut off is left out. Then, with "fill", gaps inside are bridged by straight
    lines, and the ends are cut where a marker is missing; with "trim" the longest stretch is kept
    in which nothing is missing; with "leave" nothing is changed.

    Returns:
        The markers, and in words what was done.

    Raises:
        InputError: nothing is left.
    """
    if gaps == "leave":
        missing = int(np.count_nonzero(~markers.there))
        return markers, (f"{missing} positions missing, left empty",) if missing else ()
    notes: list[str] = []
    count = len(markers.frame)
    there = markers.there
    head = np.argmax(there, axis=0)
    tail = np.argmax(there[::-1], axis=0)
    lost = head + tail > _SHARE_LOST_AT_ENDS * count
    if lost.all():
        raise InputError(
            f"person {markers.person_id}: every marker is missing for more than a tenth of the "
            f"frames at the ends; choose fewer --frames, or gaps 'leave'"
        )
    if lost.any():
        names = [n for n, gone in zip(markers.names, lost, strict=True) if gone]
        notes.append(f"left out, missing at the ends: {valid_choices(names, 6)}")
    if gaps == "fill":
        first, last = int(head[~lost].max()), count - int(tail[~lost].max())
        result = markers.select(frames=slice(first, last), markers=~lost)
        result, filled, longest = _filled(result)
        if filled:
            notes.append(f"{filled} positions filled by lines, longest gap {longest} frames")
    else:
        first, last = _longest_run(np.asarray(there[:, ~lost].all(axis=1)))
        result = markers.select(frames=slice(first, last), markers=~lost)
    if not len(result.frame):
        raise InputError(
            f"person {markers.person_id}: there is no frame in which all markers are there; use "
            f"gaps 'fill' or 'leave', or fewer parts of the body"
        )
    if first or last < count:
        notes.append(
            f"cut to frames {result.frame[0]} to {result.frame[-1]} ({count - last + first} of "
            f"{count} frames cut off)"
        )
    return result, tuple(notes)


def _filled(markers: Markers) -> tuple[Markers, int, int]:
    """Straight lines over gaps; how many positions, and the longest gap."""
    there = markers.there
    points, sigma = markers.points_m.copy(), markers.sigma_m.copy()
    rows = np.arange(len(points))
    longest = 0
    for m in np.flatnonzero(~there.all(axis=0)):
        valid = np.flatnonzero(there[:, m])
        longest = max(longest, int(np.diff(valid).max()) - 1)
        for axis in range(3):
            points[:, m, axis] = np.interp(rows, valid, points[valid, m, axis])
        sigma[~there[:, m], m] = np.nan
    return (
        replace(markers, points_m=points, sigma_m=sigma),
        int(np.count_nonzero(~there)),
        longest,
    )


def _longest_run(good: Bool[np.ndarray, " frames"]) -> tuple[int, int]:
    """First frame of the longest run of true ones, and the one behind its last."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], good, [False]))))
    if not len(edges):
        return 0, 0
    starts, ends = edges[::2], edges[1::2]
    best = int(np.argmax(ends - starts))
    return int(starts[best]), int(ends[best])
