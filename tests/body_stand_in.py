"""Files with the keys and shapes of SMPL, SMPL-H and SMPL-X, and with a humanoid of tubes in them.

The licensed files cannot be part of a repository. The stand-ins have joints at plausible places
(those of an adult of 1.7 m), a mesh with the right number of vertices whose nose, eyes, ears, toes,
heels and finger tips are at the vertices where the models have them, smooth skinning weights, small
pose blend shapes, and ten shape numbers that mean size, girth, legs, arms, trunk, shoulders, hips,
head, feet and hands.

    folder = write_stand_in(tmp_path, "smplx", "neutral")   # -> tmp_path/smplx/SMPLX_NEUTRAL.npz
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from mocap.body.smpl_kinds import SMPL_KINDS, SmplKind
from mocap.body.smpl_parameters import SmplParameters

_CENTRE = {
    "pelvis": (0.0, -0.22, 0.03),
    "spine1": (0.0, -0.11, 0.0),
    "spine2": (0.0, 0.02, 0.0),
    "spine3": (0.0, 0.075, 0.025),
    "neck": (0.0, 0.285, -0.015),
    "head": (0.0, 0.35, 0.035),
    "jaw": (0.0, 0.355, 0.045),
}
_LEFT = {
    "hip": (0.068, -0.315, 0.022),
    "knee": (0.105, -0.69, 0.016),
    "ankle": (0.09, -1.09, -0.027),
    "foot": (0.115, -1.143, 0.094),
    "collar": (0.08, 0.195, -0.008),
    "shoulder": (0.175, 0.226, -0.018),
    "elbow": (0.43, 0.213, -0.042),
    "wrist": (0.682, 0.221, -0.045),
    "hand": (0.767, 0.214, -0.05),
    "eye_smplhf": (0.032, 0.42, 0.105),
    "thumb1": (0.707, 0.206, -0.013),
    "thumb2": (0.731, 0.198, 0.017),
    "thumb3": (0.751, 0.192, 0.04),
    "index1": (0.772, 0.216, -0.015),
    "index2": (0.805, 0.216, -0.012),
    "index3": (0.828, 0.216, -0.011),
    "middle1": (0.777, 0.221, -0.037),
    "middle2": (0.813, 0.221, -0.037),
    "middle3": (0.839, 0.221, -0.037),
    "ring1": (0.77, 0.218, -0.057),
    "ring2": (0.803, 0.218, -0.06),
    "ring3": (0.828, 0.218, -0.062),
    "pinky1": (0.76, 0.211, -0.077),
    "pinky2": (0.782, 0.211, -0.083),
    "pinky3": (0.798, 0.211, -0.087),
}
_ENDS = {
    "thumb3": (0.77, 0.187, 0.06),
    "index3": (0.853, 0.216, -0.01),
    "middle3": (0.866, 0.221, -0.037),
    "ring3": (0.854, 0.218, -0.064),
    "pinky3": (0.82, 0.211, -0.092),
}
_TARGETS = {
    "nose": (0.0, 0.375, 0.145),
    "left_eye": (0.035, 0.42, 0.115),
    "left_ear": (0.075, 0.4, 0.02),
    "left_big_toe": (0.105, -1.155, 0.175),
    "left_small_toe": (0.15, -1.155, 0.13),
    "left_heel": (0.085, -1.15, -0.085),
    "left_hand_thumb_tip": _ENDS["thumb3"],
    "left_hand_index_tip": _ENDS["index3"],
    "left_hand_middle_tip": _ENDS["middle3"],
    "left_hand_ring_tip": _ENDS["ring3"],
    "left_hand_pinky_tip": _ENDS["pinky3"],
}
# Bone, child or free end, half widths at its start and at its end (across x or y, and z).
_TRUNK = (
    ("pelvis", (0.0, -0.3, 0.03), (0.15, 0.11), (0.13, 0.1)),
    ("pelvis", "spine1", (0.15, 0.11), (0.14, 0.1)),
    ("spine1", "spine2", (0.14, 0.1), (0.14, 0.105)),
    ("spine2", "spine3", (0.14, 0.105), (0.15, 0.11)),
    ("spine3", "neck", (0.15, 0.11), (0.06, 0.06)),
    ("neck", "head", (0.055, 0.06), (0.055, 0.065)),
    ("head", (0.0, 0.55, 0.03), (0.07, 0.1), (0.075, 0.1)),
    ("jaw", (0.0, 0.315, 0.115), (0.045, 0.02), (0.03, 0.015)),
)
_LIMBS = (
    ("collar", "shoulder", (0.05, 0.05), (0.06, 0.06)),
    ("shoulder", "elbow", (0.055, 0.05), (0.04, 0.04)),
    ("elbow", "wrist", (0.042, 0.04), (0.026, 0.03)),
    ("wrist", "hand", (0.02, 0.03), (0.015, 0.045)),
    ("hip", "knee", (0.085, 0.085), (0.055, 0.055)),
    ("knee", "ankle", (0.055, 0.058), (0.037, 0.042)),
    ("ankle", "foot", (0.037, 0.04), (0.045, 0.025)),
    ("ankle", (0.085, -1.14, -0.085), (0.035, 0.035), (0.03, 0.028)),
    ("foot", (0.12, -1.157, 0.175), (0.048, 0.022), (0.045, 0.012)),
    ("eye_smplhf", (0.032, 0.42, 0.118), (0.011, 0.011), (0.01, 0.01)),
)
_POINTS_PER_RING = 16
_POSE_BLEND_M = 0.004


def joint_places(kind: SmplKind) -> np.ndarray:
    """Rest joints of the stand-in's average body, in metres."""
    return np.array([_place(name) for name in kind.tree.names])


