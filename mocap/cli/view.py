"""`mocap view`: a session in a window, as a video, or as a picture."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from mocap.cli.bodies import body_of_each
from mocap.cli.camera_pictures import CameraPictures
from mocap.cli.options import SessionPath, option
from mocap.cli.progress import progress_bar, say
from mocap.errors import InputError
from mocap.files import check_output
from mocap.model.body_motion import BodyMotion
from mocap.pipeline.body import BodyChoice, session_body
from mocap.storage.session_reader import Session

if TYPE_CHECKING:
    from viewer import Bodies, CameraPanel


@dataclass(frozen=True)
class View:
    """Look at a session: people, floor and cameras in 3D.

    Without --render and --snapshot a window opens; its keys are shown in it and in
    docs/viewer.md. Those two options need no display.

    Example: mocap view session.h5 --snapshot people.png
    """

    session: SessionPath
    """The session file."""
    render: Annotated[Path | None, option("VIDEO.mp4")] = None
    """Write a video instead of opening a window."""
    snapshot: Annotated[Path | None, option("PICTURE.png")] = None
    """Write a picture instead of opening a window."""
    layer: Annotated[Literal["raw", "smooth"] | None, option("{raw,smooth}")] = None
    """As triangulated, or smoothed with short gaps filled. Default: smooth if there is one."""
    frame: Annotated[int | None, option("NUMBER")] = None
    """Frame number of the snapshot. Default: one in the middle with the most people."""
    size: Annotated[tuple[int, int], option("WIDTH HEIGHT")] = (1280, 720)
    """Size of the pictures, in pixels. Default: 1280 720."""
    videos: Annotated[tuple[Path, ...], option("PATH [PATH ...]")] = ()
    """The videos of the session: shown beside it, with the people drawn in."""
    body: Annotated[str | None, option("NAME")] = None
    """Draw fitted bodies instead of keypoints: skeleton, anny, smpl, smplh or smplx, as 'mocap fit'
    left them, or else fitted now."""
    gender: Literal["neutral", "male", "female"] = "neutral"
    """Of the body model, where it must be fitted now."""
    model_path: Annotated[Path | None, option("PATH")] = None
    """File or folder of your licensed model files, for smpl, smplh and smplx."""
    overwrite: bool = False
    """Replace existing files."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        import viewer

        if self.videos and self.render is None and self.snapshot is None:
            raise InputError("--videos goes with --render or --snapshot")
        with Session(self.session) as session:
            layer = self.layer or session.best_layer
            for path in (self.render, self.snapshot):
                if path is not None:
                    check_output(path, overwrite=self.overwrite)
            bodies = self._bodies(session)
            if self.snapshot is not None:
                with self._panel(session, layer, bodies) as panel:
                    viewer.render_snapshot(
                        session,
                        self.snapshot,
                        layer=layer,
                        frame=self.frame,
                        size=self.size,
                        panel=panel,
                        bodies=bodies,
                    )
                say(str(self.snapshot))
            if self.render is not None:
                with (
                    self._panel(session, layer, bodies) as panel,
                    progress_bar("frames", len(session.frames)) as progress,
                ):
                    viewer.render_video(
                        session,
                        self.render,
                        layer=layer,
                        size=self.size,
                        panel=panel,
                        bodies=bodies,
                        progress=progress,
                    )
                say(str(self.render))
            if self.render is None and self.snapshot is None:
                viewer.open_window(session, layer=layer, bodies=bodies)
        return 0

    @contextlib.contextmanager
    def _panel(
        self, session: Session, layer: str, bodies: Bodies | None
    ) -> Generator[CameraPanel | None]:
        """What stands beside the 3D view, if anything."""
        if not self.videos:
            yield None
            return
        import viewer

        height = self.size[1]
        with (
            CameraPictures(session, self.videos) as pictures,
            viewer.CameraPanel(session, layer, height, pictures.at, bodies) as panel,
        ):
            yield panel

    def _bodies(self, session: Session) -> Bodies | None:
        """The bodies to draw, if any are asked for."""
        if self.body is None:
            return None
        import viewer

        choice = BodyChoice(self.body, self.gender, self.model_path, layer=self.layer)
        people = session.motion(self.layer or session.best_layer).person_ids
        with progress_bar("people", len(people)) as progress:

            def body(person_id: int) -> BodyMotion:
                found = session_body(session, person_id, choice)
                progress(people.index(person_id) + 1, len(people))
                return found

            motions = body_of_each(people, body)
        return viewer.Bodies(motions, self.model_path)
