"""From what a movement says (pelvis, feet, hands, bends of the trunk) to a pose of the bones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mocap.geometry.rotations import rotvec_from_matrix
from mocap.studio.bodies import Body, BodyPose
from mocap.studio.inverse_kinematics import (
    MAX_STRETCH,
    Rotation,
    Vector,
    across,
    bend_limb,
    frame,
    signed_angle,
    split_twist,
    turn,
    turn_by,
    unit,
)

SIDES = ("L", "R")
X, Y, Z = np.eye(3)
_SPINE = {"spine05": 0.10, "spine04": 0.25, "spine03": 0.30, "spine02": 0.25, "spine01": 0.10}
_NECK = {"neck01": 0.15, "neck02": 0.2, "neck03": 0.2, "head": 0.45}
_FREE_SHOULDER = np.deg2rad(30.0)
"""How far the arm is raised before the shoulder girdle follows."""
_GIRDLE_SHARE = 0.28
"""How much of a further raise the girdle does: about a third in anatomy, part of it unseen."""
_FOREARM_TWIST = {"lowerarm01": 0.25, "lowerarm02": 0.75}
_REACH_ROUNDS = 6
_TOGETHER = 0.6
"""How much of the spread of the fingers at rest is taken back."""
_THUMB_CLOSE = 0.30


@dataclass(frozen=True)
class Foot:
    """Where a foot is.

    Attributes:
        ankle_m: world position of the ankle joint.
        R_world_foot: orientation; the identity for a foot that stands and points along world x.
        toe_bend_rad: how far the toes are bent up against the foot.
    """

    ankle_m: Vector
    R_world_foot: Rotation
    toe_bend_rad: float = 0.0


@dataclass(frozen=True)
class HangingArm:
    """An arm by its angles, in radians; all zero hangs straight down with the palm to the thigh.

    Attributes:
        forward: raised forwards.
        outward: raised sidewards.
        inward_turn: turned about itself so that the bent forearm points inwards.
        elbow: bent.
        pronation: palm turned backwards (of a hanging arm) or downwards (of a bent one).
        wrist: hand bent towards the palm.
    """

    forward: float = 0.0
    outward: float = 0.12
    inward_turn: float = 0.15
    elbow: float = 0.25
    pronation: float = 0.35
    wrist: float = 0.05


@dataclass(frozen=True)
class ReachingArm:
    """An arm by the place of its hand.

    Attributes:
        wrist_m: world position of the wrist.
        elbow_direction: world direction to which the elbow points.
        hand_direction: world direction from the wrist to the knuckles.
        palm_direction: world direction which the palm faces.
        share: 1 reaches the target, 0 keeps the hanging arm.
    """

    wrist_m: Vector
    elbow_direction: Vector
    hand_direction: Vector
    palm_direction: Vector
    share: float = 1.0


@dataclass(frozen=True)
class PoseTargets:
    """What a pose is to fulfil.

    Attributes:
        hips_m: world position of the middle between the hip joints.
        R_world_pelvis: orientation of the pelvis.
        feet: left and right foot.
        arms: left and right arm hanging; what a reaching arm starts from.
        reach: left and right arm reaching, or None.
        chest_rotvec: turn of the chest against the pelvis, in the pelvis' axes.
        head_rotvec: turn of the head against the chest, in the chest's axes.
        curl: how far the fingers of the left and right hand are bent, radians per joint.
    """

    hips_m: Vector
    R_world_pelvis: Rotation
    feet: tuple[Foot, Foot]
    arms: tuple[HangingArm, HangingArm] = (HangingArm(), HangingArm())
    reach: tuple[ReachingArm | None, ReachingArm | None] = (None, None)
    chest_rotvec: Vector = field(default_factory=lambda: np.zeros(3))
    head_rotvec: Vector = field(default_factory=lambda: np.zeros(3))
    curl: tuple[float, float] = (0.28, 0.28)


@dataclass(frozen=True)
class _Limb:
    """Rest directions, hinge and lengths of a limb of two bones."""

    upper: Vector
    lower: Vector
    hinge: Vector
    upper_m: float
    lower_m: float


@dataclass(frozen=True)
class _Hand:
    """The resting hand: direction, palm, the twist of the palm against the forearm's hinge, and
    the turns about the palm by which the fingers, index to little, are brought together."""

    along: Vector
    palm: Vector
    twist: float
    spread: tuple[float, ...]


class Poser:
    """Solves poses of one body.

    Attributes:
        leg_lengths_m: lengths of thigh and shank.
        leg_m: both together.
        arm_m: length of upper arm and forearm together.
        standing_hips_m: height of the hip joints of a standing body.
        ankle_height_m: height of the ankle of a flat foot.
        half_hips_m: half the distance of the hip joints.

    Args:
        body: whose bones are posed.
    """

    def __init__(self, body: Body) -> None:
        self.body = body
        self._names = body.bone_names
        self._parents = body.parents
        self._head = {name: body.rest_heads_m[i] for i, name in enumerate(self._names)}
        self._legs = tuple(self._leg(side) for side in SIDES)
        self._arms = tuple(self._arm(side) for side in SIDES)
        self.arm_m = self._arms[0].upper_m + self._arms[0].lower_m
        self._hands = tuple(self._hand(i) for i in range(2))
        self.leg_lengths_m = (self._legs[0].upper_m, self._legs[0].lower_m)
        self.leg_m = self._legs[0].upper_m + self._legs[0].lower_m
        hips = [self._head[f"upperleg01.{side}"] for side in SIDES]
        self.half_hips_m = float(hips[0][1])
        self.ankle_height_m = self._head["foot.L"][2]
        self.standing_hips_m = float(self.ankle_height_m + 0.99 * self.leg_m)
        self._hips_from_root = (hips[0] + hips[1]) / 2 - self._head["root"]

    def _leg(self, side: str) -> _Limb:
        hip, knee, ankle = (
            self._head[f"{name}.{side}"] for name in ("upperleg01", "lowerleg01", "foot")
        )
        thigh, shank = knee - hip, ankle - knee
        hinge = across(Y, unit(ankle - hip))
        return _Limb(unit(thigh), unit(shank), hinge, _length(thigh), _length(shank))

    def _arm(self, side: str) -> _Limb:
        shoulder, elbow, wrist = (
            self._head[f"{name}.{side}"] for name in ("upperarm01", "lowerarm01", "wrist")
        )
        upper, lower = elbow - shoulder, wrist - elbow
        # The resting elbow is bent far enough to show its hinge.
        hinge = unit(np.cross(upper, lower))
        return _Limb(unit(upper), unit(lower), hinge, _length(upper), _length(lower))

    def _hand(self, i: int) -> _Hand:
        side, sign = SIDES[i], (1.0, -1.0)[i]
        along = unit(self._head[f"finger3-1.{side}"] - self._head[f"wrist.{side}"])
        across_palm = self._head[f"finger2-1.{side}"] - self._head[f"finger5-1.{side}"]
        palm = sign * unit(np.cross(along, across_palm))
        arm = self._arms[i]
        fingers = [
            self._head[f"finger{k}-3.{side}"] - self._head[f"finger{k}-1.{side}"]
            for k in range(2, 6)
        ]
        spread = tuple(_TOGETHER * signed_angle(finger, fingers[1], palm) for finger in fingers)
        return _Hand(along, palm, signed_angle(sign * arm.hinge, palm, arm.lower), spread)

    def hip_joint(self, targets: PoseTargets, i: int) -> Vector:
        """World position of the left (0) or right (1) hip joint."""
        sign = (1.0, -1.0)[i]
        return targets.hips_m + targets.R_world_pelvis @ (Y * sign * self.half_hips_m)

    def solve(self, targets: PoseTargets) -> BodyPose:
        """The pose that fulfils the targets; hips too high for the legs are lowered."""
        world: dict[str, Rotation] = {"root": targets.R_world_pelvis}
        hips = targets.hips_m - Z * self._too_high(targets)
        self._trunk(world, targets)
        for i in range(2):
            hip = hips + targets.R_world_pelvis @ (Y * (1.0, -1.0)[i] * self.half_hips_m)
            self._solve_leg(world, i, hip, targets)
        root = hips - targets.R_world_pelvis @ self._hips_from_root
        chest = root + self._offset(world, "root", "spine01")
        for i in range(2):
            self._solve_arm(world, i, chest, targets)
        T_world_root = np.eye(4)
        T_world_root[:3, :3], T_world_root[:3, 3] = targets.R_world_pelvis, root
        return BodyPose(T_world_root, self._local(world, targets.curl))

    def _local(self, world: dict[str, Rotation], curl: tuple[float, float]) -> np.ndarray:
        local = np.tile(np.eye(3), (len(self._names), 1, 1))
        turned: list[Rotation] = []
        for i, (name, parent) in enumerate(zip(self._names, self._parents, strict=True)):
            above = turned[parent] if parent >= 0 else np.eye(3)
            own = world.get(name)
            if own is None:
                local[i] = self._finger(name, curl)
                own = above @ local[i]
            elif parent >= 0:
                local[i] = above.T @ own
            turned.append(own)
        return local

    def _finger(self, name: str, curl: tuple[float, float]) -> Rotation:
        if not name.startswith("finger"):
            return np.eye(3)
        i = SIDES.index(name[-1])
        hand = self._hands[i]
        finger, joint = int(name[6]), int(name[8])
        axis = np.cross(hand.along, hand.palm)
        if finger == 1:
            close = turn(hand.palm, _THUMB_CLOSE * (-1.0, 1.0)[i]) if joint == 1 else np.eye(3)
            return close @ turn(axis, 0.3 * curl[i] * (joint > 1))
        # Fingers bend more towards the little one, and less at their last joint.
        amount = curl[i] * (0.85 + 0.1 * (finger - 2)) * (1.0, 1.15, 0.7)[joint - 1]
        together = turn(hand.palm, hand.spread[finger - 2]) if joint == 1 else np.eye(3)
        return together @ turn(axis, amount)

    def _too_high(self, targets: PoseTargets) -> float:
        lower = 0.0
        for i in range(2):
            hip, ankle = self.hip_joint(targets, i), targets.feet[i].ankle_m
            flat = float(np.hypot(*(hip - ankle)[:2]))
            reach = self.leg_m * MAX_STRETCH
            height = float(np.sqrt(max(reach**2 - flat**2, 0.0)))
            lower = max(lower, float(hip[2] - ankle[2]) - height)
        return lower

    def _trunk(self, world: dict[str, Rotation], targets: PoseTargets) -> None:
        turned = targets.R_world_pelvis
        for name, share in _SPINE.items():
            turned = turned @ turn_by(share * targets.chest_rotvec)
            world[name] = turned
        for name, share in _NECK.items():
            turned = turned @ turn_by(share * targets.head_rotvec)
            world[name] = turned

    def _offset(self, world: dict[str, Rotation], start: str, end: str) -> Vector:
        """World vector from the head of one bone to that of a bone further out."""
        result = np.zeros(3)
        i, stop = self._names.index(end), self._names.index(start)
        while i != stop:
            parent = self._parents[i]
            rest = self.body.rest_heads_m[i] - self.body.rest_heads_m[parent]
            result = result + self._world(world, parent) @ rest
            i = parent
        return result

    def _world(self, world: dict[str, Rotation], i: int) -> Rotation:
        while self._names[i] not in world:
            i = self._parents[i]
        return world[self._names[i]]

    def _solve_leg(
        self, world: dict[str, Rotation], i: int, hip: Vector, targets: PoseTargets
    ) -> None:
        side, leg, foot = SIDES[i], self._legs[i], targets.feet[i]
        ahead = unit(targets.R_world_pelvis @ X) + 2 * unit(foot.R_world_foot @ X)
        upper, lower, hinge = bend_limb(hip, foot.ankle_m, ahead, leg.upper_m, leg.lower_m)
        for names, along, rest in (
            (("upperleg01", "upperleg02"), upper, leg.upper),
            (("lowerleg01", "lowerleg02"), lower, leg.lower),
        ):
            rotation = frame(along, hinge) @ frame(rest, leg.hinge).T
            world.update({f"{name}.{side}": rotation for name in names})
        world[f"foot.{side}"] = foot.R_world_foot
        # Bending up is a turn to the front of the foot's upside: about -y.
        toes = foot.R_world_foot @ turn(-Y, foot.toe_bend_rad)
        for toe in range(1, 6):
            world[f"toe{toe}-1.{side}"] = toes

    def _solve_arm(
        self, world: dict[str, Rotation], i: int, chest: Vector, targets: PoseTargets
    ) -> None:
        side, sign, arm, hand = SIDES[i], (1.0, -1.0)[i], self._arms[i], self._hands[i]
        R_chest = world["spine01"]
        angles = targets.arms[i]
        R_arm = (
            R_chest
            @ turn(X, sign * angles.outward)
            @ turn(-Y, angles.forward)
            @ turn(Z, -sign * angles.inward_turn)
        )
        upper = R_arm @ -Z
        lower = R_arm @ turn(-Y, angles.elbow) @ -Z
        hinge = R_arm @ -Y
        palm = turn(lower, sign * angles.pronation) @ (sign * hinge)
        bent = turn(np.cross(lower, palm), angles.wrist)
        R_hand = frame(bent @ lower, bent @ palm) @ frame(hand.along, hand.palm).T
        reach = targets.reach[i]
        if reach is None or reach.share <= 0:
            self._raise_girdle(world, i, R_chest, upper)
            self._place_arm(world, i, upper, lower, hinge, R_hand)
            return
        # The girdle moves the shoulder and the twisted upper arm is not quite straight: repeat.
        self._raise_girdle(world, i, R_chest, upper)
        self._place_arm(world, i, upper, lower, hinge, R_hand)
        start = chest + self._offset(world, "spine01", f"wrist.{side}")
        goal = start + reach.share * (reach.wrist_m - start)
        R_goal = frame(reach.hand_direction, reach.palm_direction)
        relative = R_goal @ frame(hand.along, hand.palm).T @ R_hand.T
        R_hand = _partly(relative, reach.share) @ R_hand
        elbow = chest + self._offset(world, "spine01", f"lowerarm01.{side}")
        shoulder = chest + self._offset(world, "spine01", f"upperarm01.{side}")
        line = unit(start - shoulder)
        pole = across(elbow - shoulder, line) if angles.elbow > 0.02 else R_arm @ -X
        pole = (1 - reach.share) * pole + reach.share * unit(reach.elbow_direction)
        aim = goal
        for _ in range(_REACH_ROUNDS):
            shoulder = chest + self._offset(world, "spine01", f"upperarm01.{side}")
            upper, lower, hinge = bend_limb(shoulder, aim, pole, arm.upper_m, arm.lower_m)
            self._raise_girdle(world, i, R_chest, upper)
            self._place_arm(world, i, upper, lower, hinge, R_hand)
            aim = aim + goal - (chest + self._offset(world, "spine01", f"wrist.{side}"))

    def _raise_girdle(
        self, world: dict[str, Rotation], i: int, R_chest: Rotation, upper: Vector
    ) -> None:
        """Lets collar bone and shoulder follow an arm that is raised."""
        side, sign = SIDES[i], (1.0, -1.0)[i]
        along = R_chest.T @ upper
        raised = float(np.arccos(np.clip(-along[2], -1, 1)))
        angle = _GIRDLE_SHARE * max(raised - _FREE_SHOULDER, 0.0)
        forward = 0.15 * max(float(along[0]), 0.0)
        rotation = R_chest @ turn(Z, -sign * forward) @ turn(X, sign * angle)
        world[f"clavicle.{side}"] = rotation
        world[f"shoulder01.{side}"] = rotation

    def _place_arm(
        self,
        world: dict[str, Rotation],
        i: int,
        upper: Vector,
        lower: Vector,
        hinge: Vector,
        R_hand: Rotation,
    ) -> None:
        side, sign, arm, hand = SIDES[i], (1.0, -1.0)[i], self._arms[i], self._hands[i]
        R_upper = frame(upper, hinge) @ frame(arm.upper, arm.hinge).T
        R_shoulder = world[f"shoulder01.{side}"]
        swing, twist = split_twist(R_shoulder.T @ R_upper, arm.upper)
        # Half of the twist, so that the skin of the shoulder is not wrung out.
        world[f"upperarm01.{side}"] = R_shoulder @ swing @ turn(arm.upper, twist / 2)
        world[f"upperarm02.{side}"] = R_upper
        R_lower = frame(lower, hinge) @ frame(arm.lower, arm.hinge).T
        palm = R_hand @ hand.palm
        more = signed_angle(sign * hinge, palm, lower) - hand.twist
        more = (more + np.pi) % (2 * np.pi) - np.pi
        for name, share in _FOREARM_TWIST.items():
            world[f"{name}.{side}"] = turn(lower, share * more) @ R_lower
        world[f"wrist.{side}"] = R_hand


def _length(vector: Vector) -> float:
    return float(np.linalg.norm(vector))


def _partly(rotation: Rotation, share: float) -> Rotation:
    """A share of a rotation, the short way round."""
    return turn_by(share * rotvec_from_matrix(rotation))
