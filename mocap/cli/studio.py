"""`mocap studio`: a synthetic scene with its truth."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mocap.cli.options import option
from mocap.cli.progress import progress_bar, say
from mocap.errors import InputError
from mocap.studio.board_clip import BoardConfig
from mocap.studio.make import (
    BOARD_FOLDER,
    RIG_FILE,
    SCENE_FILE,
    TARGET_FILE,
    TRUTH_FILE,
    VIDEO_FOLDER,
    make_scene,
)
from mocap.studio.scene import SceneConfig, example_people, load_scene


@dataclass(frozen=True)
class Studio:
    """Make a synthetic scene: videos of people in a room, the true rig, and the truth.

    'mocap run' works on its videos as on those of real cameras, 'mocap evaluate' compares the
    session with the truth. Options override what the scene file says. See docs/studio.md.

    Example: mocap studio OUT --people 2 --cameras 6 --seconds 5
    """

    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """The folder to make it in."""
    scene: Annotated[Path | None, option("SCENE.toml")] = None
    """Describes people, movements, cameras and room. Default: an example."""
    people: Annotated[Literal[1, 2] | None, option("{1,2}")] = None
    """Example with one person who walks, or with two who shake hands. Default: 1."""
    cameras: Annotated[int | None, option("NUMBER")] = None
    """How many cameras, 2 to 12. Default: 4."""
    size: Annotated[tuple[int, int] | None, option("WIDTH HEIGHT")] = None
    """Size of the images, in pixels. Default: 640 480."""
    seconds: Annotated[float | None, option("SECONDS")] = None
    """Length of the videos. Default: 4."""
    fps: Annotated[float | None, option("HZ")] = None
    """Frames per second. Default: 30."""
    seed: Annotated[int | None, option("NUMBER")] = None
    """Of everything random; the same seed gives the same scene. Default: 0."""
    renderer: Annotated[Literal["raycast", "raster"] | None, option("{raycast,raster}")] = None
    """How people are drawn: by rays, on the processor, or by OpenGL, on a graphics card where there
    is one. Default: raycast."""
    board: bool = False
    """Also make a clip in which a ChArUco board is waved and laid on the floor."""
    only_truth: bool = False
    """Make the rig and the truth, but no videos."""
    overwrite: bool = False
    """Replace a scene that is there already."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        config = self._config()
        with ExitStack() as bars:
            steps: dict[str, object] = {}

            def progress(what: str, done: int, total: int) -> None:
                if what not in steps:
                    bars.close()
                    steps[what] = bars.enter_context(progress_bar(what, total))
                advance = steps[what]
                if callable(advance):
                    advance(done, total)

            make_scene(
                config,
                self.out,
                render=not self.only_truth,
                progress=progress,
                overwrite=self.overwrite,
            )
        for name in (RIG_FILE, TRUTH_FILE, SCENE_FILE):
            say(str(self.out / name))
        if not self.only_truth:
            say(str(self.out / VIDEO_FOLDER))
        if config.board is not None:
            say(str(self.out / BOARD_FOLDER / TARGET_FILE))
        return 0

    def _config(self) -> SceneConfig:
        config = SceneConfig() if self.scene is None else load_scene(self.scene)
        rig = config.rig
        if self.cameras is not None:
            if rig.kind == "free":
                raise InputError(
                    f"--cameras does not go with the free rig of {self.scene}; change its "
                    f"positions_m"
                )
            rig = replace(rig, cameras=self.cameras)
        if self.size is not None:
            rig = replace(rig, size=self.size)
        if self.fps is not None:
            rig = replace(rig, fps=self.fps)
        if self.people is not None:
            config = replace(config, people=example_people(self.people))
        if self.board and config.board is None:
            config = replace(config, board=BoardConfig())
        return replace(
            config,
            rig=rig,
            duration_s=config.duration_s if self.seconds is None else self.seconds,
            seed=config.seed if self.seed is None else self.seed,
            renderer=config.renderer if self.renderer is None else self.renderer,
        )
