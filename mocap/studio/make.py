"""Makes a scene: the true rig, the truth, and the videos of all cameras."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from mocap.arrays import Float
from mocap.errors import OutputError
from mocap.files import make_output_folder, write_atomically
from mocap.model import Rig
from mocap.storage.rig_file import save_rig
from mocap.storage.target_file import target_to_toml
from mocap.storage.truth_file import save_truth
from mocap.studio.board_clip import BoardConfig, BoardMotion, BoardProp
from mocap.studio.camera_clock import CaptureTimes, capture_times
from mocap.studio.camera_effects import Sensor
from mocap.studio.cast import Cast, make_truth
from mocap.studio.instant import Instant, Mesh
from mocap.studio.render import Renderer
from mocap.studio.rigs import RigConfig, make_rig
from mocap.studio.scene import SceneConfig, scene_toml
from mocap.studio.video_file import VideoFile

Progress = Callable[[str, int, int], None]
"""Is called with what is being done, the steps done, and their number."""

BLUR_SAMPLES = 5
"""Pictures per frame when the shutter is open for some time."""
RENDER_THREADS = 2

RIG_FILE, TRUTH_FILE, SCENE_FILE = "rig.toml", "truth.npz", "scene.toml"
VIDEO_FOLDER, BOARD_FOLDER, TARGET_FILE, POSES_FILE = "videos", "board", "target.toml", "poses.npz"


def make_scene(
    config: SceneConfig,
    folder: Path,
    *,
    render: bool = True,
    progress: Progress | None = None,
    cache_folder: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Makes a scene in a folder.

    It then holds `rig.toml` (the true rig with the true time offsets), `truth.npz` (see
    `mocap.model.truth`), `scene.toml` (the whole configuration) and, if rendered,
    `videos/CAMERA.mp4`. With a board also `board/target.toml`, `board/poses.npz` (`time_s`,
    `T_world_board`) and `board/videos/CAMERA.mp4`. The same configuration gives the same scene.

    The truth stands at multiples of the frame interval of the scene's clock, which is that of a
    camera without offset and drift.

    Args:
        config: the scene.
        folder: where to make it.
        render: whether to make the videos.
        progress: see `Progress`.
        cache_folder: where the body model is kept.
        overwrite: whether an existing scene in the folder may be replaced.

    Returns:
        The folder.

    Raises:
        StudioError: the scene is not possible.
        OutputError: the folder cannot be written to, or holds a scene already.
        DependencyError: a library is missing.
    """
    _check_folder(folder, overwrite=overwrite)
    rig = make_rig(config.rig, config.seed)
    captured = _captured(config.rig, config.duration_s, config.seed)
    times_s = _truth_times(captured, config.rig.fps)
    margin_s = config.rig.shutter_s
    first_s, last_s = float(times_s[0]) - margin_s, float(times_s[-1]) + margin_s

    def slow(sentence: str) -> None:
        if progress is not None:
            progress(sentence, 0, 1)

    # Everything that can be wrong with the scene shows before the first file is written.
    cast = Cast(config, first_s, last_s, cache_folder, slow)
    with ExitStack() as stack:
        renderer = None
        if render:
            renderer = stack.enter_context(Renderer(rig, config.room, config.renderer))
        truth = make_truth(cast, rig, config.room, times_s, _named(progress, "truth"))
        save_rig(rig, folder / RIG_FILE, overwrite=overwrite)
        save_truth(folder / TRUTH_FILE, truth, overwrite=overwrite)
        write_atomically(folder / SCENE_FILE, scene_toml(config).encode())
        if renderer is not None:
            render_videos(
                renderer,
                rig,
                config,
                captured,
                cast.meshes,
                folder / VIDEO_FOLDER,
                _named(progress, "videos"),
            )
        if config.board is not None:
            _make_board(config, config.board, rig, renderer, folder / BOARD_FOLDER, progress)
    return folder


