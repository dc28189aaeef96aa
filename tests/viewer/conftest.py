"""Sessions of people made of sticks, whose every keypoint is known."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mocap.errors import DependencyError
from mocap.geometry.rotations import matrix_from_rotvec
from mocap.model import (
    Camera,
    FrameSet,
    Intrinsics,
    Keypoints3D,
    Motion,
    Observation,
    Person3D,
    Rig,
    Skeleton,
    skeleton_by_name,
)
from mocap.model.observations import Detections
from mocap.storage.session_reader import Session
from mocap.storage.session_writer import SessionWriter

# A person of 1.75 m who stands at the origin and faces +Y, so that the right side is at +X:
# x of the right side, y, z, in metres.
SIDED = {
    "eye": (0.035, 0.09, 1.66),
    "eye_inner": (0.02, 0.09, 1.66),
    "eye_outer": (0.05, 0.085, 1.66),
    "ear": (0.075, 0.0, 1.64),
    "mouth": (0.025, 0.09, 1.57),
    "shoulder": (0.19, 0.0, 1.45),
    "elbow": (0.24, -0.02, 1.17),
    "wrist": (0.26, 0.08, 0.93),
    "pinky": (0.27, 0.10, 0.85),
    "index": (0.25, 0.13, 0.85),
    "thumb": (0.23, 0.13, 0.88),
    "hip": (0.10, 0.0, 0.95),
    "knee": (0.11, 0.03, 0.51),
    "ankle": (0.11, 0.0, 0.09),
    "big_toe": (0.13, 0.18, 0.02),
    "small_toe": (0.19, 0.15, 0.02),
    "heel": (0.11, -0.05, 0.03),
}
MIDDLE = {
    "nose": (0.0, 0.12, 1.62),
    "head": (0.0, 0.0, 1.75),
    "neck": (0.0, 0.0, 1.47),
    "mid_hip": (0.0, 0.0, 0.95),
}
FACE_CENTER = np.array([0.0, 0.10, 1.61])


def _face(index: int) -> np.ndarray:
    """The 68 points as rings: contour, brows, nose, eyes and mouth."""
    if index < 17:
        angle = np.pi * (1 + index / 16)
        offset = (0.075 * np.cos(angle), -0.03, 0.03 + 0.11 * np.sin(angle))
    elif index < 27:
        offset = (-0.055 + 0.11 * (index - 17) / 9, 0.0, 0.075)
    elif index < 31:
        offset = (0.0, 0.0, 0.05 - 0.012 * (index - 27))
    elif index < 36:
        offset = (0.006 * (index - 33), 0.01, 0.01)
    elif index < 48:
        ring = (index - 36) % 6 * np.pi / 3
        middle = -0.033 if index < 42 else 0.033
        offset = (middle + 0.014 * np.cos(ring), 0.0, 0.05 + 0.006 * np.sin(ring))
    else:
        inner = index >= 60
        ring = (index - 60) * np.pi / 4 if inner else (index - 48) * np.pi / 6
        size = 0.6 if inner else 1.0
        offset = (0.028 * size * np.cos(ring), 0.0, -0.045 + 0.012 * size * np.sin(ring))
    # The first points are on the person's right, which is +X.
    return FACE_CENTER + np.array(offset) * (-1.0, 1.0, 1.0)


def standing_person(skeleton: Skeleton) -> np.ndarray:
    """Keypoints (K, 3) in metres of the standing person."""
    points = np.full((len(skeleton), 3), np.nan)
    for row, name in enumerate(skeleton.keypoints):
        if name.startswith("face_"):
            points[row] = _face(int(name[-2:]))
            continue
        if name in MIDDLE:
            points[row] = MIDDLE[name]
            continue
        side, rest = name.split("_", 1)
        sign = 1.0 if side == "right" else -1.0
        if rest.startswith("hand_"):
            wrist = np.array(SIDED["wrist"])
            fingers = ("thumb", "index", "middle", "ring", "pinky")
            finger = rest.removeprefix("hand_").split("_")[0]
            if finger == "wrist":
                offset = np.zeros(3)
            else:
                place = (row - skeleton.index(f"{side}_hand_wrist") - 1) % 4 + 1
                spread = (fingers.index(finger) - 2) * 0.012
                offset = np.array([0.0, -spread * 1.4, -0.03 - 0.026 * place])
                if finger == "thumb":
                    offset = np.array([-0.02 * place, 0.03, -0.012 - 0.012 * place])
            point = wrist + offset
        else:
            point = np.array(SIDED[rest])
        points[row] = point * (sign, 1.0, 1.0)
    return points


def walking_person(skeleton: Skeleton, time_s: float, phase: float = 0.0) -> np.ndarray:
    """The standing person with arms and legs swinging, facing +Y at the origin."""
    points = standing_person(skeleton)
    swing = np.sin(2 * np.pi * time_s + phase)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        arm = [
            i
            for i, n in enumerate(skeleton.keypoints)
            if n.startswith(side + "_")
            and n.split("_", 1)[1].startswith(("elbow", "wrist", "hand", "pinky", "index", "thumb"))
        ]
        leg = [
            i
            for i, n in enumerate(skeleton.keypoints)
            if n.startswith(side + "_")
            and n.split("_", 1)[1].startswith(("knee", "ankle", "big", "small", "heel"))
        ]
        for rows, pivot, angle in (
            (arm, f"{side}_shoulder", -0.55 * sign * swing),
            (leg, f"{side}_hip", 0.45 * sign * swing),
        ):
            center = points[skeleton.index(pivot)]
            turn = matrix_from_rotvec(np.array([angle, 0.0, 0.0]))
            points[rows] = (points[rows] - center) @ turn.T + center
    points[:, 2] -= np.nanmin(points[:, 2])
    return points


def moved(points: np.ndarray, yaw_deg: float, x: float, y: float) -> np.ndarray:
    """Turned about the vertical through the origin, then shifted."""
    turn = matrix_from_rotvec(np.array([0.0, 0.0, np.radians(yaw_deg)]))
    return points @ turn.T + (x, y, 0.0)


def ring_rig(cameras: int = 4, radius_m: float = 4.0, height_m: float = 2.3) -> Rig:
    """Cameras on a circle that look at its middle, 1 m above the floor."""
    lens = Intrinsics(
        (1280, 720), np.array([[900.0, 0, 639.5], [0, 900, 359.5], [0, 0, 1]]), np.zeros(0)
    )
    made = []
    for index in range(cameras):
        angle = 2 * np.pi * (index + 0.5) / cameras
        center = np.array([radius_m * np.cos(angle), radius_m * np.sin(angle), height_m])
        forward = np.array([0.0, 0.0, 1.0]) - center
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(forward, right), forward])
        pose[:3, 3] = -pose[:3, :3] @ center
        made.append(Camera(f"cam_{index}", lens, pose))
    return Rig(tuple(made))


def keypoints_of(points: np.ndarray, cameras: int, sigma_m: float = 0.004) -> Keypoints3D:
    """Points as a reconstruction, each with the same standard deviation."""
    k = len(points)
    found = np.isfinite(points).all(axis=1)
    covariance = np.tile(np.eye(3) * sigma_m**2, (k, 1, 1))
    covariance[~found] = np.nan
    return Keypoints3D(
        points,
        covariance,
        np.where(found, 1.0, np.nan),
        np.where(found, cameras, 0),
        np.where(found, 3, 0)[None].repeat(cameras, 0),
        np.ones((cameras, k)),
        np.ones((cameras, k)),
    )


MakeSession = Callable[..., Path]


def write_session(
    path: Path,
    people: list[list[tuple[int, np.ndarray]]],
    *,
    skeleton: str = "coco_wholebody133",
    numbers: list[int] | None = None,
    rate_hz: float = 25.0,
    smooth: bool = True,
    sigma_m: float = 0.004,
) -> Path:
    """Writes a session: per frame a list of (id, points); the smooth layer repeats the raw one."""
    table = skeleton_by_name(skeleton)
    rig = ring_rig()
    numbers = list(range(len(people))) if numbers is None else numbers
    rows: list[tuple[int, int, Keypoints3D]] = []
    with SessionWriter(path, rig, table, config={}, software={}) as writer:
        for number, frame in zip(numbers, people, strict=True):
            time_ns = round(number / rate_hz * 1e9)
            observations = {
                name: Observation(name, number, time_ns, Detections.empty(len(table)))
                for name in rig.names
            }
            persons = []
            for person_id, points in frame:
                keypoints = keypoints_of(points, len(rig), sigma_m)
                rows.append((number, person_id, keypoints))
                persons.append(Person3D(person_id, keypoints, (0,) * len(rig), (False,) * len(rig)))
            writer.add_frame(FrameSet(number, time_ns, observations), persons)
        if smooth and rows:
            writer.add_smooth(
                Motion(
                    table,
                    np.array([r[0] for r in rows]),
                    np.array([r[0] / rate_hz for r in rows]),
                    np.array([r[1] for r in rows]),
                    np.stack([r[2].points_m for r in rows]),
                    np.stack([r[2].covariance_m2 for r in rows]),
                    np.stack([r[2].reprojection_px for r in rows]),
                    np.stack([r[2].n_views for r in rows]),
                )
            )
        writer.finish({})
    return path


def two_walkers(frames: int, rate_hz: float = 25.0, skeleton: str = "coco_wholebody133") -> list:
    """Person 3 goes towards +Y, person 8 joins after a third of the frames and comes back."""
    table = skeleton_by_name(skeleton)
    people = []
    for index in range(frames):
        time = index / rate_hz
        along = -0.6 + 1.2 * index / max(frames - 1, 1)
        frame = [(3, moved(walking_person(table, time), 0.0, 0.0, along))]
        if index >= frames // 3:
            frame.append((8, moved(walking_person(table, time, 1.0), 130.0, 0.9, -along)))
        people.append(frame)
    return people


@pytest.fixture
def make_session(tmp_path: Path) -> MakeSession:
    """Writes a session of the given people into the test's folder."""

    def make(people: list[list[tuple[int, np.ndarray]]], name: str = "walk", **options) -> Path:
        return write_session(tmp_path / f"{name}.h5", people, **options)

    return make


@pytest.fixture
def walkers(make_session: MakeSession) -> Session:
    """An opened session of 12 frames with one, then two people."""
    with Session(make_session(two_walkers(12))) as session:
        yield session


@pytest.fixture
def stick_figures() -> dict[str, Callable]:
    """The functions which make people and rigs."""
    return {
        "standing": standing_person,
        "walking": walking_person,
        "moved": moved,
        "two_walkers": two_walkers,
        "rig": ring_rig,
    }


@pytest.fixture(scope="session")
def graphics() -> None:
    """Skips a test where no off-screen drawing is possible, but never in continuous integration."""
    from mocap.offscreen import import_open3d, without_display

    try:
        o3d = import_open3d()
        visualizer = o3d.visualization.Visualizer()
        with without_display():
            made = visualizer.create_window(width=64, height=64, visible=False)
        visualizer.destroy_window()
        reason = "" if made else "no EGL driver"
    except DependencyError as error:
        reason = str(error)
    if reason:
        if os.environ.get("CI"):
            pytest.fail(f"continuous integration must draw: {reason}")
        pytest.skip(reason)
