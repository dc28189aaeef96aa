"""Looking at sessions: pure scene geometry, playback, Open3D window and off-screen rendering."""

from viewer.bodies import Bodies
from viewer.camera_panel import CameraPanel
from viewer.options import ViewOptions
from viewer.render import render_snapshot, render_video
from viewer.window import open_window, require_display

__all__ = [
    "Bodies",
    "CameraPanel",
    "ViewOptions",
    "open_window",
    "render_snapshot",
    "render_video",
    "require_display",
]