def render_videos(
    renderer: Renderer,
    rig: Rig,
    config: SceneConfig,
    captured: Sequence[CaptureTimes],
    meshes_at: Callable[[float], Sequence[Mesh]],
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes the video of every camera.

    Args:
        renderer: of the rig's cameras.
        rig: the cameras.
        config: the scene; of its rig, shutter and sensor are used.
        captured: the frames of each camera.
        meshes_at: what is in the room at a time of the scene's clock.
        folder: where to write `CAMERA.mp4`.
        progress: called with the pictures done and of all pictures.
    """
    make_output_folder(folder)
    cameras = config.rig
    total = sum(len(times) for times in captured)
    done = 0
    # Cameras that film at the same instant share its light and shadows.
    due: dict[int, list[tuple[int, int]]] = {}
    for camera, times in enumerate(captured):
        for index, world_s in enumerate(times.world_s):
            due.setdefault(round(world_s * 1e9), []).append((camera, index))
    with ExitStack() as stack:
        files = [
            stack.enter_context(
                VideoFile(folder / f"{camera.name}.mp4", camera.intrinsics.size, cameras.fps)
            )
            for camera in rig
        ]
        sensors = [
            Sensor(
                camera.intrinsics.size, cameras.noise, cameras.exposure_spread, config.seed, index
            )
            for index, camera in enumerate(rig)
        ]
        pool = stack.enter_context(ThreadPoolExecutor(RENDER_THREADS))

        def expose(which: tuple[int, int], light: Float[np.ndarray, "height width 3"]) -> None:
            camera, index = which
            times = captured[camera]
            picture = sensors[camera].expose(light, int(times.number[index]))
            files[camera].add(picture, float(times.stamp_s[index]))

        for world_ns in sorted(due):
            instants = [
                renderer.instant(meshes_at(time_s))
                for time_s in _exposure_times(world_ns * 1e-9, cameras.shutter_s)
            ]

            def draw(
                which: tuple[int, int],
                instants: Sequence[Instant] = instants,
            ) -> Float[np.ndarray, "height width 3"]:
                light = renderer.picture(which[0], instants[0])
                for instant in instants[1:]:
                    light += renderer.picture(which[0], instant)
                light /= len(instants)
                return light

            frames = due[world_ns]
            if renderer.concurrent:
                filmed = pool.map(lambda which, draw=draw: expose(which, draw(which)), frames)
            else:
                # While this thread draws the next picture, others expose and code the last ones.
                filmed = pool.map(expose, frames, map(draw, frames))
            for _ in filmed:
                done += 1
                if progress is not None:
                    progress(done, total)


def _make_board(
    config: SceneConfig,
    board: BoardConfig,
    rig: Rig,
    renderer: Renderer | None,
    folder: Path,
    progress: Progress | None,
) -> None:
    make_output_folder(folder)
    write_atomically(folder / TARGET_FILE, target_to_toml(board.target).encode())
    # Other frames are dropped than in the scene itself.
    captured = _captured(config.rig, board.duration_s, config.seed + 1)
    motion, prop = BoardMotion(board, config.seed), BoardProp(board)
    times_s = _truth_times(captured, config.rig.fps)
    content = io.BytesIO()
    poses = np.array([motion.T_world_board(float(t)) for t in times_s])
    np.savez_compressed(content, time_s=times_s, T_world_board=poses)
    write_atomically(folder / POSES_FILE, content.getvalue())
    if renderer is not None:
        render_videos(
            renderer,
            rig,
            config,
            captured,
            lambda time_s: [prop.mesh(motion.T_world_board(time_s))],
            folder / VIDEO_FOLDER,
            _named(progress, "board videos"),
        )


def _captured(rig: RigConfig, duration_s: float, seed: int) -> list[CaptureTimes]:
    return [capture_times(rig, index, duration_s, seed) for index in range(rig.cameras)]


def _truth_times(captured: Sequence[CaptureTimes], fps: float) -> Float[np.ndarray, " times"]:
    """Multiples of the frame interval around everything that is filmed."""
    first = min(float(times.world_s[0]) for times in captured) * fps
    last = max(float(times.world_s[-1]) for times in captured) * fps
    # A millionth of a frame is rounding, not another frame.
    return np.arange(np.floor(first + 1e-6), np.ceil(last - 1e-6) + 1) / fps


def _exposure_times(time_s: float, shutter_s: float) -> Float[np.ndarray, " samples"]:
    """Instants whose pictures add up to a frame; the frame's time is the middle of them."""
    if shutter_s == 0:
        return np.array([time_s])
    places = (np.arange(BLUR_SAMPLES) + 0.5) / BLUR_SAMPLES - 0.5
    return time_s + shutter_s * places


def _named(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(what, done, total)


def _check_folder(folder: Path, *, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; name a folder for the scene")
    for name in (SCENE_FILE, RIG_FILE, TRUTH_FILE):
        if (folder / name).exists() and not overwrite:
            raise OutputError(
                f"{folder} holds a scene already ({name}); choose another folder, or pass "
                f"--overwrite to replace it"
            )
    make_output_folder(folder)
