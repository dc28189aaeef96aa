"""`mocap view`: a session in a window, as a video, or as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from mocap.cli.progress import console, progress_bar
from mocap.files import check_output
from mocap.storage.session_reader import Session


@dataclass(frozen=True)
class View:
    """Look at a session: people, floor and cameras in 3D.

    Without --render and --snapshot a window opens; its keys are shown in it and in
    docs/viewer.md. Those two options need no display.
    """

    session: tyro.conf.Positional[Path]
    """The session file."""
    render: Path | None = None
    """Write a video (.mp4) instead of opening a window."""
    snapshot: Path | None = None
    """Write a picture (.png) instead of opening a window."""
    layer: Literal["raw", "smooth"] | None = None
    """Default: smooth if the session has it."""
    frame: int | None = None
    """Frame number of the snapshot. Default: one in the middle with the most people."""
    size: tuple[int, int] = (1280, 720)
    """Width and height of the picture, in pixels."""
    overwrite: bool = False
    """Replace existing files."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        import viewer

        with Session(self.session) as session:
            layer = self.layer or session.best_layer
            for path in (self.render, self.snapshot):
                if path is not None:
                    check_output(path, overwrite=self.overwrite)
            if self.snapshot is not None:
                viewer.render_snapshot(
                    session, self.snapshot, layer=layer, frame=self.frame, size=self.size
                )
                console.print(f"{self.snapshot}", soft_wrap=True)
            if self.render is not None:
                with progress_bar("frames", len(session.frames)) as progress:
                    viewer.render_video(
                        session, self.render, layer=layer, size=self.size, progress=progress
                    )
                console.print(f"{self.render}", soft_wrap=True)
            if self.render is None and self.snapshot is None:
                viewer.open_window(session, layer=layer)
        return 0