def _place(name: str) -> tuple[float, float, float]:
    side, _, rest = name.partition("_")
    if side in ("left", "right"):
        x, y, z = _LEFT[rest]
        return (x if side == "left" else -x, y, z)
    return _CENTRE[name]


def _tubes() -> list[
    tuple[str, np.ndarray, np.ndarray, tuple[float, ...], tuple[float, ...], bool]
]:
    """Joint, start, end, half widths at both, and whether the end is free."""
    result = []
    for joint, end, wide, narrow in _TRUNK:
        stop = _CENTRE[end] if isinstance(end, str) else end
        result.append((joint, _CENTRE[joint], stop, wide, narrow, not isinstance(end, str)))
    limbs = list(_LIMBS)
    for finger, width in (("thumb", 0.01), ("index", 0.009), ("middle", 0.009), ("ring", 0.0085)):
        limbs += _finger(finger, width)
    limbs += _finger("pinky", 0.0075)
    for side, sign in (("left", 1), ("right", -1)):
        for joint, end, wide, narrow in limbs:
            stop = _LEFT[end] if isinstance(end, str) else end
            mirror = np.array([sign, 1, 1])
            start, stop = np.array(_LEFT[joint]) * mirror, np.array(stop) * mirror
            result.append((f"{side}_{joint}", start, stop, wide, narrow, not isinstance(end, str)))
    return [(j, np.array(a), np.array(b), w, n, free) for j, a, b, w, n, free in result]


def _finger(name: str, width: float) -> list[tuple]:
    wide = (width, width)
    return [
        (f"{name}1", f"{name}2", wide, wide),
        (f"{name}2", f"{name}3", wide, wide),
        (f"{name}3", _ENDS[f"{name}3"], wide, wide),
    ]


def stand_in(
    kind_name: str, num_betas: int | None = None, girth: float = 1.0
) -> dict[str, np.ndarray]:
    """The arrays of a model file.

    Args:
        kind_name: "smpl", "smplh" or "smplx".
        num_betas: shape components; for SMPL-X ten more of the expression are added, or a hundred
            when they are 300. As many as the released files have when None (10, 16, 10).
        girth: how stout the average body is, to tell genders apart.
    """
    kind = SMPL_KINDS[kind_name]
    num_betas = num_betas or (16 if kind_name == "smplh" else 10)
    points, faces, weights, radial, regressor = _mesh(kind, girth)
    points, faces, weights, radial, regressor = _numbered(
        kind, points, faces, weights, radial, regressor
    )
    arrays = {
        "v_template": points,
        "f": faces.astype(np.uint32),
        "shapedirs": _shape_directions(kind, points, radial, num_betas),
        "posedirs": _pose_directions(kind, weights),
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.stack(
            [np.array(kind.tree.parents, np.int64) % 2**32, np.arange(len(kind.tree))]
        ).astype(np.uint32),
    }
    if kind_name != "smpl":
        for side in ("l", "r"):
            arrays[f"hands_components{side}"] = np.eye(45)
            curl = np.zeros((15, 3))
            curl[:12, 2] = -0.2 if side == "l" else 0.2
            arrays[f"hands_mean{side}"] = curl.ravel()
    if kind_name == "smplx":
        arrays |= _landmarks(points, faces)
    return arrays


