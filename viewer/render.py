"""Pictures and videos of a session, drawn without a display."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np

from mocap.arrays import UInt8
from mocap.closing import Closing
from mocap.errors import InputError, OutputError
from mocap.files import check_output, write_atomically
from mocap.offscreen import offscreen_visualizer
from mocap.storage.session_reader import Session
from viewer.bodies import Bodies
from viewer.feed import Feed, load_feed
from viewer.options import ViewOptions, check_size
from viewer.overlay import Overlay, caption_of, label_cameras, label_people
from viewer.playback import pictures
from viewer.scene import Scene
from viewer.skeleton_mesh import SkeletonMesh
from viewer.stage import camera_label_points
from viewer.viewpoint import ViewPoint, cameras_in_view, choose_view, people_volume

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
VIDEO_SUFFIXES = (".mp4",)
MAX_FPS = 240.0
X264_OPTIONS = {"crf": "18", "preset": "veryfast"}


class Panel(Protocol):
    """Something to be shown left of the 3D view."""

    @property
    def width(self) -> int:
        """In pixels, even."""
        ...

    def draw(self, frame: int) -> UInt8[np.ndarray, "height width 3"]:
        """The picture beside a frame, counted from 0 in the table of frames, in BGR."""
        ...


class Renderer(Closing):
    """Draws frames of one layer of a session into arrays.

    Args:
        session: the session.
        feed: the layer of it.
        view_point: from where to look; its size is the size of the pictures.
        options: what to draw.
        bodies: drawn instead of the keypoints.

    Raises:
        DependencyError: a graphics library is missing.
    """

    def __init__(
        self,
        session: Session,
        feed: Feed,
        view_point: ViewPoint,
        options: ViewOptions,
        bodies: Bodies | None = None,
    ) -> None:
        self._feed = feed
        self._bodies = bodies
        self._view = view_point
        self._options = options
        self._title = session.path.stem
        volume = people_volume(feed.motion)
        cameras = cameras_in_view(session.rig, view_point, volume)
        self._names = [camera.name for camera in cameras]
        self._label_points = camera_label_points(cameras)
        large = view_point.scaled(options.supersample)
        self._visualizer = offscreen_visualizer(*large.size)
        try:
            mesh = SkeletonMesh(feed.skeleton, feed.max_people)
            self._scene = Scene(self._visualizer, mesh, cameras, volume, 1.2 * options.supersample)
            self._scene.show("floor", options.floor)
            self._scene.show("cameras", options.cameras)
            self._scene.look_from(large)
        except BaseException:
            self.close()
            raise

    def draw(self, frame: int) -> UInt8[np.ndarray, "height width 3"]:
        """The picture of a frame, counted from 0 in the table of frames, in BGR."""
        import cv2

        people = self._feed.people(frame, self._options.uncertain_above_m)
        if self._bodies is None:
            self._scene.set_people(people)
        else:
            self._scene.set_bodies(self._bodies.mesh(int(self._feed.frames.number[frame])))
        self._visualizer.poll_events()
        large = np.asarray(self._visualizer.capture_screen_float_buffer(True))
        small = cv2.resize(large, self._view.size, interpolation=cv2.INTER_AREA)
        picture = np.ascontiguousarray((small[:, :, ::-1] * 255.0 + 0.5).astype(np.uint8))
        if self._options.labels:
            overlay = Overlay(picture)
            if self._options.cameras:
                label_cameras(overlay, self._view, self._names, self._label_points)
            label_people(overlay, self._view, people)
            caption = caption_of(self._title, self._feed, frame)
            pale = self._bodies is None and bool(people.doubtful.any())
            sides = self._bodies is None or self._bodies.has_sides
            overlay.caption(caption, pale=pale, sides=sides)
        return picture

    def close(self) -> None:
        """Gives the graphics context back."""
        self._visualizer.destroy_window()


def render_snapshot(
    session: Session,
    path: Path,
    *,
    layer: str,
    frame: int | None = None,
    size: tuple[int, int] = (1280, 720),
    view: ViewOptions | None = None,
    panel: Panel | None = None,
    bodies: Bodies | None = None,
    overwrite: bool = True,
) -> None:
    """Draws one frame of a session into a picture file, without a display.

    A session without people gives a picture of the floor and the cameras that says so.

    Args:
        session: the session.
        path: the file to make, `.png` or `.jpg`.
        layer: "raw" or "smooth".
        frame: number of the frame; None for the one in the middle among those with the most
            people.
        size: width and height in pixels.
        view: what to draw and from where.
        panel: a picture to put left of it, as high as it is.
        bodies: drawn instead of the keypoints.
        overwrite: whether an existing file may be replaced.

    Raises:
        InputError: there is no such frame, or the size or the kind of file is not possible.
        SessionError: there is no such layer, or the session has no frame.
        OutputError: the file cannot be written.
        DependencyError: a graphics library is missing.
    """
    import cv2

    options = view or ViewOptions()
    _check_suffix(path, PICTURE_SUFFIXES, "picture")
    check_size(size)
    check_output(path, overwrite=overwrite)
    feed = load_feed(session, layer)
    position = feed.busiest_frame if frame is None else _position(session, feed, frame)
    view_point = choose_view(feed, session.rig, size, options, position)
    with Renderer(session, feed, view_point, options, bodies) as renderer:
        picture = renderer.draw(position)
    if panel is not None:
        picture = np.hstack([panel.draw(position), picture])
    done, data = cv2.imencode(path.suffix.lower(), picture)
    if not done:
        raise OutputError(f"cannot encode the picture {path}; choose another kind of file")
    write_atomically(path, data.tobytes())


def render_video(
    session: Session,
    path: Path,
    *,
    layer: str,
    size: tuple[int, int] = (1280, 720),
    fps: float | None = None,
    view: ViewOptions | None = None,
    panel: Panel | None = None,
    bodies: Bodies | None = None,
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = True,
) -> None:
    """Draws a session into an H.264 video that runs in real time, without a display.

    A session without people gives a video of the floor and the cameras that says so.

    Args:
        session: the session.
        path: the file to make, `.mp4`; it appears when it is complete.
        layer: "raw" or "smooth".
        size: width and height in pixels, both even.
        fps: pictures per second; None for the frame rate of the session.
        view: what to draw and from where.
        panel: a picture to put left of each frame, as high as the video.
        bodies: drawn instead of the keypoints.
        progress: is called with the number of pictures done and of all pictures.
        overwrite: whether an existing file may be replaced.

    Raises:
        InputError: the size, the rate or the kind of file is not possible.
        SessionError: there is no such layer, or the session has no frame.
        OutputError: the file cannot be written.
        DependencyError: a graphics library is missing.
    """
    options = view or ViewOptions()
    _check_suffix(path, VIDEO_SUFFIXES, "video")
    check_size(size, even=True)
    if fps is not None and not 0 < fps <= MAX_FPS:
        raise InputError(f"fps is {fps:g}; give pictures per second above 0, up to {MAX_FPS:g}")
    check_output(path, overwrite=overwrite)
    feed = load_feed(session, layer)
    shown, rate = pictures(feed.times_s, feed.frames.number, fps)
    view_point = choose_view(feed, session.rig, size, options)
    whole = size if panel is None else (size[0] + panel.width, size[1])
    with (
        Renderer(session, feed, view_point, options, bodies) as renderer,
        _video(path, whole, rate) as add,
    ):
        drawn, picture = -1, np.zeros((0, 0, 3), np.uint8)
        for done, position in enumerate(shown, start=1):
            if position != drawn:
                drawn, picture = int(position), renderer.draw(int(position))
                if panel is not None:
                    picture = np.hstack([panel.draw(drawn), picture])
            add(picture)
            if progress is not None:
                progress(done, len(shown))


@contextlib.contextmanager
def _video(
    path: Path, size: tuple[int, int], rate: float
) -> Generator[Callable[[UInt8[np.ndarray, "height width 3"]], None]]:
    """Gives a function that adds a BGR picture to a video; the file appears at the end."""
    import av
    from av.error import FFmpegError

    part = path.with_name(f".{path.name}.part")
    try:
        with av.open(str(part), "w", format="mp4", options={"movflags": "faststart"}) as container:
            stream = container.add_stream(
                "libx264", rate=Fraction(rate).limit_denominator(1001), options=X264_OPTIONS
            )
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"

            def add(picture: UInt8[np.ndarray, "height width 3"]) -> None:
                frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
                container.mux(stream.encode(frame))

            yield add
            container.mux(stream.encode(None))
        part.replace(path)
    except (FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"cannot write the video {path}: {reason}; is the disk full? choose another place"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _check_suffix(path: Path, suffixes: tuple[str, ...], what: str) -> None:
    if path.suffix.lower() not in suffixes:
        raise InputError(f"{path} is no name for a {what}; let it end in {' or '.join(suffixes)}")


def _position(session: Session, feed: Feed, number: int) -> int:
    found = np.flatnonzero(feed.frames.number == number)
    if len(found) == 0:
        first, last = int(feed.frames.number[0]), int(feed.frames.number[-1])
        raise InputError(
            f"{session.path} has no frame {number}; it has {len(feed)} frames, from {first} to "
            f"{last}"
        )
    return int(found[0])
