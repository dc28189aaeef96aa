"""Fixtures that several packages' tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# Lets tests of all packages import `synthetic_scene`; pytest itself adds no folder to the path.
sys.path.insert(0, str(Path(__file__).parent))

# Shapes and types of the core are checked while the tests run, and only then. The kernels are
# compiled by numba, which cannot take a checked function.
install_import_hook(
    [
        "mocap.arrays",
        "mocap.association",
        "mocap.files",
        "mocap.geometry.projection",
        "mocap.geometry.rotations",
        "mocap.geometry.triangulation",
        "mocap.model",
        "mocap.pipeline",
        "mocap.reconstruction",
        "mocap.storage",
        "mocap.tracking",
    ],
    "beartype.beartype",
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