def write_stand_in(
    folder: Path, kind_name: str, gender: str = "neutral", suffix: str = ".npz", **options
) -> Path:
    """Writes a stand-in where the model of this kind and gender is looked for.

    Args:
        folder: the folder of the body models; the file goes to its subfolder "smpl", "smplh" or
            "smplx".
        kind_name: which model.
        gender: "neutral", "male" or "female".
        suffix: ".npz" or ".pkl".
        options: of `stand_in`.

    Returns:
        The path of the file.
    """
    arrays = stand_in(kind_name, **options)
    path = folder / kind_name / f"{kind_name.upper()}_{gender.upper()}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if suffix == ".npz":
        np.savez_compressed(path, **arrays)
    else:
        path.write_bytes(pickle.dumps(arrays, protocol=2))
    return path


def _mesh(kind: SmplKind, girth: float) -> tuple[np.ndarray, ...]:
    tubes = _tubes()
    names = kind.tree.names
    budget = kind.vertices // _POINTS_PER_RING
    rings = np.full(len(tubes), 5)
    large = [i for i, t in enumerate(tubes) if max(t[3]) > 0.03]
    spare = budget - rings.sum()
    area = np.array([np.linalg.norm(tubes[i][2] - tubes[i][1]) * sum(tubes[i][3]) for i in large])
    rings[large] += np.floor(spare * area / area.sum()).astype(int)
    rings[0] += budget - rings.sum()
    points, faces, weights, radial = [], [], [], []
    regressor = np.zeros((len(names), kind.vertices))
    for (joint, start, end, wide, narrow, free), count in zip(tubes, rings, strict=True):
        own = _moving_joint(kind, joint)
        outward, along = _tube(start, end, np.array(wide), np.array(narrow), free, count)
        ring = start + (end - start) * along[:, None, None] + girth * outward
        first = sum(len(p) for p in points)
        if joint == names[own] and not regressor[own].any():
            # The first ring lies around the joint.
            regressor[own, first : first + _POINTS_PER_RING] = 1 / _POINTS_PER_RING
        points.append(ring.reshape(-1, 3))
        radial.append(outward.reshape(-1, 3))
        weights.append(_tube_weights(kind, own, end if free else None, along))
        faces.append(first + _tube_faces(count))
    for name, parent in (("left_hand", "left_wrist"), ("right_hand", "right_wrist")):
        if name in names:
            # The wrist's tube ends at the hand.
            index = next(i for i, t in enumerate(tubes) if t[0] == parent)
            last = sum(len(p) for p in points[: index + 1])
            row = names.index(name)
            regressor[row, last - _POINTS_PER_RING : last] = 1 / _POINTS_PER_RING
    missing = kind.vertices - sum(len(p) for p in points)
    for arrays in (points, weights, radial):
        # Left over: copies of vertices that no triangle uses.
        arrays.append(arrays[0][:missing])
    return (
        np.concatenate(points),
        np.concatenate(faces),
        np.concatenate(weights),
        np.concatenate(radial),
        regressor,
    )


def _moving_joint(kind: SmplKind, name: str) -> int:
    """The joint of the model which moves what belongs to a joint of the humanoid."""
    names = kind.tree.names
    if name in names:
        return names.index(name)
    side = name.partition("_")[0]
    return names.index("head" if "eye" in name or name == "jaw" else f"{side}_hand")


