"""What one frame's processing works on: cameras, body, people and settings as plain arrays.

Tuples of arrays, because compiled functions take them as they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mocap.geometry.triangulation import consistency_table
from mocap.model import RigArrays, Skeleton
from mocap.model.config import ReconstructionConfig
from mocap.reconstruction.links import links_of
from mocap.reconstruction.noise_kernels import CLASSES
from mocap.reconstruction.person import camera_centers, focal_lengths
from mocap.reconstruction.swaps import HEAD, LIMB_BITS, hand_of, swap_parts

_LEAST = 1e-6
"""Stands for a setting of zero that something is divided by."""


class RigData(NamedTuple):
    """The cameras."""

    matrix: np.ndarray
    distortions: np.ndarray
    fisheye: np.ndarray
    T_cam_world: np.ndarray
    center: np.ndarray
    focal: np.ndarray


class BodyData(NamedTuple):
    """The skeleton's tables."""

    chosen: np.ndarray
    mirror: np.ndarray
    paired: np.ndarray
    sigma_m: np.ndarray
    density: np.ndarray
    ends: np.ndarray
    slot: np.ndarray
    adult_m: np.ndarray
    of_keypoint: np.ndarray
    least: np.ndarray  # (K) confidence below which a keypoint is not used
    part_bits: np.ndarray  # (K) the parts a keypoint belongs to, as in swap_kernels
    limb_bits: np.ndarray  # parts that may be exchanged alone, larger ones first
    hands: np.ndarray  # (2, H) left and right hand, the root first
    wrists: np.ndarray  # (2) of the body
    face: np.ndarray
    head: np.ndarray  # of the body, the best anchor first


class Tracks(NamedTuple):
    """The known people; one row each, `active` tells which rows are taken."""

    active: np.ndarray
    person_id: np.ndarray
    time: np.ndarray
    born: np.ndarray
    frames: np.ndarray
    points: np.ndarray
    velocity: np.ndarray
    pp: np.ndarray
    pv: np.ndarray
    vv: np.ndarray
    seen: np.ndarray
    seen_twice: np.ndarray
    length: np.ndarray
    length_count: np.ndarray
    sigma_length: np.ndarray
    height: np.ndarray
    height_var: np.ndarray
    height_count: np.ndarray
    turned_frames: np.ndarray
    latest: np.ndarray  # (M, C, N, 2) residuals of the frame before; see `judge_views`


class Settings(NamedTuple):
    """Numbers from the configuration."""

    assoc_confidence: float
    assoc_keypoints: int
    max_track_m: float
    max_pair_m: float
    cap_m: float
    mirror_penalty_m: float
    blur_m: float
    hand_reach_m: float
    face_reach_m: float
    gate: float
    cauchy: float
    min_cosine: float
    floor_px: float
    max_pairs: int
    suspicion: float
    ratio: float
    prior_dof: float
    link_relative: float
    link_min_m: float
    adult_relative: float
    sweeps: int
    min_keypoints: int
    min_birth: int
    min_view_share: float
    min_separation_m: float
    stale_s: float
    memory_s: float
    damping_s: float
    depth_floor2: float
    shift_m: float
    shift_m_s: float
    max_single_s: float
    confirm_s: float
    min_fit: float
    turned_frames: int
    max_free_m: float
    link_trust: float
    link_report: float
    height_min_m: float
    table: np.ndarray


class Result(NamedTuple):
    """What one frame gave, per track row."""

    found: np.ndarray  # (M) bool
    group: np.ndarray  # (M, C) 2D person, -1 none
    turned: np.ndarray  # (M, C) parts whose left and right were exchanged, as in swap_kernels
    used: np.ndarray  # (M, C, K) bool
    born: np.ndarray  # (M) bool
    covariance: np.ndarray  # (M, K, 3, 3) what is reported
    squares: np.ndarray  # (4, classes) sums over the people known before; see `judge_views`
    repeated: np.ndarray  # (2) likewise


def rig_data(rig: RigArrays) -> RigData:
    """The cameras as the compiled functions take them."""
    return RigData(
        np.ascontiguousarray(rig.matrix),
        np.ascontiguousarray(rig.distortions),
        np.ascontiguousarray(rig.fisheye),
        np.ascontiguousarray(rig.T_cam_world),
        camera_centers(rig),
        focal_lengths(rig),
    )


