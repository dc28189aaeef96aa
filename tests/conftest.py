"""Fixtures that several packages' tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

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
