"""The people of the studio: a body of given build in clothes, posed by its bones.

Every bone's frame has, in the rest pose, the axes of the body (x forward, y left, z up) and lies
at the bone's head. A pose is therefore the identity everywhere when the body is at rest. The mesh
is skinned linearly; keypoints are linear in the mesh and hence computed from the bones alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import sparse

from mocap.arrays import Float
from mocap.body.anny_data import BodyData, load_body_data
from mocap.body.anny_keypoints import KeypointTable, make_keypoint_table
from mocap.body.skinning import skin
from mocap.errors import StudioError
from mocap.studio.motion_config import MotionConfig
from mocap.studio.outfits import OUTFITS, check_outfit, dress, palette

__all__ = ["OUTFITS", "Body", "BodyFrame", "BodyPose", "PersonConfig"]

_AGES = ((1.0, 0.0), (11.0, 1 / 3), (25.0, 2 / 3), (90.0, 1.0))
"""Years and the model's age parameter, by its anchors baby, child, young and old."""
_SCALE_LIMIT = 0.25
"""How far a body may be scaled as a whole when the model's own range of heights ends."""


@dataclass(frozen=True)
class PersonConfig:
    """One person of a scene.

    Attributes:
        height_m: standing height without shoes.
        age: years, 18 to 80.
        sex: 0 female to 1 male.
        build: 0 slim to 1 heavy.
        muscle: 0 weak to 1 strong.
        outfit: name of the clothes; `OUTFITS` lists them.
        seed: of skin and hair colour.
        motion: what the person does.
    """

    height_m: float = 1.75
    age: float = 30.0
    sex: float = 1.0
    build: float = 0.5
    muscle: float = 0.5
    outfit: str = "casual"
    seed: int = 0
    motion: MotionConfig = field(default_factory=MotionConfig)

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("height_m", self.height_m, 1.4, 2.1),
            ("age", self.age, 18.0, 80.0),
            ("sex", self.sex, 0.0, 1.0),
            ("build", self.build, 0.0, 1.0),
            ("muscle", self.muscle, 0.0, 1.0),
        ):
            if not low <= value <= high:
                raise StudioError(f"{name} of a person is {value}, expected {low} to {high}")
        check_outfit(self.outfit)


@dataclass(frozen=True)
class BodyPose:
    """Where a body is and how it is bent.

    Attributes:
        T_world_root: pose of the root bone's frame.
        local_rotations: rotation of each bone relative to its parent, the identity at rest; that
            of the root is the identity, as its rotation is in `T_world_root`.
    """

    T_world_root: Float[np.ndarray, "4 4"]
    local_rotations: Float[np.ndarray, "bones 3 3"]


@dataclass(frozen=True)
class BodyFrame:
    """A posed body.

    Attributes:
        vertices_m: world positions of the clothed mesh.
        T_world_bone: poses of the bones' frames; their origins are the joints.
    """

    vertices_m: Float[np.ndarray, "vertices 3"]
    T_world_bone: Float[np.ndarray, "bones 4 4"]