def body_data(skeleton: Skeleton, config: ReconstructionConfig) -> BodyData:
    """The tables of a skeleton."""
    links = links_of(skeleton)
    body = {"body", "feet"}
    paired = [i for pair in skeleton.pairs for i in pair if skeleton.parts[i] in body]
    part_bits = swap_parts(skeleton)
    limb_bits = [bit for bit in LIMB_BITS if np.any(part_bits & bit)]
    hands = [hand_of(skeleton, side) for side in ("left", "right")]
    if not all(len(hand) for hand in hands):
        hands = [[], []]
    wrists = [skeleton.index(f"{side}_wrist") if hands[0] else -1 for side in ("left", "right")]
    return BodyData(
        np.array(skeleton.association_indices, np.int64),
        np.array(skeleton.mirror, np.int64),
        np.array(paired, np.int64),
        config.triangulation.sigma_m(skeleton),
        np.full(len(skeleton), config.tracking.acceleration_density),
        links.ends,
        links.slot,
        links.adult_m,
        links.of_keypoint,
        np.maximum(config.triangulation.least_confidence(skeleton), 1e-6),
        part_bits,
        np.array(limb_bits, np.int64),
        np.array(hands, np.int64).reshape(2, -1),
        np.array(wrists, np.int64),
        np.array(skeleton.indices("face"), np.int64),
        np.array([skeleton.index(n) for n in HEAD if n in skeleton], np.int64),
    )


def settings_of(config: ReconstructionConfig, cameras: int, skeleton: Skeleton) -> Settings:
    """The numbers of the configuration."""
    chosen = len(skeleton.association)
    a, t, k = config.association, config.triangulation, config.tracking
    return Settings(
        assoc_confidence=a.min_confidence,
        assoc_keypoints=a.min_keypoints,
        max_track_m=a.max_track_distance_m,
        max_pair_m=a.max_pair_distance_m,
        cap_m=a.cap_m,
        mirror_penalty_m=a.mirror_penalty_m,
        blur_m=max(a.blur_m, _LEAST),
        hand_reach_m=t.hand_reach_m,
        face_reach_m=t.face_reach_m,
        gate=t.gate_sigmas,
        cauchy=t.cauchy_sigmas,
        min_cosine=float(np.cos(np.deg2rad(t.min_angle_deg))),
        floor_px=t.floor_px,
        max_pairs=t.max_pairs,
        suspicion=t.mirror_suspicion,
        ratio=t.mirror_ratio,
        prior_dof=t.prior_dof,
        link_relative=t.link_relative,
        link_min_m=max(t.link_min_m, _LEAST),
        adult_relative=t.link_adult_relative,
        sweeps=t.link_sweeps,
        min_keypoints=min(k.min_keypoints, chosen),
        min_birth=min(k.min_birth_keypoints, chosen),
        min_view_share=k.min_view_share,
        min_separation_m=k.min_separation_m,
        stale_s=k.stale_s,
        memory_s=k.max_keypoint_lost_s,
        damping_s=max(k.damping_s, _LEAST),
        depth_floor2=t.depth_relative**2,
        shift_m=k.shift_m,
        shift_m_s=k.shift_m_s,
        max_single_s=k.max_single_view_s,
        confirm_s=k.confirm_s,
        min_fit=a.min_fit,
        turned_frames=t.mirror_frames,
        max_free_m=t.learn_sigma_m,
        link_trust=t.link_trust,
        link_report=t.link_report,
        height_min_m=max(t.height_sigma_m, _LEAST),
        table=np.array(consistency_table(t.cauchy_sigmas, cameras)),
    )


def empty_tracks(rows: int, cameras: int, body: BodyData) -> Tracks:
    """Nobody, with room for `rows` people."""
    keypoints, slots = len(body.mirror), len(body.adult_m)
    vector, matrix = (rows, keypoints, 3), (rows, keypoints, 3, 3)
    return Tracks(
        active=np.zeros(rows, bool),
        person_id=np.full(rows, -1, np.int64),
        time=np.zeros(rows),
        born=np.zeros(rows),
        frames=np.zeros(rows, np.int64),
        points=np.full(vector, np.nan),
        velocity=np.zeros(vector),
        pp=np.zeros(matrix),
        pv=np.zeros(matrix),
        vv=np.zeros(matrix),
        seen=np.zeros((rows, keypoints)),
        seen_twice=np.zeros((rows, keypoints)),
        length=np.zeros((rows, slots)),
        length_count=np.zeros((rows, slots)),
        sigma_length=np.zeros((rows, slots)),
        height=np.zeros((rows, keypoints)),
        height_var=np.zeros((rows, keypoints)),
        height_count=np.zeros((rows, keypoints)),
        turned_frames=np.zeros(rows, np.int64),
        latest=np.full((rows, cameras, len(body.chosen), 2), np.nan),
    )


def grown_tracks(tracks: Tracks, rows: int, body: BodyData) -> Tracks:
    """The same people with room for more."""
    empty = empty_tracks(rows, tracks.latest.shape[1], body)
    for old, new in zip(tracks, empty, strict=True):
        new[: len(old)] = old
    return empty


def empty_result(rows: int, cameras: int, keypoints: int) -> Result:
    """Room for the result of one frame."""
    return Result(
        found=np.zeros(rows, bool),
        group=np.full((rows, cameras), -1, np.int64),
        turned=np.zeros((rows, cameras), np.int64),
        used=np.zeros((rows, cameras, keypoints), bool),
        born=np.zeros(rows, bool),
        covariance=np.zeros((rows, keypoints, 3, 3)),
        squares=np.zeros((4, CLASSES)),
        repeated=np.zeros(2),
    )
