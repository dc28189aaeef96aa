"""A person's rows of a session as measurements for a fit."""

# pyright: basic

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Bool, Float, Int
from mocap.body.fit_tables import PointData
from mocap.body.model import BodyModel
from mocap.compiled import kernel
from mocap.errors import InputError
from mocap.model import Motion

MOST_FRAMES = 2_000_000
"""More frames than this (over nine hours at 60 Hz) are taken for wrong frame numbers."""
FEWEST_KEYPOINTS = 6
"""A person of whom fewer keypoints are ever measured at once cannot be fitted."""


@dataclass(frozen=True, eq=False)
class Measurements:
    """One person's keypoints, dense in time.

    Attributes:
        person_id: whose they are.
        frame: frame numbers without gaps.
        time_s: their times; interpolated where the person was not there.
        present: whether the person was there.
        keypoints: indices of the keypoints among those of the model.
        names: their names.
        points_m: positions, NaN for missing.
        covariance_m2: their covariances, NaN for missing.
        measured: which there are.
    """

    person_id: int
    frame: Int[np.ndarray, " frames"]
    time_s: Float[np.ndarray, " frames"]
    present: Bool[np.ndarray, " frames"]
    keypoints: list[int]
    names: tuple[str, ...]
    points_m: Float[np.ndarray, "frames keypoints 3"]
    covariance_m2: Float[np.ndarray, "frames keypoints 3 3"]
    measured: Bool[np.ndarray, "frames keypoints"]


def measurements_of(model: BodyModel, person: Motion) -> Measurements:
    """The keypoints of one person which the model has.

    Raises:
        InputError: the rows are not those of one person, are not in order of time, share no
            keypoint with the model, or too few keypoints were ever measured at once.
    """
    person_id = _checked_person(person)
    rows = person.frame - person.frame[0]
    frames = int(rows[-1]) + 1
    table = person.skeleton
    shared = [(k, table.index(n)) for k, n in enumerate(model.keypoint_names) if n in table]
    there = np.asarray(np.isfinite(person.points_m).all(axis=2))
    shared = [(k, i) for k, i in shared if there[:, i].any()]
    most = int(there[:, [i for _, i in shared]].sum(axis=1).max()) if shared else 0
    if most < FEWEST_KEYPOINTS:
        raise InputError(
            f"person {person_id}: never more than {most} keypoints measured at once that body "
            f"model {model.name!r} has, and a fit needs {FEWEST_KEYPOINTS}; leave this person out, "
            f"or see 'mocap explain' for why so few were reconstructed"
        )
    columns = [i for _, i in shared]
    points = np.full((frames, len(shared), 3), np.nan)
    covariance = np.full((frames, len(shared), 3, 3), np.nan)
    points[rows] = person.points_m[:, columns]
    covariance[rows] = person.covariance_m2[:, columns]
    measured = np.asarray(np.isfinite(points).all(axis=2))
    present = np.zeros(frames, bool)
    present[rows] = True
    return Measurements(
        person_id,
        person.frame[0] + np.arange(frames),
        np.interp(np.arange(frames), rows, person.time_s),
        present,
        [k for k, _ in shared],
        tuple(model.keypoint_names[k] for k, _ in shared),
        points,
        covariance,
        measured,
    )


def _checked_person(person: Motion) -> int:
    ids = person.person_ids
    if len(ids) != 1:
        raise InputError(
            f"a body is fitted to one person, got the rows of {len(ids)}; "
            f"choose one with Motion.person(id)"
        )
    if (np.diff(person.frame) <= 0).any() or (np.diff(person.time_s) <= 0).any():
        raise InputError(
            f"the frames of person {ids[0]} are not in order of time; the session's frame numbers "
            f"or times are damaged"
        )
    span = int(person.frame[-1] - person.frame[0])
    if span >= MOST_FRAMES:
        raise InputError(
            f"person {ids[0]} is spread over {span + 1} frames, at most {MOST_FRAMES} can be "
            f"fitted; check the frame numbers or fit a part of the session"
        )
    return ids[0]


def point_data(
    measured: Measurements, noise_m: Float[np.ndarray, " keypoints"], robust_sigmas: float
) -> PointData:
    """Measurements in 3D for the kernels.

    Args:
        measured: the measurements.
        noise_m: by how much each keypoint departs from a rigid body, added to the covariances.
        robust_sigmas: at this many standard deviations a keypoint pulls most.
    """
    information = np.zeros_like(measured.covariance_m2)
    inform(measured.covariance_m2, measured.measured, noise_m**2, information)
    frames, keypoints = measured.measured.shape
    return PointData(
        np.nan_to_num(measured.points_m),
        information,
        np.zeros((frames, 0, keypoints, 2)),
        np.zeros((frames, 0, keypoints)),
        np.zeros((0, 3, 3)),
        np.zeros((0, 8)),
        np.zeros(0, np.bool_),
        np.zeros((0, 4, 4)),
        # The pull of Geman and McClure's cost is largest at d^2 = c / 3.
        3.0 * robust_sigmas**2,
    )


@kernel
def inform(covariance, measured, noise2, out):
    """Inverts covariance + noise, of what is measured."""
    for t in range(len(out)):
        for k in range(out.shape[1]):
            if not measured[t, k]:
                continue
            c = covariance[t, k]
            extra = noise2[k]
            known = np.isfinite(c[0, 0]) and c[0, 0] > 0
            if not known:
                extra += 1e-4
            a = (c[0, 0] if known else 0.0) + extra
            d = (c[1, 1] if known else 0.0) + extra
            f = (c[2, 2] if known else 0.0) + extra
            b = 0.5 * (c[0, 1] + c[1, 0]) if known else 0.0
            g = 0.5 * (c[0, 2] + c[2, 0]) if known else 0.0
            e = 0.5 * (c[1, 2] + c[2, 1]) if known else 0.0
            c00, c01, c02 = d * f - e * e, g * e - b * f, b * e - g * d
            c11, c12, c22 = a * f - g * g, b * g - a * e, a * d - b * b
            scale = 1.0 / (a * c00 + b * c01 + g * c02)
            o = out[t, k]
            o[0, 0], o[1, 1], o[2, 2] = scale * c00, scale * c11, scale * c22
            o[0, 1] = o[1, 0] = scale * c01
            o[0, 2] = o[2, 0] = scale * c02
            o[1, 2] = o[2, 1] = scale * c12
