"""Clothes, hair and faces by colour: the body's mesh cut along hems and hairline.

Each garment ends where a field over the resting body changes its sign; the mesh is cut there, so
that borders are straight lines and not the zigzag of the mesh. Cloth is the skin, smoothed and
moved outwards by the thickness of the garment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from mocap.arrays import Float, Int
from mocap.body.anny_data import BodyData
from mocap.errors import StudioError, valid_choices
from mocap.studio.garment_fields import garment_fields
from mocap.studio.mesh_cut import cut_mesh
from mocap.studio.toe_caps import toe_cap

Colour = tuple[float, float, float]

LABELS = (
    *("skin", "hair", "shirt", "trousers", "shoes", "sole", "lips", "brows"),
    *("eye_white", "iris", "pupil", "mouth"),
)
_THICKNESS_M = {"hair": 0.012, "shirt": 0.010, "trousers": 0.010, "shoes": 0.007, "sole": 0.007}
_CLOTH = ("shirt", "trousers", "shoes", "sole")
_SMOOTHING_ROUNDS = 12
_SOLE_M = 0.012
_SKINS: tuple[Colour, ...] = (
    (0.93, 0.76, 0.66),
    (0.88, 0.69, 0.57),
    (0.78, 0.58, 0.45),
    (0.58, 0.41, 0.31),
    (0.43, 0.29, 0.22),
)
_HAIR: tuple[Colour, ...] = (
    (0.10, 0.08, 0.07),
    (0.20, 0.13, 0.09),
    (0.33, 0.21, 0.12),
    (0.55, 0.41, 0.22),
    (0.35, 0.34, 0.33),
)
_IRIS: tuple[Colour, ...] = ((0.25, 0.15, 0.08), (0.25, 0.38, 0.48), (0.30, 0.36, 0.22))


@dataclass(frozen=True)
class Outfit:
    """A set of clothes.

    Attributes:
        shirt: its colour.
        trousers: theirs.
        shoes: theirs.
        sleeve: where sleeves end: 0 shoulder, 1 elbow, 2 wrist.
        leg: where trousers end: 0 hip, 1 knee, 2 ankle.
        sole: colour of the soles.
    """

    shirt: Colour
    trousers: Colour
    shoes: Colour
    sleeve: float = 0.62
    leg: float = 2.0
    sole: Colour = (0.85, 0.85, 0.83)


OUTFITS: dict[str, Outfit] = {
    "casual": Outfit((0.20, 0.42, 0.68), (0.20, 0.22, 0.30), (0.90, 0.90, 0.88)),
    "office": Outfit(
        (0.86, 0.88, 0.92), (0.24, 0.24, 0.26), (0.16, 0.11, 0.08), 1.93, 2.0, (0.1, 0.08, 0.07)
    ),
    "sport": Outfit((0.80, 0.20, 0.18), (0.10, 0.11, 0.14), (0.25, 0.60, 0.85), 0.45, 0.72),
    "outdoor": Outfit(
        (0.24, 0.45, 0.28), (0.62, 0.53, 0.38), (0.36, 0.24, 0.14), 1.93, 2.0, (0.15, 0.12, 0.1)
    ),
    "summer": Outfit((0.93, 0.76, 0.26), (0.45, 0.52, 0.60), (0.75, 0.72, 0.66), 0.55, 0.85),
    "dark": Outfit(
        (0.22, 0.18, 0.30), (0.12, 0.12, 0.13), (0.10, 0.10, 0.10), 1.2, 2.0, (0.1, 0.1, 0.1)
    ),
}
"""The named outfits."""


@dataclass(frozen=True)
class Clothes:
    """A clothed body at rest.

    Attributes:
        vertices_m: positions, in body axes.
        weights: how much each bone moves each vertex.
        triangles: vertex indices.
        colors: colour of each vertex, 0 to 1.
        labels: index into `label_names` of each vertex.
        label_names: what the labels mean.
    """

    vertices_m: Float[np.ndarray, "vertices 3"]
    weights: Float[np.ndarray, "vertices bones"]
    triangles: Int[np.ndarray, "triangles 3"]
    colors: Float[np.ndarray, "vertices 3"]
    labels: Int[np.ndarray, " vertices"]
    label_names: tuple[str, ...] = LABELS


def check_outfit(name: str) -> None:
    """Checks that there is an outfit of this name.

    Raises:
        StudioError: there is none; the message lists those there are.
    """
    if name not in OUTFITS:
        raise StudioError(f"unknown outfit {name!r}; outfits are {valid_choices(OUTFITS)}")


def palette(outfit: Outfit, seed: int, age: float) -> dict[str, Colour]:
    """Colour of every label; skin, hair and eyes are drawn by the seed, grey by the age."""
    rng = np.random.default_rng([seed, 71])
    skin = _SKINS[rng.integers(len(_SKINS))]
    hair = _HAIR[-1] if age > 60 else _HAIR[rng.integers(len(_HAIR) - 1)]
    red = (skin[0] * 0.86, skin[1] * 0.66, skin[2] * 0.64)
    brows = tuple(0.55 * h + 0.45 * 0.6 * s for h, s in zip(hair, skin, strict=True))
    return {
        "skin": skin,
        "hair": hair,
        "shirt": outfit.shirt,
        "trousers": outfit.trousers,
        "shoes": outfit.shoes,
        "sole": outfit.sole,
        "lips": red,
        "brows": (brows[0], brows[1], brows[2]),
        "eye_white": (0.93, 0.93, 0.92),
        "iris": _IRIS[rng.integers(len(_IRIS))],
        "pupil": (0.03, 0.03, 0.03),
        "mouth": (0.30, 0.12, 0.12),
    }


def dress(
    data: BodyData,
    vertices_m: Float[np.ndarray, "vertices 3"],
    heads_m: Float[np.ndarray, "bones 3"],
    weights: Float[np.ndarray, "vertices bones"],
    outfit: Outfit,
    colours: Mapping[str, Colour],
) -> Clothes:
    """Clothes a resting body.

    Args:
        data: the body model.
        vertices_m: the unclothed body.
        heads_m: its joints.
        weights: how much each bone moves each vertex.
        outfit: what it wears.
        colours: colour of each label; see `palette`.
    """
    fields = garment_fields(data, vertices_m, heads_m, weights, outfit.sleeve, outfit.leg)
    names = list(fields)
    bones = weights.shape[1]
    attributes = np.concatenate(
        [vertices_m, weights, np.stack([fields[name] for name in names], axis=1)], axis=1
    )
    triangles, source = data.triangles, np.arange(len(data.triangles))
    for k in range(len(names)):
        attributes, triangles, origin = cut_mesh(
            attributes, triangles, attributes[:, 3 + bones + k]
        )
        source = source[origin]
    centroid = attributes[triangles][:, :, 3 + bones :].mean(axis=1)
    inside = {name: centroid[:, k] > 0 for k, name in enumerate(names)}
    part = np.array(data.part_names)[data.triangle_part[source]]
    label = _triangle_labels(inside, part)
    moved = _thickened(attributes[:, :3], triangles, label)
    shoes = np.unique(triangles[np.isin(label, [LABELS.index("shoes"), LABELS.index("sole")])])
    for side, sign in (("L", 1.0), ("R", -1.0)):
        joints = heads_m[[data.bone_names.index(f"toe{k}-1.{side}") for k in range(1, 6)]]
        source, cap, faces = toe_cap(moved, shoes[sign * moved[shoes, 1] > 0], joints)
        low = cap[faces].mean(axis=1)[:, 2] < moved[:, 2].min() + _SOLE_M
        label = np.append(label, np.where(low, LABELS.index("sole"), LABELS.index("shoes")))
        triangles = np.concatenate([triangles, faces + len(moved)])
        moved = np.concatenate([moved, cap])
        attributes = np.concatenate([attributes, attributes[source]])
    # A vertex is doubled where colours meet.
    pairs = np.stack([triangles.ravel(), np.repeat(label, 3)], axis=1)
    unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
    own = unique[:, 0]
    table = np.array([colours[name] for name in LABELS])
    return Clothes(
        vertices_m=moved[own],
        weights=attributes[own, 3 : 3 + bones],
        triangles=inverse.reshape(-1, 3).astype(np.int32),
        colors=table[unique[:, 1]],
        labels=unique[:, 1],
    )


def _triangle_labels(inside: Mapping[str, np.ndarray], part: np.ndarray) -> np.ndarray:
    """Label of each triangle; later rules win."""
    label = np.zeros(len(part), np.int64)

    def put(name: str, where: np.ndarray) -> None:
        label[where] = LABELS.index(name)

    head = np.isin(part, ("head", "body"))
    put("brows", head & inside["brows"])
    put("lips", head & inside["lips"])
    put("hair", head & inside["hair"])
    put("shoes", inside["shoes"])
    put("sole", inside["sole"])
    put("trousers", inside["trousers"])
    put("shirt", inside["shirt"])
    put("mouth", np.isin(part, ("mouth_cavity", "tongue")))
    eye = np.char.startswith(part.astype(str), "eye_")
    put("eye_white", eye)
    put("iris", eye & inside["iris"])
    put("pupil", eye & inside["pupil"])
    return label


def _thickened(vertices: np.ndarray, triangles: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The vertices with cloth smoothed and moved outwards."""
    count = len(vertices)
    edges = triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    ones = np.ones(len(edges))
    near = sparse.coo_matrix((ones, (edges[:, 0], edges[:, 1])), (count, count)).tocsr()
    near = ((near + near.T) > 0).astype(np.float64)
    mean = sparse.diags(1 / np.maximum(np.asarray(near.sum(axis=1)).ravel(), 1)) @ near
    thickness = np.array([_THICKNESS_M.get(name, 0.0) for name in LABELS])[label]
    cloth = np.isin(label, [LABELS.index(name) for name in _CLOTH]).astype(float)
    uses = np.bincount(triangles.ravel(), minlength=count).clip(1)
    offset = np.bincount(triangles.ravel(), np.repeat(thickness, 3), count) / uses
    share = np.bincount(triangles.ravel(), np.repeat(cloth, 3), count) / uses
    share = np.where(share > 0.99, 1.0, 0.0)
    result = vertices.copy()
    # Smoothing moves vertices along their normals only, so that hems stay straight.
    normal = _normals(result, triangles, mean)
    for _ in range(_SMOOTHING_ROUNDS):
        step = np.einsum("va,va->v", mean @ result - result, normal)
        result += (0.5 * share * step)[:, None] * normal
    offset = mean @ (mean @ offset) * (offset > 0)
    return result + offset[:, None] * _normals(result, triangles, mean)


def _normals(vertices: np.ndarray, triangles: np.ndarray, mean: sparse.spmatrix) -> np.ndarray:
    """Unit normals of the vertices, smoothed over their neighbours."""
    corners = vertices[triangles]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(summed, triangles[:, k], normal)
    summed = mean @ summed
    return summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)
