"""The studio's movements as body motions, with the contacts of the feet they were made from."""

from __future__ import annotations

import numpy as np

from mocap.geometry.rotations import quaternion_from_matrix
from mocap.model.body_motion import BodyMotion, JointTree
from mocap.model.skeletons import COCO_WHOLEBODY_133
from mocap.studio.bodies import Body
from mocap.studio.motions import MotionConfig, make_motion

KEYPOINTS = ("left_heel", "right_heel", "left_big_toe", "right_big_toe")


def studio_motion(
    body: Body,
    config: MotionConfig,
    seconds: float,
    rate_hz: float,
    *,
    noise_m: float = 0.0,
    keypoints: bool = True,
    seed: int = 0,
) -> tuple[BodyMotion, tuple[tuple[tuple[float, float], ...], ...]]:
    """A movement, and begin and end of each contact of the left and of the right foot, seconds.

    Args:
        body: who moves.
        config: the movement.
        seconds: duration.
        rate_hz: frame rate.
        noise_m: standard deviation of white noise on positions, per coordinate.
        keypoints: whether the motion has the keypoints of the feet.
        seed: of the noise.
    """
    motion = make_motion(config, body, seconds)
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    poses = [motion(t) for t in time_s]
    bones = body.bone_transforms(poses)
    local = np.array([pose.local_rotations for pose in poses])
    local[:, 0] = bones[:, 0, :3, :3]
    rng = np.random.default_rng(seed)
    frames, joints = len(time_s), len(body.bone_names)
    rows = [COCO_WHOLEBODY_133.index(name) for name in KEYPOINTS]
    points = body.pose_keypoints(poses)[:, rows] if keypoints else np.zeros((frames, 0, 3))
    shape = (frames, joints, 3, 3)
    result = BodyMotion(
        person_id=3,
        model="anny",
        gender="male",
        tree=JointTree(body.bone_names, body.parents),
        rest_joints_m=body.rest_heads_m,
        shape_names=(),
        shape=np.zeros(0),
        shape_sigma=np.zeros(0),
        frame=np.arange(frames) + 100,
        time_s=time_s,
        present=np.ones(frames, bool),
        root_position_m=bones[:, 0, :3, 3],
        rotations=quaternion_from_matrix(local),
        joint_positions_m=bones[:, :, :3, 3] + noise_m * rng.normal(size=(frames, joints, 3)),
        position_covariance_m2=np.broadcast_to(noise_m**2 * np.eye(3), shape),
        rotation_covariance_rad2=np.broadcast_to(1e-4 * np.eye(3), shape),
        measured=np.ones((frames, joints), bool),
        dof_names=(),
        dof_rad=np.zeros((frames, 0)),
        dof_limits_rad=np.zeros((0, 2)),
        keypoint_names=KEYPOINTS if keypoints else (),
        keypoints_m=points + noise_m * rng.normal(size=points.shape),
        residual_m=np.zeros(points.shape[:2]),
    )
    stands = tuple(
        tuple((stand.begin_s, stand.end_s) for stand in track.stands)
        for track in motion.course.feet  # type: ignore[attr-defined]
    )
    return result, stands
