import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mocap.body.anny_data import DATA_FILE, blend_weights, load_body_data
from mocap.errors import InputError, StudioError
from mocap.model.skeletons import COCO_WHOLEBODY_133, hand_keypoints
from mocap.studio.bodies import OUTFITS, Body, BodyPose, PersonConfig
from mocap.studio.mesh_cut import cut_mesh

NAMES = COCO_WHOLEBODY_133


def rest_pose(body: Body) -> BodyPose:
    root = np.eye(4)
    root[:3, 3] = body.rest_heads_m[0]
    return BodyPose(root, np.tile(np.eye(3), (len(body.bone_names), 1, 1)))


def random_pose(body: Body, seed: int) -> BodyPose:
    rng = np.random.default_rng(seed)
    root = np.eye(4)
    root[:3, :3] = Rotation.random(rng=rng).as_matrix()
    root[:3, 3] = rng.normal(size=3)
    local = Rotation.from_rotvec(0.3 * rng.normal(size=(len(body.bone_names), 3))).as_matrix()
    local[0] = np.eye(3)
    return BodyPose(root, local)


def keypoint(body: Body, name: str, pose: BodyPose | None = None) -> np.ndarray:
    points = body.pose_keypoints([rest_pose(body) if pose is None else pose])[0]
    return points[NAMES.index(name)]


@pytest.mark.parametrize(
    ("height", "sex", "age", "build"),
    [(1.5, 0.0, 20, 0.1), (1.75, 0.5, 80, 1.0), (2.0, 1.0, 40, 0)],
)
def test_height_is_as_asked(height: float, sex: float, age: float, build: float) -> None:
    body = Body(PersonConfig(height_m=height, sex=sex, age=age, build=build))
    assert body.height_m == pytest.approx(height, abs=1e-4)
    # With shoes and hair a little more.
    assert height < np.ptp(body.rest_vertices_m[:, 2]) < height + 0.04
    assert body.rest_vertices_m[:, 2].min() == pytest.approx(0.0, abs=1e-9)


def test_build_and_sex_change_the_body() -> None:
    slim, heavy = (Body(PersonConfig(build=b)) for b in (0.0, 1.0))
    waist = []
    for body in (slim, heavy):
        x, y, z = body.rest_vertices_m.T
        waist.append(np.ptp(x[(np.abs(z - 1.1) < 0.02) & (np.abs(y) < 0.2)]))
    assert waist[1] > waist[0] + 0.025
    assert slim.shape_parameters["weight"] < heavy.shape_parameters["weight"]


def test_mesh_is_sound(man: Body, woman: Body) -> None:
    for body in (man, woman):
        count = len(body.rest_vertices_m)
        assert body.triangles.min() == 0
        assert body.triangles.max() == count - 1
        assert body.vertex_colors.shape == (count, 3)
        assert 0 <= body.vertex_colors.min() <= body.vertex_colors.max() <= 1
        np.testing.assert_allclose(body.vertex_weights.sum(axis=1), 1.0, atol=1e-6)
        # One colour per triangle: borders are sharp.
        labels = body.vertex_labels[body.triangles]
        assert (labels == labels[:, :1]).all()
        corners = body.rest_vertices_m[body.triangles]
        volume = np.sum(corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])) / 6
        assert 0.03 < volume < 0.15, "triangles are wound outwards"


def test_every_outfit_has_its_garments() -> None:
    for name in OUTFITS:
        body = Body(PersonConfig(outfit=name))
        used = {body.label_names[i] for i in np.unique(body.vertex_labels)}
        assert {"skin", "hair", "shirt", "trousers", "shoes", "iris", "lips", "brows"} <= used
        height = {
            label: body.rest_vertices_m[body.vertex_labels == body.label_names.index(label), 2]
            for label in used
        }
        assert height["hair"].mean() > height["shirt"].mean() > height["trousers"].mean()
        assert height["shoes"].max() < 0.2


def test_pose_at_rest_is_the_rest_mesh(man: Body) -> None:
    frame = man.frames([rest_pose(man)])[0]
    assert frame.vertices_m.dtype == np.float32
    np.testing.assert_allclose(frame.vertices_m, man.rest_vertices_m, atol=1e-6)
    np.testing.assert_allclose(frame.T_world_bone[:, :3, 3], man.rest_heads_m, atol=1e-12)