class Body:
    """A clothed body of given build.

    Attributes:
        config: the person.
        bone_names: names of the J bones, parents first.
        parents: index of the parent of each; -1 for the root.
        rest_heads_m: joints in the rest pose, in body axes with the floor at z = 0.
        rest_vertices_m: the clothed mesh in the rest pose.
        triangles: vertex indices, counter-clockwise seen from outside.
        vertex_colors: colours from 0 to 1.
        vertex_labels: what each vertex is made of; an index into `label_names`.
        label_names: "skin", "hair", "shirt", ...
        height_m: standing height without shoes.
        shape_parameters: the model's phenotype values, and the scale of the whole body.

    Args:
        config: the person.
        cache_folder: where the body model is kept.
        progress: called with a sentence when something slow begins (the very first body).

    Raises:
        StudioError: the model has no body of this height.
        DependencyError: the body model must be built and its library is missing.
    """

    def __init__(
        self,
        config: PersonConfig,
        cache_folder: Path | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        data = load_body_data(cache_folder, progress)
        self.config = config
        self.shape_parameters, vertices, heads = _shaped(data, config)
        self.height_m = float(np.ptp(vertices[:, 2]))
        weights = _dense_weights(data)
        outfit = OUTFITS[config.outfit]
        colours = palette(outfit, config.seed, config.age)
        clothes = dress(data, vertices, heads, weights, outfit, colours)
        # Clothes have soles: the floor lies under the shoes.
        ground = float(clothes.vertices_m[:, 2].min())
        shift = np.array([0.0, 0.0, ground])
        self.bone_names: tuple[str, ...] = data.bone_names
        self.parents: tuple[int, ...] = tuple(int(p) for p in data.parents)
        self.rest_heads_m = heads - shift
        self.rest_vertices_m = clothes.vertices_m - shift
        self.triangles = clothes.triangles
        self.vertex_colors = clothes.colors
        self.vertex_labels = clothes.labels
        self.label_names = clothes.label_names
        self.vertex_weights = clothes.weights
        self.keypoint_table: KeypointTable = make_keypoint_table(
            data, vertices - shift, self.rest_heads_m, weights
        )
        self._index = {name: i for i, name in enumerate(self.bone_names)}
        self._weights = sparse.csr_matrix(self.vertex_weights.astype(np.float32))

    def bone(self, name: str) -> int:
        """Index of a bone by name."""
        return self._index[name]

    def bone_transforms(self, poses: Sequence[BodyPose]) -> Float[np.ndarray, "poses bones 4 4"]:
        """T_world_bone of every bone in every pose."""
        count = len(poses)
        roots = np.array([pose.T_world_root for pose in poses]).reshape(count, 4, 4)
        local = np.array([pose.local_rotations for pose in poses])
        local = local.reshape(count, len(self.parents), 3, 3)
        result = np.zeros((count, len(self.parents), 4, 4))
        result[..., 3, 3] = 1.0
        for bone, parent in enumerate(self.parents):
            if parent < 0:
                result[:, bone] = roots
                result[:, bone, :3, :3] = roots[:, :3, :3] @ local[:, bone]
                continue
            turn = result[:, parent, :3, :3]
            offset = self.rest_heads_m[bone] - self.rest_heads_m[parent]
            result[:, bone, :3, :3] = turn @ local[:, bone]
            result[:, bone, :3, 3] = result[:, parent, :3, 3] + turn @ offset
        return result

    def frames(self, poses: Sequence[BodyPose]) -> list[BodyFrame]:
        """The clothed body in each pose."""
        transforms = self.bone_transforms(poses)
        return [BodyFrame(self._skinned(T_world_bone), T_world_bone) for T_world_bone in transforms]

    def _skinned(self, T_world_bone: Float[np.ndarray, "bones 4 4"]) -> np.ndarray:
        turns, places = T_world_bone[None, :, :3, :3], T_world_bone[None, :, :3, 3]
        rest = self.rest_vertices_m[None]
        return skin(self._weights, rest, self.rest_heads_m, places, turns)[0]

    def keypoints(self, frame: BodyFrame) -> Float[np.ndarray, "keypoints 3"]:
        """World positions in metres of the keypoints of COCO-WholeBody; none is missing.

        Body and feet are the model's own regression of COCO's joints from the unclothed body,
        hands the joints and tips of the fingers, the face points of the skin.
        """
        return self.keypoint_table.positions(frame.T_world_bone)

    def pose_keypoints(self, poses: Sequence[BodyPose]) -> Float[np.ndarray, "poses keypoints 3"]:
        """The keypoints of poses, without making the meshes."""
        return self.keypoint_table.positions(self.bone_transforms(poses))


def _dense_weights(data: BodyData) -> Float[np.ndarray, "vertices bones"]:
    weights = np.zeros((len(data.vertices_m), len(data.bone_names)))
    rows = np.arange(len(weights))[:, None]
    np.add.at(weights, (rows, data.weight_bones), data.weight_values)
    return weights / weights.sum(axis=1, keepdims=True)


def _shaped(
    data: BodyData, config: PersonConfig
) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    """Shape parameters, vertices and bone heads of a body of the wanted height."""
    years, values = zip(*_AGES, strict=True)
    shape = {
        "gender": 1.0 - config.sex,
        "age": float(np.interp(config.age, years, values)),
        "muscle": config.muscle,
        "weight": 0.05 + 0.9 * config.build,
        "proportions": 0.3,
    }

    def height(parameter: float) -> float:
        vertices, _ = data.rest({**shape, "height": parameter})
        return float(np.ptp(vertices[:, 2]))

    # The height is linear in its parameter, because the parameter blends two anchors.
    low, high = height(0.0), height(1.0)
    shape["height"] = float(np.clip((config.height_m - low) / (high - low), 0.0, 1.0))
    vertices, heads = data.rest(shape)
    scale = config.height_m / float(np.ptp(vertices[:, 2]))
    if abs(scale - 1.0) > _SCALE_LIMIT:
        raise StudioError(
            f"no body of height {config.height_m} m with sex {config.sex} and age {config.age}; "
            f"the model goes from {low:.2f} to {high:.2f} m"
        )
    return {**shape, "scale": scale}, vertices * scale, heads * scale