def _tube(start, end, wide, narrow, free: bool, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Offsets of the points of a tube's rings from its axis, and the rings' places from 0 to 1."""
    direction = (end - start) / np.linalg.norm(end - start)
    across = np.eye(3)[1 if abs(direction[0]) > 0.7 else 0]
    u = across - direction * (across @ direction)
    u /= np.linalg.norm(u)
    v = np.cross(direction, u)
    along = np.linspace(0.0, 1.0, count)
    size = wide + (narrow - wide) * along[:, None]
    if free:
        size *= np.sqrt(1.0 - np.clip((along - 0.5) / 0.5, 0.0, 0.998) ** 2)[:, None]
    angle = 2 * np.pi * np.arange(_POINTS_PER_RING) / _POINTS_PER_RING
    circle = np.cos(angle)[:, None] * u, np.sin(angle)[:, None] * v
    outward = size[:, :1, None] * circle[0] + size[:, 1:, None] * circle[1]
    return outward, along


def _tube_weights(kind: SmplKind, own: int, free_end, along: np.ndarray) -> np.ndarray:
    weights = np.zeros((len(along), len(kind.tree)))
    parent = max(kind.tree.parents[own], 0)
    blend = 0.1 if kind.tree.names[own] == "head" else 0.3
    from_parent = 0.5 * np.clip(1.0 - along / blend, 0.0, 1.0) ** 2
    weights[:, own] += 1.0 - from_parent
    weights[:, parent] += from_parent
    children = [j for j, p in enumerate(kind.tree.parents) if p == own]
    if free_end is None and len(children) == 1:
        to_child = 0.5 * np.clip((along - 0.7) / 0.3, 0.0, 1.0) ** 2
        weights *= 1.0 - to_child[:, None]
        weights[:, children[0]] += to_child
    return np.repeat(weights, _POINTS_PER_RING, axis=0)


def _tube_faces(count: int) -> np.ndarray:
    n = _POINTS_PER_RING
    ring, point = np.meshgrid(np.arange(count - 1), np.arange(n), indexing="ij")
    a, b = ring * n + point, ring * n + (point + 1) % n
    low = np.stack([a, b, b + n], axis=-1).reshape(-1, 3)
    high = np.stack([a, b + n, a + n], axis=-1).reshape(-1, 3)
    return np.concatenate([low, high])


def _numbered(kind: SmplKind, points, faces, weights, radial, regressor):
    """Renumbers the vertices so that those of keypoints have the numbers of the model."""
    order = np.arange(kind.vertices)
    used = np.unique(faces)
    taken: set[int] = set()
    for name, vertex in kind.keypoint_vertices.items():
        target = np.array(_TARGETS[name.replace("right", "left")])
        if name.startswith("right"):
            target = target * (-1, 1, 1)
        free = np.array([u for u in used if u not in taken])
        nearest = int(free[np.argmin(np.linalg.norm(points[free] - target, axis=1))])
        taken.add(nearest)
        place = int(np.flatnonzero(order == nearest)[0])
        order[[vertex, place]] = order[[place, vertex]]
    new_number = np.argsort(order)
    return points[order], new_number[faces], weights[order], radial[order], regressor[:, order]


def _shape_directions(kind: SmplKind, points, radial, num_betas: int) -> np.ndarray:
    x, y, z = points.T
    side = np.sign(x)
    zero = np.zeros_like(x)
    below = np.clip(-0.3 - y, 0.0, None)
    arm = np.clip(np.abs(x) - 0.17, 0.0, None)
    hand = np.clip(np.abs(x) - 0.68, 0.0, None)
    chest = np.clip((y + 0.22) / 0.45, 0.0, 1.0)
    foot = np.where(y < -1.05, np.clip(z + 0.03, 0.0, None), 0.0)
    head = np.clip(y - 0.3, 0.0, None)
    directions = [
        0.03 * points,
        0.12 * radial,
        np.stack([zero, -0.04 * below, zero], axis=1),
        np.stack([0.04 * side * arm, zero, zero], axis=1),
        np.stack([zero, 0.03 * chest, zero], axis=1),
        np.stack([0.015 * np.tanh(x / 0.1) * chest, zero, zero], axis=1),
        np.stack([0.012 * np.tanh(x / 0.05) * (1 - chest), zero, zero], axis=1),
        0.06 * head[:, None] * np.stack([x / 0.1, np.ones_like(x), (z - 0.03) / 0.1], axis=1),
        np.stack([zero, zero, 0.05 * foot], axis=1),
        np.stack([0.05 * side * hand, zero, zero], axis=1),
    ]
    while len(directions) < num_betas:
        k = len(directions)
        directions.append(0.001 * np.sin(k * points * (3, 2, 1)) * (side[:, None] ** (1, 0, 0)))
    if kind.name == "smplx":
        mouth = np.exp(-np.sum(((points - (0, 0.34, 0.12)) / 0.03) ** 2, axis=1))
        expression = [0.003 * (k + 1) * mouth[:, None] * np.eye(3)[k % 3] for k in range(10)]
        directions += expression
        directions += [np.zeros_like(points)] * (90 if num_betas == 300 else 0)
    return np.stack(directions, axis=-1).astype(np.float32)


def _pose_directions(kind: SmplKind, weights) -> np.ndarray:
    """Each joint's rotation moves the vertices which it shares with its parent."""
    rng = np.random.default_rng(5)
    result = np.zeros((kind.vertices, 3, 9 * (len(kind.tree) - 1)), np.float32)
    for joint in range(1, len(kind.tree)):
        shared = 4.0 * weights[:, joint] * weights[:, kind.tree.parents[joint]]
        direction = rng.uniform(-_POSE_BLEND_M, _POSE_BLEND_M, (3, 9))
        result[:, :, 9 * (joint - 1) : 9 * joint] = shared[:, None, None] * direction
    return result


def _landmarks(points, faces) -> dict[str, np.ndarray]:
    """Points of the face: brows, nose, eyes and lips, and the jaw line for 79 head angles."""

    def arc(count: int, x0: float, x1: float, y: float, bend: float) -> list[tuple]:
        t = np.linspace(0.0, 1.0, count)
        return [(x0 + (x1 - x0) * s, y + bend * np.sin(np.pi * s), 0.2) for s in t]

    def ring(count: int, cx: float, cy: float, rx: float, ry: float) -> list[tuple]:
        a = np.pi - 2 * np.pi * np.arange(count) / count
        return [(cx + rx * np.cos(t), cy + ry * np.sin(t), 0.2) for t in a]

    inner = [
        *arc(5, -0.055, -0.015, 0.44, 0.006),
        *arc(5, 0.015, 0.055, 0.44, 0.006),
        *[(0.0, 0.425 - 0.013 * k, 0.2) for k in range(4)],
        *arc(5, -0.012, 0.012, 0.372, -0.003),
        *ring(6, -0.032, 0.42, 0.013, 0.005),
        *ring(6, 0.032, 0.42, 0.013, 0.005),
        *ring(12, 0.0, 0.345, 0.025, 0.01),
        *ring(8, 0.0, 0.345, 0.018, 0.005),
    ]
    contour = [(-0.07 * np.cos(t), 0.4 - 0.09 * np.sin(t), 0.1) for t in np.linspace(0, np.pi, 17)]

    def nearest(targets: list[tuple]) -> tuple[np.ndarray, np.ndarray]:
        middle = points[faces].mean(axis=1)
        front = np.flatnonzero((middle[:, 1] > 0.3) & (middle[:, 2] > 0.0))
        near = np.linalg.norm(
            (middle[front][None] - np.array(targets)[:, None]) * (1, 1, 0.1), axis=2
        )
        return front[near.argmin(axis=1)], np.tile([0.5, 0.3, 0.2], (len(targets), 1))

    index, bary = nearest(inner)
    edge, edge_bary = nearest(contour)
    return {
        "lmk_faces_idx": index.astype(np.int64),
        "lmk_bary_coords": bary,
        "dynamic_lmk_faces_idx": np.tile(edge, (79, 1)).astype(np.int64),
        "dynamic_lmk_bary_coords": np.tile(edge_bary, (79, 1, 1)),
    }


def smplx_forward(path: Path, parameters: SmplParameters) -> tuple[np.ndarray, np.ndarray]:
    """Joints and vertices of `SmplParameters` by the `smplx` library, in metres.

    Args:
        path: a file of `write_stand_in`, with the suffix .npz.
        parameters: their hands are absolute (all 45 numbers, the mean hand is not added).
    """
    import smplx
    import torch

    kind, frames = parameters.model, len(parameters)
    options = {"num_betas": len(parameters.betas), "dtype": torch.float64, "batch_size": frames}
    if kind != "smpl":
        options |= {"use_pca": False, "flat_hand_mean": True}
    if kind == "smplx":
        model = smplx.SMPLX(str(path), ext="npz", **options)
    else:
        with np.load(path) as file:
            struct = smplx.utils.Struct(**file)
        model = {"smpl": smplx.SMPL, "smplh": smplx.SMPLH}[kind]("", data_struct=struct, **options)
    values = {name: torch.from_numpy(part.copy()) for name, part in parameters.parts.items()}
    betas = np.broadcast_to(parameters.betas, (frames, len(parameters.betas)))
    with torch.no_grad():
        output = model(
            betas=torch.from_numpy(betas.copy()),
            transl=torch.from_numpy(parameters.transl.copy()),
            **values,
        )
    return output.joints.numpy(), output.vertices.numpy()
