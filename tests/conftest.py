"""Fixtures that several packages' tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

ROOT = Path(__file__).resolve().parents[1]

# Lets tests of all packages import `synthetic_scene`; pytest itself adds no folder to the path
# (`--import-mode=importlib`).
sys.path.insert(0, str(Path(__file__).parent))

# Shapes and types of the core are checked while the tests run, and only then. Left out are the
# kernels, since numba cannot take a checked function; mocap.model, whose classes check their arrays
# themselves: a check before that would hide theirs from the tests; and what takes protocols, which
# cannot be checked at run time.
install_import_hook(
    [
        "mocap.arrays",
        "mocap.association.matching",
        "mocap.association.rays",
        "mocap.files",
        "mocap.geometry.projection",
        "mocap.geometry.rotations",
        "mocap.geometry.triangulation",
        "mocap.pipeline.metrics",
        "mocap.pipeline.reconstructor",
        "mocap.pipeline.smooth",
        "mocap.pipeline.sync",
        "mocap.pipeline.frame_state",
        "mocap.reconstruction.camera_noise",
        "mocap.reconstruction.expectation",
        "mocap.reconstruction.links",
        "mocap.reconstruction.mirror",
        "mocap.reconstruction.person",
        "mocap.storage",
        "mocap.tracking.sleep",
    ],
    "type_checker.check",
)

settings.register_profile("mocap", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("mocap")

SHARED_DATA_VARIABLE = "MOCAP_SHARED_DATA"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data, which is not part of the repository."""
    default = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
    folder = Path(os.environ.get(SHARED_DATA_VARIABLE, default)).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set {SHARED_DATA_VARIABLE} to its folder")
    return folder


@pytest.fixture(scope="session")
def shared_path(shared_data: Path) -> Callable[[str], Path]:
    """Gives the path of one file or folder of the real data; skips the test where it is absent."""

    def find(relative: str) -> Path:
        path = shared_data / relative
        if not path.exists():
            pytest.skip(f"no {relative} in the real data at {shared_data}")
        return path

    return find
