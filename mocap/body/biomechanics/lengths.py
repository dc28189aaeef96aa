"""Lengths of segments: constant over the motion, as the body of a fit has constant bones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float
from mocap.body.biomechanics.segments import SIDES, BodySegments, body_segments
from mocap.body.model import ShapedBody
from mocap.model.body_motion import BodyMotion

_PAIRED = {
    "thigh": ("hip", "knee"),
    "shank": ("knee", "ankle"),
    "foot": ("ankle", "toe"),
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "palm": ("wrist", "middle"),
    "clavicle": ("clavicle", "shoulder"),
}
_ACROSS = {"pelvis_width": "hip", "shoulder_width": "shoulder"}


@dataclass(frozen=True, eq=False)
class SegmentLengths:
    """Lengths of one person's segments.

    Attributes:
        names: "left_thigh", ..., "pelvis_width", "trunk" (mid hips to mid shoulders), ...
        length_m: metres.
        sigma_m: standard deviations; NaN where unknown.
        sigma_source: "shape", from those of the shape numbers, taken as independent, or
            "positions", from the covariance of the two ends in a typical frame, taken as
            independent and without the mean over many frames.
    """

    names: tuple[str, ...]
    length_m: Float[np.ndarray, " segments"]
    sigma_m: Float[np.ndarray, " segments"]
    sigma_source: str

    def of(self, name: str) -> float:
        """Length of one segment, metres."""
        return float(self.length_m[self.names.index(name)])


def segment_lengths(
    motion: BodyMotion,
    shaped: ShapedBody | None = None,
    *,
    names: Mapping[str, str] | None = None,
) -> SegmentLengths:
    """Lengths of the segments between the joints of a person's body.

    Args:
        motion: the motion.
        shaped: the person's body, `model.shaped(motion.shape)`; with it standard deviations come
            from those of the shape numbers, taken as independent.
        names: names of joints by landmark, for models whose joints are not known by name.

    Raises:
        InputError: the model's joints are not known by their names.
    """
    body = body_segments(motion.tree, motion.rest_joints_m, names)
    ends = segment_ends(body)
    rest = motion.rest_joints_m
    weights = np.array(list(ends.values()))
    vectors = weights @ rest
    length = np.linalg.norm(vectors, axis=1)
    if shaped is not None:
        with np.errstate(invalid="ignore", divide="ignore"):
            direction = vectors / length[:, None]
        by_shape = np.einsum("sj,jkp,sk->sp", weights, shaped.rest_joints_by_shape, direction)
        sigma = np.sqrt(by_shape**2 @ motion.shape_sigma**2)
        return SegmentLengths(tuple(ends), length, sigma, "shape")
    return SegmentLengths(tuple(ends), length, _position_sigma(motion, weights), "positions")


def segment_ends(body: BodySegments) -> dict[str, Float[np.ndarray, " joints"]]:
    """Per segment, the weights of the joints whose weighted sum is the vector along it."""
    rows: dict[str, np.ndarray] = {}

    def row(plus: list[str], minus: list[str]) -> np.ndarray:
        weights = np.zeros(len(body.tree))
        for share, landmarks in ((1.0, plus), (-1.0, minus)):
            for landmark in landmarks:
                weights[body.landmarks[landmark]] += share / len(landmarks)
        return weights

    for side in SIDES:
        for name, (start, end) in _PAIRED.items():
            if body.has(f"{side}_{start}", f"{side}_{end}"):
                rows[f"{side}_{name}"] = row([f"{side}_{end}"], [f"{side}_{start}"])
    for name, landmark in _ACROSS.items():
        if body.has(*(f"{side}_{landmark}" for side in SIDES)):
            rows[name] = row([f"left_{landmark}"], [f"right_{landmark}"])
    hips, shoulders = ([f"{side}_{name}" for side in SIDES] for name in ("hip", "shoulder"))
    if body.has(*shoulders):
        rows["trunk"] = row(shoulders, hips)
    if body.has("head"):
        rows["neck"] = row(["head"], ["neck"])
    return rows


def _position_sigma(
    motion: BodyMotion, weights: Float[np.ndarray, "segments joints"]
) -> Float[np.ndarray, " segments"]:
    """From the covariance of the ends in the frames, taken as independent; the median."""
    if not motion.present.any():
        return np.full(len(weights), np.nan)
    places = motion.joint_positions_m[motion.present]
    spread = motion.position_covariance_m2[motion.present]
    sigma = np.full(len(weights), np.nan)
    for k, row in enumerate(weights):
        joints = np.flatnonzero(row)
        vector = np.einsum("j,fjk->fk", row[joints], places[:, joints])
        covariance = np.einsum("j,fjkl->fkl", row[joints] ** 2, spread[:, joints])
        with np.errstate(invalid="ignore", divide="ignore"):
            direction = vector / np.linalg.norm(vector, axis=1, keepdims=True)
        variance = np.einsum("fk,fkl,fl->f", direction, covariance, direction)
        known = variance[np.isfinite(variance)]
        sigma[k] = np.sqrt(np.median(known)) if len(known) else np.nan
    return sigma
