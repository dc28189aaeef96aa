"""The free body model `anny` as plain arrays: built once, kept in a cache, shaped for a person.

The model is made by the library (Apache-2.0, its data CC0), which takes about a minute and much
memory. Only arrays are kept of it, so that later bodies need neither the library nor torch. The
model's phenotype blending is repeated here in NumPy (`blend_weights`); tests compare it with the
library.

Body axes, in the rest pose: x forward, y left, z up, metres. The studio uses them; the fitted body
(`mocap.body.anny_body`) has the axes of the library and of the kinematic skeleton.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mocap.arrays import Float, Int
from mocap.errors import DependencyError, InputError
from mocap.files import write_atomically
from mocap.model.skeletons import COCO_WHOLEBODY_133

_log = logging.getLogger(__name__)

ANNY_VERSION = "0.6.2"
DATA_FILE = f"anny-{ANNY_VERSION}-bodies-2.npz"
CACHE_VARIABLE = "MOCAP_CACHE_DIR"
BODY_KEYPOINTS = COCO_WHOLEBODY_133.keypoints[:23]
"""The keypoints which the library's regressor gives: COCO's 17 and six of the feet."""

_PHENOTYPES: dict[str, tuple[str, ...]] = {
    "race": ("african", "asian", "caucasian"),
    "gender": ("male", "female"),
    "age": ("newborn", "baby", "child", "young", "old"),
    "muscle": ("minmuscle", "averagemuscle", "maxmuscle"),
    "weight": ("minweight", "averageweight", "maxweight"),
    "height": ("minheight", "maxheight"),
    "proportions": ("idealproportions", "uncommonproportions"),
    "cupsize": ("mincup", "averagecup", "maxcup"),
    "firmness": ("minfirmness", "averagefirmness", "maxfirmness"),
}
"""The model's phenotype axes and their anchors, in the order of its blend shape mask."""


@dataclass(frozen=True, eq=False)
class BodyData:
    """The arrays of the body model; lengths in metres, axes of the body.

    Attributes:
        vertices_m: template positions of the V vertices.
        blend_vertices_m: their offsets, one per blend shape.
        heads_m: template positions of the heads of the J bones.
        blend_heads_m: their offsets.
        mask: which phenotype anchors each original blend shape is a product of.
        projection: original blend shapes to those kept.
        bone_names: names, parents first.
        parents: index of each bone's parent; -1 for the root.
        weight_bones: the bones that move each vertex.
        weight_values: how much; rows sum to 1.
        triangles: vertex indices.
        triangle_part: index into `part_names` of the body part of each triangle.
        part_names: "body", "head", "hand.L", "eye_front.L", "mouth_cavity", ...
        corner_uv: texture coordinates of each triangle's corners, v upwards.
        regressor: `BODY_KEYPOINTS` as weighted means of vertices.
    """

    vertices_m: Float[np.ndarray, "vertices 3"]
    blend_vertices_m: Float[np.ndarray, "shapes vertices 3"]
    heads_m: Float[np.ndarray, "bones 3"]
    blend_heads_m: Float[np.ndarray, "shapes bones 3"]
    mask: Float[np.ndarray, "originals anchors"]
    projection: Float[np.ndarray, "originals shapes"]
    bone_names: tuple[str, ...]
    parents: Int[np.ndarray, " bones"]
    weight_bones: Int[np.ndarray, "vertices influences"]
    weight_values: Float[np.ndarray, "vertices influences"]
    triangles: Int[np.ndarray, "triangles 3"]
    triangle_part: Int[np.ndarray, " triangles"]
    part_names: tuple[str, ...]
    corner_uv: Float[np.ndarray, "triangles 3 2"]
    regressor: Float[np.ndarray, "keypoints vertices"]

    @property
    def triangle_uv(self) -> Float[np.ndarray, "triangles 2"]:
        """Mean texture coordinates of each triangle."""
        return self.corner_uv.mean(axis=1)

    def rest(
        self, shape: Mapping[str, float], *, extrapolate: bool = False
    ) -> tuple[Float[np.ndarray, "vertices 3"], Float[np.ndarray, "bones 3"]]:
        """Vertices and bone heads of the rest pose of a body of this shape."""
        weights = blend_weights(shape, self.mask, extrapolate=extrapolate) @ self.projection
        weights = weights.astype(np.float32)
        vertices = self.vertices_m + np.tensordot(weights, self.blend_vertices_m, axes=1)
        heads = self.heads_m + np.tensordot(weights, self.blend_heads_m, axes=1)
        return vertices.astype(np.float64), heads.astype(np.float64)


def blend_weights(
    shape: Mapping[str, float],
    mask: Float[np.ndarray, "originals anchors"],
    *,
    extrapolate: bool = False,
) -> Float[np.ndarray, " originals"]:
    """Weights of the model's blend shapes for phenotype values.

    Each blend shape belongs to a combination of anchors (male, old, muscular, ...); its weight is
    the product of the linear interpolation weights of its anchors.

    Args:
        shape: values from 0 to 1 by phenotype name; 0.5 where one is missing.
        mask: which anchors each blend shape is a product of.
        extrapolate: whether values outside 0 to 1 go on as between the two nearest anchors, which
            has no edge at which a fit could get stuck; otherwise they count as 0 or 1.
    """
    columns: list[np.ndarray] = [np.full(3, 1 / 3)]
    for name, anchors in list(_PHENOTYPES.items())[1:]:
        low = -1 / 3 if name == "age" else 0.0
        value = float(shape.get(name, 0.5))
        if not extrapolate:
            value = float(np.clip(value, low, 1.0))
        place = (value - low) / (1.0 - low) * (len(anchors) - 1)
        first = int(np.clip(np.floor(place), 0, len(anchors) - 2))
        column = np.zeros(len(anchors))
        column[first : first + 2] = 1.0 - (place - first), place - first
        columns.append(column)
    return np.prod(np.where(mask > 0, np.concatenate(columns)[None], 1.0), axis=1)


