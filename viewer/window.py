"""The interactive window."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np

from mocap.errors import DependencyError
from mocap.offscreen import RENDER_PACKAGES, import_open3d
from mocap.storage.session_reader import Session
from viewer.bodies import Bodies
from viewer.controls import BINDINGS, WindowState, help_lines
from viewer.feed import Feed, load_feed
from viewer.hud import Glyphs, flat_mesh, items_of
from viewer.options import ViewOptions, check_size
from viewer.playback import Playback
from viewer.scene import Scene
from viewer.skeleton_mesh import SkeletonMesh
from viewer.viewpoint import choose_view, people_volume

logger = getLogger(__name__)

TICK_S = 1 / 60
LINE_WIDTH_PX = 1.5
BOLDNESS = 0.06
"""How far letters are thickened, by the height of a capital."""
WITHOUT_WINDOW = "use --render or --snapshot, which need none, or set DISPLAY"


def require_display() -> None:
    """Checks that a window can be opened.

    Raises:
        DependencyError: there is no display, or it does not answer.
    """
    if sys.platform != "linux":
        return
    if os.environ.get("WAYLAND_DISPLAY"):
        folder = Path(os.environ.get("XDG_RUNTIME_DIR", "/"))
        if (folder / os.environ["WAYLAND_DISPLAY"]).exists():
            return
    name = os.environ.get("DISPLAY")
    if not name:
        raise DependencyError(f"no display to open a window on; {WITHOUT_WINDOW}")
    # Without a display that answers, Open3D would draw off-screen and nobody would see it.
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError as error:
        raise DependencyError(
            f"cannot open a window: {error}; install it with 'apt-get install libx11-6'"
        ) from error
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XOpenDisplay.argtypes = [ctypes.c_char_p]
    x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
    display = x11.XOpenDisplay(name.encode())
    if not display:
        raise DependencyError(f"display {name!r} (DISPLAY) does not answer; {WITHOUT_WINDOW}")
    x11.XCloseDisplay(display)


def open_window(
    session: Session,
    *,
    layer: str,
    size: tuple[int, int] = (1280, 720),
    view: ViewOptions | None = None,
    bodies: Bodies | None = None,
    playing: bool = True,
    duration_s: float | None = None,
) -> None:
    """Shows a session in a window until it is closed.

    Args:
        session: the session.
        layer: "raw" or "smooth", at first; a key changes it.
        size: width and height of the window in pixels, at first.
        view: what to draw and from where, at first; keys and mouse change it.
        bodies: drawn instead of the keypoints.
        playing: whether playback runs at first.
        duration_s: closes the window by itself after this many seconds; None leaves it open.

    Raises:
        DependencyError: there is no display, or a graphics library is missing.
        SessionError: there is no such layer, or the session has no frame.
        InputError: the size is not possible.
    """
    options = view or ViewOptions()
    check_size(size)
    feed = load_feed(session, layer)
    require_display()
    window = _Window(session, feed, size, options, playing, bodies)
    try:
        window.run(duration_s)
    finally:
        window.close()


class _Window:
    """One open window and its state."""

    def __init__(
        self,
        session: Session,
        feed: Feed,
        size: tuple[int, int],
        options: ViewOptions,
        playing: bool,
        bodies: Bodies | None = None,
    ) -> None:
        self._session = session
        self._bodies = bodies
        self._feeds = {feed.layer: feed}
        self._options = options
        layers = session.layers or (feed.layer,)
        self.state = WindowState(
            Playback(feed.times_s, playing=playing and len(feed) > 1),
            layers,
            feed.layer,
            cameras=options.cameras,
            floor=options.floor,
            labels=options.labels,
        )
        self._first_view = choose_view(feed, session.rig, size, options)
        self._o3d = import_open3d()
        self._visualizer = self._o3d.visualization.VisualizerWithKeyCallback()
        title = f"{session.path.stem} - mocap view (H: keys)"
        if not self._visualizer.create_window(title, width=size[0], height=size[1]):
            raise DependencyError(
                f"cannot open a window: no OpenGL driver was found; install one with "
                f"'apt-get install {RENDER_PACKAGES}', or use --render or --snapshot"
            )
        people = max(self._feed(name).max_people for name in layers)
        mesh = SkeletonMesh(session.skeleton, people)
        volume = people_volume(feed.motion)
        self._scene = Scene(self._visualizer, mesh, session.rig.cameras, volume, LINE_WIDTH_PX)
        self._glyphs = _glyph_maker(self._o3d)
        self._text = self._scene.add_flat()
        for binding in BINDINGS:
            for key in binding.keys:
                self._visualizer.register_key_callback(key, self._on_key(key))
        self._scene.look_from(self._first_view)
        self._drawn: tuple[Any, ...] = ()

    def _feed(self, layer: str) -> Feed:
        if layer not in self._feeds:
            self._feeds[layer] = load_feed(self._session, layer)
        return self._feeds[layer]

    def _on_key(self, key: int) -> Callable[[Any], bool]:
        def react(_: Any) -> bool:
            before = self.state
            self.state = before.pressed(key)
            if self.state.view_resets != before.view_resets:
                self._scene.look_from(self._first_view)
            return False

        return react

    def run(self, duration_s: float | None) -> None:
        """Draws until the window is closed or the time is over."""
        for keys, meaning in help_lines():
            logger.info("%-12s %s", keys, meaning)
        started = ticked = time.monotonic()
        while self._visualizer.poll_events() and not self.state.closed:
            now = time.monotonic()
            if duration_s is not None and now - started >= duration_s:
                break
            self.state = replace(self.state, playback=self.state.playback.advanced(now - ticked))
            ticked = now
            self._draw()
            time.sleep(max(0.0, TICK_S - (time.monotonic() - now)))

    def _draw(self) -> None:
        state = self.state
        view = self._scene.current_view()
        self._scene.show("floor", state.floor)
        self._scene.show("cameras", state.cameras)
        feed, frame = self._feed(state.layer), state.playback.frame
        shown = (state.layer, frame, state.floor)
        people = feed.people(frame, self._options.uncertain_above_m)
        if shown != self._drawn:
            self._drawn = shown
            if self._bodies is None:
                self._scene.set_people(people)
            else:
                self._scene.set_bodies(self._bodies.mesh(int(feed.frames.number[frame])))
        title = self._session.path.stem
        items = items_of(state, feed, people, self._session.rig, view, title)
        self._scene.set_flat(self._text, flat_mesh(items, self._glyphs, view))
        self._visualizer.update_renderer()

    def close(self) -> None:
        """Closes the window."""
        self._visualizer.destroy_window()


def _glyph_maker(o3d: Any) -> Callable[[str], Glyphs]:
    """Gives the function that makes letters; texts once made are kept."""

    def raw(text: str) -> Any:
        # The built-in font knows no other letters.
        plain = text.encode("ascii", "replace").decode()
        return o3d.t.geometry.TriangleMesh.create_text(plain, depth=0.0).to_legacy()

    capital = np.asarray(raw("H").vertices)
    low, high = capital.min(axis=0), capital.max(axis=0)
    height = float(high[1] - low[1])

    @lru_cache(maxsize=512)
    def glyphs(text: str) -> Glyphs:
        if not text.strip():
            return np.zeros((0, 2)), np.zeros((0, 3), np.int64)
        mesh = raw(text)
        vertices = (np.asarray(mesh.vertices)[:, :2] - low[:2]) / height
        triangles = np.asarray(mesh.triangles, np.int64)
        # The strokes of the font are thin: a second copy beside the first makes them stronger.
        bolder = np.concatenate([vertices, vertices + np.array([BOLDNESS, 0.0])])
        return bolder, np.concatenate([triangles, triangles + len(vertices)])

    return glyphs
