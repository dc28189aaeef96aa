"""Where garments, hair and the parts of the face are on a resting body.

Each is a field over the vertices which is positive inside. Lengths in them are metres on a body
of 1.75 m, and grow with the body.
"""

from __future__ import annotations

import numpy as np

from mocap.arrays import Float
from mocap.body.anny_data import BODY_KEYPOINTS, BodyData
from mocap.body.anny_face import FACE_VERTICES

_USUAL_HEIGHT_M = 1.75
_INSIDE = 1.0


def garment_fields(
    data: BodyData,
    vertices_m: Float[np.ndarray, "vertices 3"],
    heads_m: Float[np.ndarray, "bones 3"],
    weights: Float[np.ndarray, "vertices bones"],
    sleeve: float,
    leg: float,
) -> dict[str, Float[np.ndarray, " vertices"]]:
    """Fields, positive inside, of shirt, trousers, shoes, sole, hair, brows, lips, iris, pupil.

    Args:
        data: the body model.
        vertices_m: the resting body, in body axes.
        heads_m: its joints.
        weights: how much each bone moves each vertex.
        sleeve: where sleeves end: 0 shoulder, 1 elbow, 2 wrist.
        leg: where trousers end: 0 hip, 1 knee, 2 ankle.
    """
    size = float(np.ptp(vertices_m[:, 2])) / _USUAL_HEIGHT_M
    joint = {name: heads_m[i] for i, name in enumerate(data.bone_names)}
    x, _, z = vertices_m.T

    def share(*starts: str) -> np.ndarray:
        """How much bones with these names move each vertex."""
        chosen = [i for i, name in enumerate(data.bone_names) if name.startswith(starts)]
        return weights[:, chosen].sum(axis=1)

    arm = share("upperarm", "lowerarm", "wrist", "finger", "metacarpal")
    head = share("head", "neck", "eye")
    along_arm = _along_limb(
        vertices_m,
        joint,
        ("upperarm01", "lowerarm01", "wrist"),
        share("lowerarm", "wrist", "finger", "metacarpal") - share("upperarm"),
    )
    along_arm = np.where(arm > 0.3, along_arm, -1.0)
    along_leg = _along_limb(
        vertices_m,
        joint,
        ("upperleg01", "lowerleg01", "foot"),
        share("lowerleg", "foot", "toe") - share("upperleg"),
    )
    ankle = joint["foot.L"][2]
    waist = joint["upperleg01.L"][2] + 0.055 * size
    throat = joint["neck01"]
    # The collar is lower in front than behind.
    collar = (throat[2] + 0.012 * size - z) - 0.45 * (x - throat[0])
    collar = np.where((head > 0.02) | (arm < 0.05), collar, _INSIDE)
    shirt = np.minimum(
        np.minimum(np.where(arm > 0.5, _INSIDE, z - waist), collar), sleeve - along_arm
    )
    cuff = z - (ankle - 0.020 * size) if leg >= 2.0 else leg - along_leg
    # Where two garments meet, the upper one covers the border of the lower one: cutting the mesh
    # twice along one line would leave slivers.
    below = np.where(arm > 0.5, -_INSIDE, waist + 0.03 * size - z)
    shoe_top = ankle + 0.025 * size
    ground = float(z.min())
    return {
        "shirt": shirt,
        "trousers": np.minimum(below, cuff),
        "shoes": shoe_top - z,
        "sole": ground + 0.016 * size - z,
        **_face_fields(data, vertices_m, joint, head, size),
    }


def _along_limb(
    vertices: np.ndarray,
    joint: dict[str, np.ndarray],
    names: tuple[str, str, str],
    lower: np.ndarray,
) -> np.ndarray:
    """How far along a limb of two bones each vertex is, from 0 over 1 at the middle joint to 2."""
    result = np.zeros(len(vertices))
    for side, own in (("L", vertices[:, 1] >= 0), ("R", vertices[:, 1] < 0)):
        a, b, c = (joint[f"{name}.{side}"] for name in names)
        upper_share = (vertices - a) @ (b - a) / np.sum((b - a) ** 2)
        lower_share = 1 + (vertices - b) @ (c - b) / np.sum((c - b) ** 2)
        result = np.where(own, np.where(lower > 0, lower_share, upper_share), result)
    return result


def _face_fields(
    data: BodyData,
    vertices: np.ndarray,
    joint: dict[str, np.ndarray],
    head: np.ndarray,
    size: float,
) -> dict[str, np.ndarray]:
    x, y, z = vertices.T
    ears = [BODY_KEYPOINTS.index(f"{side}_ear") for side in ("left", "right")]
    ear = (data.regressor[ears].astype(np.float64) @ vertices).mean(axis=0)
    eye = (joint["eye.L"] + joint["eye.R"]) / 2
    crown = float(z[head > 0.5].max())
    # The hairline falls from the forehead over the temples and behind the ears to the nape.
    forehead = eye[2] + 0.52 * (crown - eye[2])
    front = eye[0] + 0.005 * size
    rim = size * np.array(
        [(-0.07, -0.055), (-0.025, -0.035), (-0.005, 0.03), (0.012, 0.035), (0.03, 0.045)]
    )
    line = np.interp(
        x,
        [*(ear[0] + rim[:, 0]), front - 0.02 * size, front],
        [*(ear[2] + rim[:, 1]), forehead - 0.012 * size, forehead],
    )
    hair = np.where(head > 0.5, z - line, -_INSIDE)
    at_ear = np.hypot(x - ear[0] + 0.005 * size, z - ear[2]) < 0.048 * size
    hair = np.where(at_ear, np.minimum(hair, 0.076 * size - np.abs(y)), hair)
    fields = {"hair": hair}
    face = vertices[list(FACE_VERTICES)]
    facing = (head > 0.5) & (x > ear[0] + 0.03 * size)
    brows = np.full(len(vertices), -_INSIDE)
    for points in (face[17:22], face[22:27]):
        order = np.argsort(points[:, 1])
        height = np.interp(y, points[order, 1], points[order, 2])
        within = np.minimum(y - points[:, 1].min(), points[:, 1].max() - y)
        inside = np.minimum(0.0040 * size - np.abs(z - height), within + 0.002 * size)
        brows = np.maximum(brows, inside)
    fields["brows"] = np.where(facing, brows, -_INSIDE)
    fields["lips"] = np.where(facing, _inside_polygon(y, z, face[48:60, 1:]), -_INSIDE)
    for name, radius in (("iris", 0.0058), ("pupil", 0.0024)):
        field = np.full(len(vertices), -_INSIDE)
        for side in ("L", "R"):
            centre = joint[f"eye.{side}"]
            own = np.hypot(y - centre[1], z - centre[2])
            field = np.where((x > centre[0]) & (own < 0.02), radius * size - own, field)
        fields[name] = field
    return fields


def _inside_polygon(y: np.ndarray, z: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Signed distance to the border of a polygon which is star-shaped seen from its centre."""
    centre = polygon.mean(axis=0)
    relative = polygon - centre
    angles = np.arctan2(relative[:, 1], relative[:, 0])
    order = np.argsort(angles)
    radius = np.linalg.norm(relative, axis=1)[order]
    own = np.arctan2(z - centre[1], y - centre[0])
    border = np.interp(own, angles[order], radius, period=2 * np.pi)
    return border - np.hypot(y - centre[0], z - centre[1])
