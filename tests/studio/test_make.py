from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from studio_shapes import ball, red_center

from capture.video import VideoSource
from mocap.errors import OutputError, StudioError
from mocap.geometry.projection import project_points
from mocap.model.skeletons import COCO_WHOLEBODY_133
from mocap.storage.rig_file import load_rig
from mocap.storage.truth_file import load_truth
from mocap.studio.board_clip import BoardConfig, BoardMotion, BoardProp, board_picture
from mocap.studio.bodies import PersonConfig
from mocap.studio.camera_clock import capture_times
from mocap.studio.make import make_scene, render_videos
from mocap.studio.motion_config import MotionConfig
from mocap.studio.render import Mesh, Renderer
from mocap.studio.rigs import RigConfig, make_rig
from mocap.studio.room import RoomConfig
from mocap.studio.scene import SceneConfig

PLAIN = RoomConfig(decorated=False, floor="carpet")


def place_of(time_s: float) -> np.ndarray:
    """A ball that flies at 1.5 m/s."""
    return np.array([-0.6 + 1.2 * time_s, 0.5 - 0.9 * time_s, 1.0])


def meshes_at(time_s: float) -> Sequence[Mesh]:
    return [ball(place_of(time_s), 0.06, (1.0, 0.0, 0.0))]


def filmed(
    rig_config: RigConfig, duration_s: float, folder: Path
) -> list[list[tuple[float, np.ndarray]]]:
    """Stamp and picture of all frames of all cameras."""
    config = SceneConfig(people=(), rig=rig_config, room=PLAIN, duration_s=duration_s)
    rig = make_rig(rig_config, 0)
    captured = [capture_times(rig_config, k, duration_s, 0) for k in range(rig_config.cameras)]
    render_videos(Renderer(rig, PLAIN), rig, config, captured, meshes_at, folder)
    return [
        [(frame.time_ns * 1e-9, frame.image_rgb) for frame in VideoSource(folder / f"{name}.mp4")]
        for name in rig.names
    ]


def test_a_frame_shows_the_instant_that_its_stamp_and_the_rig_say(tmp_path: Path) -> None:
    fps = 20.0
    config = RigConfig(
        cameras=2,
        size=(320, 240),
        fps=fps,
        time_offset_s=(7.3 / fps, -0.4 / fps),
        drift_ppm=(0.0, 10_000.0),
        dropped_share=0.2,
    )
    rig = make_rig(config, 0)
    for index, (camera, frames) in enumerate(zip(rig, filmed(config, 0.8, tmp_path), strict=True)):
        assert 4 < len(frames) < 16, "some frames are dropped"
        errors: list[np.ndarray] = []
        for stamp_s, picture in frames:
            time_s = (stamp_s - camera.time_offset_s) / config.clock_rate_of(index)
            intrinsics = camera.intrinsics
            pixel, _ = project_points(
                place_of(time_s),
                intrinsics.matrix,
                intrinsics.packed_distortions,
                False,
                camera.T_cam_world,
            )
            errors.append(red_center(picture) - pixel)
        # The ball flies 6 pixels per frame.
        assert np.abs(errors).max() < 0.8
        assert np.abs(np.mean(errors, axis=0)).max() < 0.4


def test_an_open_shutter_blurs_around_the_frames_time(tmp_path: Path) -> None:
    sharp_rig = RigConfig(cameras=2, size=(320, 240), fps=5.0, noise=0.0)
    sharp = filmed(sharp_rig, 0.2, tmp_path / "sharp")
    blurred = filmed(replace(sharp_rig, shutter_s=0.2), 0.2, tmp_path / "blurred")
    # The first frame is coded on its own: nothing of other frames is left in it.
    columns = [_red_columns(frames[0][0][1]) for frames in (sharp, blurred)]
    # At 1.5 m/s the ball of 0.12 m flies 0.3 m while the shutter is open.
    assert np.ptp(columns[1]) > 1.8 * np.ptp(columns[0])
    middles = [(c.min() + c.max()) / 2 for c in columns]
    assert middles[0] == pytest.approx(middles[1], abs=1.5)


def _red_columns(picture: np.ndarray) -> np.ndarray:
    redness = picture[..., 0].astype(float) - picture[..., 1]
    return np.flatnonzero((redness > 25).sum(axis=0) >= 3)


def test_board_of_the_pose_file_is_where_opencv_finds_it() -> None:
    import cv2

    board = BoardConfig()
    rig = make_rig(RigConfig(cameras=2), 0)
    renderer, prop, motion = Renderer(rig, PLAIN), BoardProp(board), BoardMotion(board, 0)
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    pattern = cv2.aruco.CharucoBoard(board.squares, board.square_m, board.marker_m, dictionary)
    detector = cv2.aruco.CharucoDetector(pattern)
    corners = 0
    for time_s in np.linspace(0, 8, 9):
        pose = motion.T_world_board(float(time_s))
        instant = renderer.instant([prop.mesh(pose)])
        for index, camera in enumerate(rig):
            light = renderer.picture(index, instant)
            image = (255 * np.clip(light, 0, 1) ** 0.45).astype(np.uint8).mean(axis=2)
            found, ids, _, _ = detector.detectBoard(image.astype(np.uint8))
            if ids is None:
                continue
            points = pattern.getChessboardCorners()[ids.ravel()] @ pose[:3, :3].T + pose[:3, 3]
            intrinsics = camera.intrinsics
            wanted, _ = project_points(
                points,
                intrinsics.matrix,
                intrinsics.packed_distortions,
                False,
                camera.T_cam_world,
            )
            assert np.median(np.linalg.norm(found.reshape(-1, 2) - wanted, axis=1)) < 0.4
            corners += len(ids)
    assert corners > 40