def test_moving_the_root_moves_everything(man: Body) -> None:
    pose = random_pose(man, 1)
    move = np.eye(4)
    move[:3, :3] = Rotation.from_rotvec([0.2, -1.0, 0.4]).as_matrix()
    move[:3, 3] = (1.0, -2.0, 0.5)
    moved = BodyPose(move @ pose.T_world_root, pose.local_rotations)
    before, after = man.frames([pose, moved])
    np.testing.assert_allclose(
        after.vertices_m, before.vertices_m @ move[:3, :3].T + move[:3, 3], atol=1e-5
    )
    np.testing.assert_allclose(
        man.keypoints(after), man.keypoints(before) @ move[:3, :3].T + move[:3, 3], atol=1e-9
    )


def test_keypoints_are_those_of_the_skinned_body(man: Body) -> None:
    # Skins the unclothed body vertex by vertex and regresses, as the library does.
    data = load_body_data()
    shape = {k: v for k, v in man.shape_parameters.items() if k != "scale"}
    vertices, heads = data.rest(shape)
    vertices = vertices * man.shape_parameters["scale"]
    heads = heads * man.shape_parameters["scale"]
    pose = random_pose(man, 2)
    T_world_bone = man.bone_transforms([pose])[0]
    skinned = np.zeros_like(vertices)
    for column in range(data.weight_bones.shape[1]):
        bones = data.weight_bones[:, column]
        local = vertices - heads[bones]
        moved = (
            np.einsum("vab,vb->va", T_world_bone[bones, :3, :3], local) + T_world_bone[bones, :3, 3]
        )
        skinned += data.weight_values[:, column : column + 1] * moved
    expected = data.regressor @ skinned
    got = man.pose_keypoints([pose])[0, :23]
    np.testing.assert_allclose(got, expected, atol=2e-5)


def test_keypoints_are_in_their_places(man: Body, woman: Body) -> None:
    for body in (man, woman):
        points = body.pose_keypoints([rest_pose(body)])[0]
        assert points.shape == (133, 3)
        assert np.isfinite(points).all()
        for left, right in NAMES.pairs:
            assert points[left, 1] > 0.01 > -0.01 > points[right, 1]
            # The body is symmetric.
            np.testing.assert_allclose(points[left] * [1, -1, 1], points[right], atol=2e-3)
        at = {name: points[i] for i, name in enumerate(NAMES.keypoints)}
        assert at["nose"][0] > at["left_eye"][0] > at["left_ear"][0]
        assert at["left_big_toe"][0] > at["left_small_toe"][0] > at["left_heel"][0]
        assert at["left_small_toe"][1] > at["left_big_toe"][1]
        assert at["left_shoulder"][2] > at["left_hip"][2] > at["left_knee"][2] > at["left_ankle"][2]
        assert np.linalg.norm(at["left_wrist"] - at["left_hand_wrist"]) < 0.03


def test_fingers_run_from_the_palm_to_their_tips(man: Body) -> None:
    points = man.pose_keypoints([rest_pose(man)])[0]
    for side in ("left", "right"):
        hand = np.array([points[NAMES.index(name)] for name in hand_keypoints(side)])
        for finger in range(5):
            chain = np.vstack([hand[:1], hand[1 + 4 * finger : 5 + 4 * finger]])
            lengths = np.linalg.norm(np.diff(chain, axis=0), axis=1)
            assert (lengths > 0.010).all()
            assert (lengths < 0.13).all()
            away = np.linalg.norm(chain - hand[0], axis=1)
            assert (np.diff(away) > 0.005).all()
        # The thumb is nearer to the index finger than to the little one.
        tips = hand[4::4]
        assert np.linalg.norm(tips[0] - hand[5]) < np.linalg.norm(tips[0] - hand[17])


def test_face_points_are_where_the_face_is(man: Body) -> None:
    points = man.pose_keypoints([rest_pose(man)])[0]
    face = points[list(NAMES.indices("face"))]
    eye = {side: points[NAMES.index(f"{side}_eye")] for side in ("left", "right")}
    assert np.linalg.norm(face[36:42].mean(axis=0) - eye["right"]) < 0.015
    assert np.linalg.norm(face[42:48].mean(axis=0) - eye["left"]) < 0.015
    assert np.linalg.norm(face[30] - points[0]) < 0.02
    assert face[8, 2] < face[57, 2] < face[51, 2] < face[33, 2] < face[27, 2] < face[19, 2]
    assert face[0, 1] < -0.05 < 0.05 < face[16, 1]


def test_frames_are_the_same_alone_and_together(man: Body) -> None:
    poses = [random_pose(man, k) for k in range(3)]
    together = man.frames(poses)
    for pose, frame in zip(poses, together, strict=True):
        np.testing.assert_allclose(man.frames([pose])[0].vertices_m, frame.vertices_m, atol=1e-6)
    assert man.frames([]) == []


