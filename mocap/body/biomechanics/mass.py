"""Whole-body centre of mass, from the masses of the segments.

Source: de Leva, Adjustments to Zatsiorsky-Seluyanov's segment inertia parameters, J Biomech 29,
1996, table 4: young adults, 100 men and 15 women. Segments run from joint centre to joint centre.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from mocap.arrays import Float
from mocap.body.biomechanics.derivatives import CUTOFF_HZ, rates_of
from mocap.body.biomechanics.joint_angles import SegmentTurns
from mocap.body.biomechanics.segments import SIDES
from mocap.body.biomechanics.tables import QuantityTable
from mocap.errors import InputError, valid_choices
from mocap.model.body_motion import BodyMotion

MassTable = Literal["female", "male", "average"]
MASS_TABLES: tuple[str, ...] = get_args(MassTable)


@dataclass(frozen=True)
class SegmentMass:
    """One segment of the table.

    Attributes:
        start: landmarks whose mean is its proximal end.
        end: landmarks whose mean is its distal end.
        mass: share of the body's mass, of women and men.
        place: distance of its centre of mass from the proximal end as a share of its length, of
            women and men.
    """

    start: tuple[str, ...]
    end: tuple[str, ...]
    mass: tuple[float, float]
    place: tuple[float, float]


_TRUNK = SegmentMass(
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
    (0.4257, 0.4346),
    (0.3782, 0.4310),
)
_LIMBS: dict[str, tuple[str, str, tuple[float, float], tuple[float, float]]] = {
    "upper_arm": ("shoulder", "elbow", (0.0255, 0.0271), (0.5754, 0.5772)),
    "forearm": ("elbow", "wrist", (0.0138, 0.0162), (0.4559, 0.4574)),
    "hand": ("wrist", "knuckle", (0.0056, 0.0061), (0.7474, 0.7900)),
    "thigh": ("hip", "knee", (0.1478, 0.1416), (0.3612, 0.4095)),
    "shank": ("knee", "ankle", (0.0481, 0.0433), (0.4352, 0.4395)),
    # The table has it from heel to tip of the toes (0.4014, 0.4415); with the ankle 22 % and the
    # ball of the foot 72 % of that behind the heel it lies here between those two.
    "foot": ("ankle", "toe", (0.0129, 0.0137), (0.363, 0.443)),
}
_HEAD_MASS = (0.0668, 0.0694)
_HEAD_RISE = 0.058
"""Height of the head's centre of mass over the joint of the head, which lies at the base of the
skull, as a share of the length from mid shoulders to mid hips: 3 cm of 0.52 m."""
_PALM = (0.295, 0.321)
"""From the wrist to the third knuckle, as a share of the forearm's length (same table), for bodies
without fingers."""


@dataclass(frozen=True, eq=False)
class MassPoints:
    """The centre of mass as a linear combination of joints and of directions fixed in segments.

    Attributes:
        weights: of the joints' positions; they add up to one.
        offsets: joint to the vector, in the frame of the model, that its orientation carries and
            that is added.
    """

    weights: Float[np.ndarray, " joints"]
    offsets: Mapping[int, Float[np.ndarray, " 3"]]


def mass_points(turns: SegmentTurns, table: MassTable = "average") -> MassPoints:
    """Weights of the joints in the centre of mass.

    Raises:
        InputError: the table is unknown, or the body lacks an arm, the head or the toes.
    """
    if table not in MASS_TABLES:
        raise InputError(f"no mass table {table!r}; tables are {valid_choices(MASS_TABLES)}")
    body, rest = turns.body, turns.motion.rest_joints_m
    needed = [f"{side}_{name}" for side in SIDES for name in ("shoulder", "elbow", "wrist", "toe")]
    missing = [name for name in (*needed, "head") if name not in body.landmarks]
    if missing:
        raise InputError(
            f"the centre of mass needs the whole body; this model has no {', '.join(missing)}"
        )
    weights = np.zeros(len(body.tree))
    offsets: dict[int, np.ndarray] = {}

    def add(landmarks: tuple[str, ...], weight: float) -> None:
        for landmark in landmarks:
            weights[body.landmarks[landmark]] += weight / len(landmarks)

    def add_line(start: tuple[str, ...], end: tuple[str, ...], mass: float, place: float) -> None:
        add(start, mass * (1 - place))
        add(end, mass * place)

    def blend(pair: tuple[float, float]) -> float:
        return {"female": pair[0], "male": pair[1], "average": sum(pair) / 2}[table]

    # The masses of a column add up to one but for rounding.
    total = (
        blend(_TRUNK.mass) + blend(_HEAD_MASS) + 2 * sum(blend(m) for _, _, m, _ in _LIMBS.values())
    )
    add_line(_TRUNK.start, _TRUNK.end, blend(_TRUNK.mass) / total, blend(_TRUNK.place))
    ends = [
        np.mean([rest[body.landmarks[name]] for name in names], axis=0)
        for names in (_TRUNK.start, _TRUNK.end)
    ]
    head = body.landmarks["head"]
    add(("head",), blend(_HEAD_MASS) / total)
    rise = _HEAD_RISE * float(np.linalg.norm(ends[0] - ends[1]))
    offsets[head] = blend(_HEAD_MASS) / total * rise * body.up
    for side in SIDES:
        for name, (start, end, mass, place) in _LIMBS.items():
            share = blend(mass) / total
            if name == "hand" and not body.has(f"{side}_middle"):
                wrist = body.landmarks[f"{side}_wrist"]
                fore = rest[wrist] - rest[body.landmarks[f"{side}_elbow"]]
                add((f"{side}_wrist",), share)
                offsets[wrist] = share * blend(place) * blend(_PALM) * fore
                continue
            last = "middle" if name == "hand" else end
            add_line((f"{side}_{start}",), (f"{side}_{last}",), share, blend(place))
    return MassPoints(weights, offsets)


def center_of_mass(
    motion: BodyMotion,
    table: MassTable | None = None,
    *,
    names: Mapping[str, str] | None = None,
    cutoff_hz: float = CUTOFF_HZ,
) -> QuantityTable:
    """Whole-body centre of mass with velocity.

    Args:
        motion: at least five frames.
        table: whose masses; by default those of the motion's gender, or the average.
        names: names of joints by landmark, for models whose joints are not known by name.
        cutoff_hz: of the low-pass filter of the velocity; the position is not filtered.

    Returns:
        Columns "com_x", "com_y", "com_z" in metres, and "com_x_velocity" ... in m/s. Standard
        deviations take the errors of the joints' positions as independent of each other; errors
        that all joints share would make them larger, up to `largest_sigma_m`.

    Raises:
        InputError: the body is not whole, or there are fewer than five frames.
    """
    turns = SegmentTurns.of_motion(motion, names)
    points = mass_points(turns, table or _usual_table(motion.gender))
    place = np.einsum("j,fjk->fk", points.weights, motion.joint_positions_m)
    for joint, offset in points.offsets.items():
        place = place + turns.orientations[:, joint] @ offset
    used = np.flatnonzero(points.weights)
    variance = np.einsum(
        "j,fjkk->fk", points.weights[used] ** 2, motion.position_covariance_m2[:, used]
    )
    measured = motion.present & motion.measured[:, used].all(axis=1)
    position = QuantityTable(
        motion.person_id,
        ("com_x", "com_y", "com_z"),
        ("m",) * 3,
        motion.frame,
        motion.time_s,
        place,
        np.sqrt(variance),
        np.repeat(measured[:, None], 3, axis=1),
        np.zeros((len(motion), 3), dtype=bool),
    )
    return position.joined(rates_of(position, cutoff_hz))


def largest_sigma_m(
    motion: BodyMotion,
    table: MassTable | None = None,
    *,
    names: Mapping[str, str] | None = None,
) -> Float[np.ndarray, "frames 3"]:
    """Standard deviation of the centre of mass if all joints had the same error at a time.

    Whatever the correlations between the joints are, it cannot be larger.
    """
    turns = SegmentTurns.of_motion(motion, names)
    weights = mass_points(turns, table or _usual_table(motion.gender)).weights
    sigma = np.sqrt(np.diagonal(motion.position_covariance_m2, axis1=2, axis2=3))
    used = np.flatnonzero(weights)
    return np.einsum("j,fjk->fk", np.abs(weights[used]), sigma[:, used])


def _usual_table(gender: str) -> MassTable:
    if gender == "female":
        return "female"
    return "male" if gender == "male" else "average"
