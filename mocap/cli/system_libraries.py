"""The system libraries that the Python packages need, and how to get the missing ones.

Only the standard library is used, so that this file also runs as a script before anything else is
installed: `python mocap/cli/system_libraries.py` checks, and installs what is missing if it may.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_DRIVER_FOLDERS = (
    "/usr/lib/x86_64-linux-gnu/dri",
    "/usr/lib/aarch64-linux-gnu/dri",
    "/usr/lib64/dri",
)


@dataclass(frozen=True)
class SystemLibrary:
    """A shared library that does not come with a Python package.

    Attributes:
        soname: name by which it is loaded; a name with '*' is a graphics driver file instead.
        package: the Debian or Ubuntu package that has it.
        purpose: what it is needed for.
    """

    soname: str
    package: str
    purpose: str


LIBRARIES = (
    SystemLibrary("libglib-2.0.so.0", "libglib2.0-0", "OpenCV"),
    SystemLibrary("libGL.so.1", "libgl1", "OpenCV, Open3D, MediaPipe"),
    SystemLibrary("libgomp.so.1", "libgomp1", "Open3D"),
    SystemLibrary("libusb-1.0.so.0", "libusb-1.0-0", "Open3D"),
    SystemLibrary("libX11.so.6", "libx11-6", "Open3D"),
    SystemLibrary("libEGL.so.1", "libegl1", "Open3D"),
    SystemLibrary("libudev.so.1", "libudev1", "Open3D"),
    SystemLibrary("libidn2.so.0", "libidn2-0", "Open3D"),
    SystemLibrary("libEGL_mesa.so.0", "libegl-mesa0", "pictures and videos without a display"),
    SystemLibrary("*_dri.so", "libgl1-mesa-dri", "pictures and videos without a display"),
)
"""What is needed on Linux; wheels for macOS and Windows bring everything with them."""


def missing_libraries() -> list[SystemLibrary]:
    """The libraries that cannot be loaded here; none on systems other than Linux."""
    if not sys.platform.startswith("linux"):
        return []
    return [library for library in LIBRARIES if not _present(library)]


def _present(library: SystemLibrary) -> bool:
    if "*" in library.soname:
        return any(any(Path(folder).glob(library.soname)) for folder in _DRIVER_FOLDERS)
    try:
        ctypes.CDLL(library.soname)
    except OSError:
        return False
    return True


def install_command(missing: list[SystemLibrary]) -> str:
    """The command that installs what is missing on Debian and Ubuntu."""
    packages = sorted({library.package for library in missing})
    return "apt-get install -y --no-install-recommends " + " ".join(packages)


def main() -> int:
    """Checks, and installs what is missing when run as root on Debian or Ubuntu."""
    missing = missing_libraries()
    if not missing:
        return 0
    names = ", ".join(library.soname for library in missing)
    command = install_command(missing)
    if shutil.which("apt-get") is None:
        sys.stderr.write(
            f"System libraries are missing: {names}. Install them with the package manager of "
            f"this system (on Debian and Ubuntu: {command}) and run this again.\n"
        )
        return 1
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        sys.stderr.write(
            f"System libraries are missing: {names}. Install them with\n    sudo {command}\n"
            f"and run this again.\n"
        )
        return 1
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in ("apt-get update -q", command):
        if subprocess.run(step.split(), env=environment, check=False).returncode != 0:
            sys.stderr.write(f"'{step}' failed; see above.\n")
            return 1
    still = missing_libraries()
    if still:
        sys.stderr.write(
            f"Still missing after '{command}': {', '.join(x.soname for x in still)}.\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