def test_cutting_keeps_surface_and_winding() -> None:
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(6.0), np.arange(6.0)), axis=-1).reshape(-1, 2)
    triangles = np.array(
        [
            t
            for y in range(5)
            for x in range(5)
            for i in [6 * y + x]
            for t in ((i, i + 1, i + 7), (i, i + 7, i + 6))
        ]
    )
    field = rng.normal(size=len(grid))
    values = np.column_stack([grid, field])
    cut, faces, source = cut_mesh(values, triangles, field)

    def areas(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
        a, b, c = (points[corners[:, k], :2] for k in range(3))
        (ux, uy), (vx, vy) = (b - a).T, (c - a).T
        return (ux * vy - uy * vx) / 2

    new = areas(cut, faces)
    assert (new > 0).all()
    np.testing.assert_allclose(np.bincount(source, new), areas(values, triangles))
    tolerance = 0.03 * np.ptp(field)
    corners = cut[faces][:, :, 2]
    assert not ((corners.max(axis=1) > tolerance) & (corners.min(axis=1) < -tolerance)).any()
    same = cut_mesh(values, triangles, np.ones(len(grid)))
    assert same[0] is values


def test_blend_weights_are_products_of_anchors() -> None:
    # Columns: 3 races, male, female, 5 ages, 3 muscle, 3 weight, 2 height, 2 proportions, ...
    mask = np.zeros((3, 26))
    mask[0, 3] = mask[1, 4] = 1
    mask[2, [4, 9]] = 1
    weights = blend_weights({"gender": 0.25, "age": 5 / 6}, mask)
    np.testing.assert_allclose(weights, [0.75, 0.25, 0.25 * 0.5])


@pytest.mark.parametrize(
    "change",
    [
        {"height_m": 0.9},
        {"age": 5.0},
        {"sex": 1.5},
        {"build": -0.1},
        {"muscle": float("nan")},
        {"outfit": "armour"},
    ],
)
def test_impossible_people_are_refused(change: dict) -> None:
    with pytest.raises(StudioError, match=str(next(iter(change)))):
        PersonConfig(**change)


def test_damaged_cache_is_named(tmp_path) -> None:
    (tmp_path / DATA_FILE).write_bytes(b"not a body")
    with pytest.raises(InputError, match="delete it"):
        load_body_data(tmp_path)


@pytest.mark.slow
def test_body_equals_that_of_the_library(man: Body) -> None:
    anny = pytest.importorskip("anny")
    import torch

    model = anny.Anny(skinning_method="lbs").float()
    shape = {k: v for k, v in man.shape_parameters.items() if k != "scale"}
    rng = np.random.default_rng(0)
    count = len(man.bone_names)
    pose = np.tile(np.eye(4), (1, count, 1, 1))
    pose[0, :, :3, :3] = Rotation.from_rotvec(0.2 * rng.normal(size=(count, 3))).as_matrix()
    regressor = anny.KeypointsRegressor.coco(model, labels=list(NAMES.keypoints[:23]))
    with torch.no_grad():
        output = model(
            pose_parameters=torch.as_tensor(pose, dtype=torch.float32), phenotype_kwargs=shape
        )
        expected = regressor(output)[0].numpy()
        rest, posed = (
            output[name][0].numpy().astype(float) for name in ("rest_bone_poses", "bone_poses")
        )
        rest_vertices = output["rest_vertices"][0].numpy()
    assert tuple(model.bone_labels) == man.bone_names
    axes = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    vertices, _ = load_body_data().rest(shape)
    np.testing.assert_allclose(vertices, rest_vertices @ axes.T, atol=2e-5)
    T_world_bone = np.tile(np.eye(4), (count, 1, 1))
    turned = posed[:, :3, :3] @ np.swapaxes(rest[:, :3, :3], -1, -2)
    T_world_bone[:, :3, :3] = axes @ turned @ axes.T
    local = T_world_bone[:, :3, :3].copy()
    for i, parent in enumerate(man.parents):
        if parent >= 0:
            local[i] = T_world_bone[parent, :3, :3].T @ T_world_bone[i, :3, :3]
    local[0] = np.eye(3)
    root = T_world_bone[0]
    root[:3, 3] = axes @ posed[0, :3, 3]
    got = man.pose_keypoints([BodyPose(root, local)])[0, :23]
    np.testing.assert_allclose(got, expected @ axes.T, atol=2e-4)