def default_cache_folder() -> Path:
    """Where the model is kept: `MOCAP_CACHE_DIR`, or else the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path.home() / ".cache" / "mocap" / "bodies"


def load_body_data(
    cache_folder: Path | None = None, progress: Callable[[str], None] | None = None
) -> BodyData:
    """The body model, from the cache or, the first time, from the library (about a minute).

    Args:
        cache_folder: where it is kept; `default_cache_folder()` when None.
        progress: called with a sentence when something slow begins.

    Raises:
        DependencyError: it must be built, and the library is missing or has another version.
        InputError: the cached file is damaged.
    """
    path = (cache_folder or default_cache_folder()) / DATA_FILE
    if not path.exists():
        if progress is not None:
            progress("building the body model (once; about a minute)")
        data = build_body_data()
        stream = io.BytesIO()
        # Names are kept as fixed-length text: nothing in the file needs unpickling.
        arrays: dict[str, Any] = {f.name: np.asarray(getattr(data, f.name)) for f in fields(data)}
        np.savez(stream, **arrays)
        write_atomically(path, stream.getvalue())
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _read(path: Path, _changed_ns: int) -> BodyData:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {f.name: file[f.name] for f in fields(BodyData)}
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(
            f"the cached body model {path} cannot be read ({error}); delete it, and it is made anew"
        ) from error
    for name in ("bone_names", "part_names"):
        arrays[name] = tuple(str(value) for value in arrays[name])
    for value in arrays.values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return BodyData(**arrays)


def build_body_data() -> BodyData:
    """Builds the body model with the library.

    Raises:
        DependencyError: the library is missing or has another version.
    """
    try:
        import anny
        import torch
    except ImportError as error:
        raise DependencyError(
            f"cannot load anny, which makes the free body model: {error}; "
            f"install it with 'pip install anny=={ANNY_VERSION}'"
        ) from error
    if anny.__version__ != ANNY_VERSION:
        raise DependencyError(
            f"anny is {anny.__version__}, expected {ANNY_VERSION}; "
            f"install it with 'pip install anny=={ANNY_VERSION}'"
        )
    _log.info("building the body model with anny %s", ANNY_VERSION)
    with _own_cache(), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        model = anny.Anny(skinning_method="lbs").float()
        regressor = anny.KeypointsRegressor.coco(model, labels=list(BODY_KEYPOINTS))
    data: Any = model.to_model_data()
    corners = data.texture_coordinates[data.face_texture_coordinate_indices].numpy()
    parts, part_names = _segmentation(corners.mean(axis=1))
    return BodyData(
        vertices_m=_body_axes(data.template_vertices.numpy()),
        blend_vertices_m=_body_axes(data.blendshapes.numpy()),
        heads_m=_body_axes(data.template_bone_heads.numpy()),
        blend_heads_m=_body_axes(data.bone_heads_blendshapes.numpy()),
        mask=data.stacked_phenotype_blend_shapes_mask.numpy(),
        projection=data.phenotype_blendshape_projection.numpy(),
        bone_names=tuple(data.metadata.bone_labels),
        parents=np.array(data.metadata.bone_parents, np.int64),
        weight_bones=data.vertex_bone_indices.numpy(),
        weight_values=data.vertex_bone_weights.numpy(),
        triangles=data.faces.numpy().astype(np.int32),
        triangle_part=parts,
        part_names=part_names,
        corner_uv=corners,
        regressor=regressor.regression_weights.numpy(),
    )


@contextlib.contextmanager
def _own_cache() -> Generator[None]:
    """Lets the library, which would keep 800 MB, work in a folder that is removed afterwards.

    Where its own cache exists already, that is used, because it saves most of the time.
    """
    from anny.paths import get_anny_cache_path, set_anny_cache_path

    before = get_anny_cache_path()
    if before.exists():
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        set_anny_cache_path(folder)
        try:
            yield
        finally:
            set_anny_cache_path(before)


def _body_axes(points: np.ndarray) -> np.ndarray:
    """From the model's axes (x left, y back, z up) to the body's (x forward, y left, z up)."""
    return np.stack([-points[..., 1], points[..., 0], points[..., 2]], axis=-1)


def _segmentation(uv: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The body part at texture coordinates, by the picture the library brings."""
    import yaml
    from anny.paths import get_anny_root_dir
    from PIL import Image

    folder = Path(get_anny_root_dir()) / "data" / "segmentation"
    picture = np.asarray(Image.open(folder / "body_parts_segmentation.png").convert("RGB"))
    text = (folder / "body_parts_segmentation.yaml").read_text()
    colours: dict[str, list[int]] = yaml.safe_load(text)["colors"]
    height, width = picture.shape[:2]
    column = np.clip(np.round(uv[:, 0] * width).astype(int), 0, width - 1)
    row = np.clip(np.round((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
    found = picture[row, column].astype(int)
    table = np.array(list(colours.values()))
    distance = np.abs(found[:, None] - table[None]).sum(axis=2)
    return distance.argmin(axis=1).astype(np.int32), tuple(colours)
