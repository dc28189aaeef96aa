"""Versions of everything a session depends on."""

from __future__ import annotations

import platform
from importlib import metadata

import mocap

PACKAGES = (
    *("torch", "numpy", "opencv-contrib-python", "aniposelib", "scipy", "open3d-cpu", "open3d"),
    *("pyzmq", "smplx", "h5py", "mediapipe", "ai-edge-litert", "av", "numba", "rich", "tyro"),
)
"""The packages that are reported; of the two Open3D builds one is enough."""


def software_versions() -> dict[str, str]:
    """Versions of this program, Python, the platform and the packages that are installed."""
    versions = {
        "mocap": mocap.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
