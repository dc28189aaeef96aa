"""Frozen, validated data that is handed from step to step."""

from mocap.model.body_motion import BodyMotion, JointTree
from mocap.model.camera import Camera, Intrinsics, LensModel, Rig, RigArrays, RigMetadata
from mocap.model.motion import (
    Bystander,
    FrameTable,
    Keypoints3D,
    Motion,
    Person3D,
    SetAside,
    ViewState,
)
from mocap.model.observations import Detections, FrameSet, Observation
from mocap.model.skeleton import Skeleton
from mocap.model.skeletons import skeleton_by_name, skeleton_of_keypoints
from mocap.model.target import Target

__all__ = [
    "BodyMotion",
    "Bystander",
    "Camera",
    "Detections",
    "FrameSet",
    "FrameTable",
    "Intrinsics",
    "JointTree",
    "Keypoints3D",
    "LensModel",
    "Motion",
    "Observation",
    "Person3D",
    "Rig",
    "RigArrays",
    "RigMetadata",
    "SetAside",
    "Skeleton",
    "Target",
    "ViewState",
    "skeleton_by_name",
    "skeleton_of_keypoints",
]