def test_board_ends_on_the_floor_face_up() -> None:
    config = BoardConfig(lying_at_m=(0.3, -0.2), lying_deg=90.0)
    motion = BoardMotion(config, 0)
    middle = np.append(0.5 * config.size_m, 0.0)
    pose = motion.T_world_board(config.duration_s)
    np.testing.assert_allclose(pose[:3, :3] @ middle + pose[:3, 3], [0.3, -0.2, 0.0], atol=1e-9)
    np.testing.assert_allclose(pose[:3, 2], [0, 0, -1], atol=1e-9)
    np.testing.assert_allclose(pose[:3, 0], [0, 1, 0], atol=1e-9)
    half = 0.5 * np.linalg.norm(config.size_m)
    for time_s in np.arange(0, config.duration_s, 0.1):
        pose = motion.T_world_board(float(time_s))
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-9)
        assert (pose[:3, :3] @ middle + pose[:3, 3])[2] > -1e-9
        assert np.abs(pose[:2, 3]).max() < config.reach_m + half
    assert board_picture(config).shape[2] == 3


STILL = SceneConfig(
    people=(PersonConfig(motion=MotionConfig(kind="stand_and_wave")),),
    rig=RigConfig(cameras=2, size=(320, 240), fps=10.0),
    duration_s=0.3,
)


def test_truth_is_what_the_rig_sees(tmp_path: Path) -> None:
    folder = make_scene(STILL, tmp_path / "scene", render=False)
    rig, truth = load_rig(folder / "rig.toml"), load_truth(folder / "truth.npz")
    assert rig == make_rig(STILL.rig, 0)
    assert truth.joint_names == COCO_WHOLEBODY_133.keypoints
    assert truth.camera_names == rig.names
    np.testing.assert_allclose(truth.time_s, [0.0, 0.1, 0.2])
    assert np.isfinite(truth.points).all()
    feet = truth.points[:, 17:23, 2]
    assert (feet > -0.02).all()
    assert (feet < 0.12).all()
    # A person who faces +x is seen from the front by the camera there, from behind by the other.
    nose = truth.visible[:, :, COCO_WHOLEBODY_133.index("nose")]
    np.testing.assert_array_equal(nose, [[True, False]] * 3)
    assert set(truth.shape) >= {"height_m", "gender"}
    # The bones' rotations chain up to positions that stay a bone's length apart.
    lengths = np.linalg.norm(np.diff(truth.bone_positions[:, :5], axis=1), axis=2)
    np.testing.assert_allclose(lengths, lengths[:1].repeat(3, axis=0), atol=1e-6)


def test_nobody_gives_an_empty_truth(tmp_path: Path) -> None:
    folder = make_scene(replace(STILL, people=()), tmp_path / "scene", render=False)
    assert len(load_truth(folder / "truth.npz")) == 0


def test_early_and_late_cameras_are_inside_the_truth(tmp_path: Path) -> None:
    rig = replace(STILL.rig, time_offset_s=(0.25, -0.31))
    folder = make_scene(replace(STILL, rig=rig), tmp_path / "scene", render=False)
    times = load_truth(folder / "truth.npz").time_s
    np.testing.assert_allclose(times, np.arange(-3, 7) / 10)


def free(*positions: tuple[float, float, float]) -> RigConfig:
    return replace(STILL.rig, kind="free", positions_m=positions, jitter_m=0.0)


@pytest.mark.parametrize(
    ("config", "what"),
    [
        (replace(STILL, rig=free((3.0, 0, 1.5), (0.05, 0.0, 1.2))), "'cam1' is inside person 0"),
        (
            replace(STILL, rig=replace(free((3, 0, 1.5), (3, 1, 1.5)), look_at_m=(3.9, 0.5, 1.5))),
            "no camera ever sees anybody",
        ),
        (
            replace(
                STILL,
                room=RoomConfig(size_m=(2.0, 2.0, 2.0)),
                people=(
                    replace(
                        STILL.people[0],
                        motion=MotionConfig(kind="stand_and_wave", place_m=(1.0, 0.0)),
                    ),
                ),
            ),
            "person 0 leaves the room",
        ),
    ],
)
def test_impossible_scenes_leave_nothing_behind(
    config: SceneConfig, what: str, tmp_path: Path
) -> None:
    with pytest.raises(StudioError, match=what):
        make_scene(config, tmp_path / "scene", render=False)
    assert not list((tmp_path / "scene").iterdir())


def test_a_scene_is_not_overwritten_unasked(tmp_path: Path) -> None:
    make_scene(replace(STILL, people=()), tmp_path, render=False)
    before = (tmp_path / "truth.npz").read_bytes()
    with pytest.raises(OutputError, match="holds a scene already"):
        make_scene(STILL, tmp_path, render=False)
    assert (tmp_path / "truth.npz").read_bytes() == before
    make_scene(STILL, tmp_path, render=False, overwrite=True)
    assert (tmp_path / "truth.npz").read_bytes() != before
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file"):
        make_scene(STILL, tmp_path / "file", render=False)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    config = replace(STILL, board=BoardConfig(duration_s=2.0), rig=replace(STILL.rig, fps=5.0))
    seen: list[tuple[str, int, int]] = []
    folders = [
        make_scene(config, tmp_path / name, progress=lambda *a: seen.append(a)) for name in "ab"
    ]
    files = sorted(p.relative_to(folders[0]) for p in folders[0].rglob("*") if p.is_file())
    assert {str(f) for f in files} >= {"videos/cam1.mp4", "board/videos/cam0.mp4", "scene.toml"}
    for file in files:
        assert (folders[0] / file).read_bytes() == (folders[1] / file).read_bytes(), file
    assert ("videos", 4, 4) in seen
    assert ("board videos", 20, 20) in seen
