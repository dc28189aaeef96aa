"""Small problems for the tests of the body fit: bodies, poses, noisy measurements, ties in time."""

import numpy as np
from scipy.spatial.transform import Rotation

from mocap.body.fit_shape import Poses
from mocap.body.fit_smooth import Stretch
from mocap.body.fit_tables import BodyTables, PointData, body_tables
from mocap.body.fit_twin import body_points
from mocap.body.skeleton import KinematicSkeleton
from mocap.geometry.projection import project_points
from mocap.model.skeletons import COCO_WHOLEBODY_133, HALPE_26

FRAMES = 5


def model(fingers: bool = False) -> KinematicSkeleton:
    """The kinematic skeleton."""
    return KinematicSkeleton(COCO_WHOLEBODY_133 if fingers else HALPE_26, fingers)


def tables(fingers: bool = False) -> BodyTables:
    """A body of average shape."""
    skeleton = model(fingers)
    keypoints = range(len(skeleton.keypoint_names))
    return body_tables(skeleton, skeleton.shape_mean, list(keypoints))


def random_poses(body: BodyTables, seed: int, frames: int = FRAMES) -> Poses:
    """Smooth motion inside the limits."""
    rng = np.random.default_rng(seed)
    low = np.where(np.isfinite(body.low), body.low, 0.0)
    high = np.where(np.isfinite(body.high), body.high, 0.0)
    start, end = rng.uniform(0.3, 0.7, (2, len(low)))
    mix = np.linspace(0, 1, frames)[:, None]
    Q = low + (high - low) * (start + 0.05 * (end - start) * mix)
    Q[:, :3] = 0.0
    turn = rng.normal(size=3) + 0.1 * mix * rng.normal(size=3)
    return Poses(
        rng.normal(size=3) + 0.1 * mix * rng.normal(size=3),
        Rotation.from_rotvec(turn).as_matrix(),
        Q,
    )


def cameras() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Three cameras around the middle, one of them a fisheye."""
    matrix = np.array([[900.0, 2.0, 640.0], [0.0, 880.0, 360.0], [0.0, 0.0, 1.0]])
    distortion = np.zeros((3, 8))
    distortion[0, :5] = (-0.1, 0.05, 0.001, -0.002, 0.01)
    distortion[2, :4] = (0.02, -0.01, 0.003, 0.001)
    T = np.tile(np.eye(4), (3, 1, 1))
    for c in range(3):
        facing = Rotation.from_euler("ZX", (2.1 * c, -1.5)).as_matrix().T
        T[c, :3, :3] = facing
        T[c, 2, 3] = 5.0
    return np.tile(matrix, (3, 1, 1)), distortion, np.array([False, False, True]), T


def data_of(
    body: BodyTables,
    poses: Poses,
    seed: int,
    *,
    pixels: bool,
    robust: float = 30.0,
    noise: float = 1.0,
) -> PointData:
    """Noisy measurements of poses, some missing, some far off."""
    rng = np.random.default_rng(seed)
    points = np.array([body_points(body, *pose) for pose in zip(*poses, strict=True)])
    frames, keypoints = points.shape[:2]
    root = rng.normal(size=(frames, keypoints, 3, 3)) * 40.0
    information = root @ np.swapaxes(root, 2, 3) + 2000.0 * np.eye(3)
    information[rng.random((frames, keypoints)) < 0.2] = 0.0
    measured = points + 0.01 * noise * rng.normal(size=points.shape)
    measured[:, 3] += 0.3 * noise
    matrix, distortion, fisheye, T = cameras()
    weight = rng.uniform(0.05, 0.2, (frames, 3, keypoints))
    weight[rng.random(weight.shape) < 0.2] = 0.0
    seen = np.stack(
        [
            project_points(points, matrix[c], distortion[c], bool(fisheye[c]), T[c])[0]
            for c in range(3)
        ],
        axis=1,
    )
    weight[~np.isfinite(seen).all(axis=3)] = 0.0
    seen = np.nan_to_num(seen) + 2.0 * noise * rng.normal(size=seen.shape)
    if not pixels:
        seen, weight = seen[:, :0], weight[:, :0]
        matrix, distortion, fisheye, T = matrix[:0], distortion[:0], fisheye[:0], T[:0]
    return PointData(measured, information, seen, weight, matrix, distortion, fisheye, T, robust)


def stretch_of(body: BodyTables, frames: int) -> Stretch:
    """Uneven times, standing soles and anchors."""
    rng = np.random.default_rng(3)
    time_s = np.cumsum(rng.uniform(0.015, 0.03, frames))
    standing = np.zeros((frames - 1, len(body.sole)), bool)
    standing[1:3, 0] = standing[2:, 3] = True
    motion = rng.uniform(0.001, 0.1, len(body.above))
    anchor = rng.normal(size=(frames, len(body.sole), 3))
    weight = rng.uniform(0, 100, (frames, len(body.sole))) * (rng.random(len(body.sole)) < 0.5)
    return Stretch(time_s, motion, standing, 1e5, anchor, weight, 1e4)
