"""Open3D, and its rasteriser without a display.

Off-screen it draws through EGL: with the driver of the graphics card where there is one, else with
Mesa's llvmpipe on the processor.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Generator
from typing import Any

from mocap.errors import DependencyError

IMPORT_PACKAGES = "libusb-1.0-0 libx11-6 libgl1 libegl1 libudev1 libidn2-0"
RENDER_PACKAGES = "libgl1-mesa-dri libegl-mesa0"
_GL_RENDERER, _GL_VERSION = 0x1F01, 0x1F02


def import_open3d() -> Any:
    """Open3D, imported at first use, silent but for its errors.

    Raises:
        DependencyError: it, or a system library it needs, is missing.
    """
    try:
        import open3d
    except (ImportError, OSError) as error:
        raise DependencyError(
            f"cannot load Open3D, which draws the scene: {error}; install the system libraries "
            f"with 'apt-get install {IMPORT_PACKAGES} {RENDER_PACKAGES}', or reinstall open3d"
        ) from error
    open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
    return open3d


@contextlib.contextmanager
def without_display() -> Generator[None]:
    """Hides the display while a context for pictures is made.

    With a display, Open3D would draw into an invisible window, whose size the window system may
    limit; without one it draws off-screen through EGL, the same everywhere. The libraries
    below also complain when no folder for run-time files is set, so one is lent to them.
    """
    names = ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR")
    before = {name: os.environ.pop(name, None) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


def offscreen_visualizer(width: int, height: int) -> Any:
    """An Open3D visualizer that draws without a display; to be used by one thread only.

    Args:
        width: of its pictures, in pixels.
        height: of its pictures, in pixels.

    Raises:
        DependencyError: Open3D, or a graphics driver, is missing.
    """
    visualizer = import_open3d().visualization.Visualizer()
    with without_display():
        made = visualizer.create_window(width=width, height=height, visible=False)
    if not made:
        raise DependencyError(
            f"cannot draw without a display: no EGL graphics driver was found; install "
            f"Mesa's with 'apt-get install {RENDER_PACKAGES}'"
        )
    return visualizer


def opengl_device() -> str:
    """What draws: name of the OpenGL device and version of the context that this thread has.

    "unknown" where the driver cannot be asked.
    """
    try:
        egl = ctypes.CDLL("libEGL.so.1")
        egl.eglGetProcAddress.restype = ctypes.c_void_p
        address = egl.eglGetProcAddress(b"glGetString")
    except (OSError, AttributeError):
        return "unknown"
    if not address:
        return "unknown"
    get_string = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_uint)(address)
    texts = [get_string(which) for which in (_GL_RENDERER, _GL_VERSION)]
    return ", OpenGL ".join(text.decode(errors="replace") for text in texts if text) or "unknown"
