"""Body motions of the SMPL family as the parameters that other programs know, and back.

Three conventions differ in where they put the body:

* `BodyMotion` holds the world position of the root joint;
* `smplx` and AMASS hold `transl` (`trans`): the root joint is at J_0(betas) + transl, and
  `global_orient` turns the body about the root joint;
* EasyMocap holds `Rh` and `Th`: the skinned body with an unturned root is turned about the origin
  of the model and then shifted, V = R(Rh) X(theta, beta) + Th.

Poses are rotation vectors in radians. Hands are absolute, not relative to the mean hand of the
model file: `smplx.create(..., use_pca=False, flat_hand_mean=True)` reproduces them. The world is
Z-up, as in AMASS; the frame of the model is Y-up, so `global_orient` also holds that turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mocap.arrays import Bool, Float, Int, frozen_array
from mocap.body.smpl_kinds import SMPL_KINDS, SmplKind, check_gender, smpl_kind
from mocap.errors import InputError, valid_choices
from mocap.geometry.kinematics import forward_kinematics
from mocap.geometry.rotations import (
    matrix_from_quaternion,
    matrix_from_rotvec,
    quaternion_from_matrix,
    rotvec_from_matrix,
)
from mocap.model.body_motion import BodyMotion

_BETA = "beta_"
"""Begins the names of the shape numbers which are betas; a fit has others beside."""


@dataclass(frozen=True, eq=False)
class SmplParameters:
    """Parameters of the SMPL family over F frames, as `smplx` takes them.

    Attributes:
        model: "smpl", "smplh" or "smplx".
        gender: "neutral", "male" or "female".
        betas: shape, constant over the frames.
        transl: metres; the root joint is at J_0(betas) + transl.
        poses: rotation vectors of all J joints, in radians, in the order of the model's joints,
            which is that of AMASS: root, body, (jaw, eyes,) left hand, right hand.
    """

    model: str
    gender: str
    betas: Float[np.ndarray, " shape"]
    transl: Float[np.ndarray, "frames 3"]
    poses: Float[np.ndarray, "frames joints 3"]

    def __post_init__(self) -> None:
        joints = len(smpl_kind(self.model).tree)
        check_gender(self.gender)
        shapes: dict[str, tuple[int | None, ...]] = {
            "betas": (None,),
            "transl": (None, 3),
            "poses": (len(self.transl), joints, 3),
        }
        for name, shape in shapes.items():
            array = frozen_array(getattr(self, name), np.float64, shape, name)
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.transl)

    @property
    def kind(self) -> SmplKind:
        """Which model it is."""
        return SMPL_KINDS[self.model]

    @property
    def parts(self) -> dict[str, Float[np.ndarray, "frames values"]]:
        """The poses as `smplx` names them: global_orient (F, 3), body_pose (F, 63 or 69), ..."""
        return {
            name: self.poses[:, joints].reshape(len(self), -1)
            for name, joints in self.kind.pose_parts.items()
        }


@dataclass(frozen=True, eq=False)
class EasyMocapParameters:
    """Parameters in EasyMocap's convention: V = R(Rh) X(theta, beta) + Th.

    Attributes:
        Rh: rotation vectors of the whole body about the origin of the model.
        Th: translations, metres.
        poses: rotation vectors of all J joints, zero for the root.
        shapes: the shape.
    """

    Rh: Float[np.ndarray, "frames 3"]
    Th: Float[np.ndarray, "frames 3"]
    poses: Float[np.ndarray, "frames joints 3"]
    shapes: Float[np.ndarray, " shape"]


def smpl_parameters(motion: BodyMotion) -> SmplParameters:
    """The parameters of a motion on a model of the SMPL family.

    Raises:
        InputError: the motion is on another body model.
    """
    kind = _kind_of(motion)
    rotvecs = rotvec_from_matrix(matrix_from_quaternion(motion.rotations))
    return SmplParameters(
        model=kind.name,
        gender=motion.gender,
        betas=betas_of(motion),
        transl=motion.root_position_m - motion.rest_joints_m[0],
        poses=rotvecs,
    )


def easymocap_parameters(motion: BodyMotion) -> EasyMocapParameters:
    """The parameters of a motion in EasyMocap's convention.

    Raises:
        InputError: the motion is not on a model of the SMPL family.
    """
    parameters = smpl_parameters(motion)
    turn = matrix_from_quaternion(motion.rotations[:, 0])
    poses = parameters.poses.copy()
    poses[:, 0] = 0.0
    return EasyMocapParameters(
        Rh=parameters.poses[:, 0],
        Th=motion.root_position_m - turn @ motion.rest_joints_m[0],
        poses=poses,
        shapes=parameters.betas,
    )


def from_easymocap(
    model: str,
    gender: str,
    parameters: EasyMocapParameters,
    root_rest_m: Float[np.ndarray, " 3"],
) -> SmplParameters:
    """The parameters of `smplx` for those of EasyMocap.

    Args:
        model: "smpl", "smplh" or "smplx".
        gender: "neutral", "male" or "female".
        parameters: EasyMocap's. Where its root is turned too, that is counted.
        root_rest_m: J_0(betas), the root joint of the body in the model's frame.
    """
    turn = matrix_from_rotvec(parameters.Rh)
    poses = np.array(parameters.poses, np.float64)
    poses[:, 0] = rotvec_from_matrix(turn @ matrix_from_rotvec(poses[:, 0]))
    transl = turn @ root_rest_m + parameters.Th - root_rest_m
    return SmplParameters(model, gender, parameters.shapes, transl, poses)


def body_motion_of_smpl(
    parameters: SmplParameters,
    rest_joints_m: Float[np.ndarray, "joints 3"],
    time_s: Float[np.ndarray, " frames"],
    *,
    person_id: int = 0,
    frame: Int[np.ndarray, " frames"] | None = None,
    present: Bool[np.ndarray, " frames"] | None = None,
) -> BodyMotion:
    """A body motion of parameters.

    Args:
        parameters: the parameters.
        rest_joints_m: the joints of this shape at rest, in the frame of the model; see
            `SmplData.rest_joints`.
        time_s: seconds of the session clock.
        person_id: whose motion it is.
        frame: frame numbers; counted from 0 when None.
        present: whether the person is there; always when None.

    Returns:
        A motion without keypoints, and with unknown covariances.
    """
    frames, tree = len(parameters), parameters.kind.tree
    rest = frozen_array(rest_joints_m, np.float64, (len(tree), 3), "rest_joints_m")
    matrices = matrix_from_rotvec(parameters.poses)
    root = rest[0] + parameters.transl
    positions, _ = forward_kinematics(tree.parents, rest, root, matrices)
    unknown = np.full((frames, len(tree), 3, 3), np.nan)
    return BodyMotion(
        person_id=person_id,
        model=parameters.model,
        gender=parameters.gender,
        tree=tree,
        rest_joints_m=rest,
        shape_names=beta_names(len(parameters.betas)),
        shape=parameters.betas,
        shape_sigma=np.full(len(parameters.betas), np.nan),
        frame=np.arange(frames) if frame is None else frame,
        time_s=time_s,
        present=np.ones(frames, bool) if present is None else present,
        root_position_m=root,
        rotations=quaternion_from_matrix(matrices),
        joint_positions_m=positions,
        position_covariance_m2=unknown,
        rotation_covariance_rad2=unknown,
        measured=np.ones((frames, len(tree)), bool),
        dof_names=(),
        dof_rad=np.zeros((frames, 0)),
        dof_limits_rad=np.zeros((0, 2)),
        keypoint_names=(),
        keypoints_m=np.zeros((frames, 0, 3)),
        residual_m=np.zeros((frames, 0)),
    )


def poses_of_parts(
    model: str, parts: Mapping[str, Float[np.ndarray, "frames values"]]
) -> Float[np.ndarray, "frames joints 3"]:
    """All rotation vectors of the parts that `smplx` names; zero where a part is missing.

    Raises:
        InputError: a part is unknown or has another length.
    """
    places = smpl_kind(model).pose_parts
    unknown = [name for name in parts if name not in places]
    if unknown:
        raise InputError(
            f"no pose {unknown[0]!r} in {SMPL_KINDS[model].title}; it has {valid_choices(places)}"
        )
    frames = max((len(values) for values in parts.values()), default=0)
    poses = np.zeros((frames, len(SMPL_KINDS[model].tree), 3))
    for name, values in parts.items():
        wanted = poses[:, places[name]]
        if np.shape(values) != (frames, wanted.shape[1] * 3):
            raise InputError(
                f"{name} has shape {np.shape(values)}, "
                f"expected {(frames, wanted.shape[1] * 3)} for {SMPL_KINDS[model].title}"
            )
        poses[:, places[name]] = np.reshape(values, wanted.shape)
    return poses


def betas_of(motion: BodyMotion) -> Float[np.ndarray, " betas"]:
    """The betas among the shape numbers of a motion; a fit also has offsets of keypoints."""
    return motion.shape[[name.startswith(_BETA) for name in motion.shape_names]]


def beta_names(count: int) -> tuple[str, ...]:
    """Names of the shape numbers: "beta_0", "beta_1", ..."""
    return tuple(f"{_BETA}{i}" for i in range(count))


def _kind_of(motion: BodyMotion) -> SmplKind:
    kind = SMPL_KINDS.get(motion.model)
    if kind is None or motion.tree.names != kind.tree.names:
        raise InputError(
            f"the motion of person {motion.person_id} is on the body model {motion.model!r}; "
            f"SMPL parameters need one of {valid_choices(SMPL_KINDS)}: mocap fit --model smplx"
        )
    return kind
