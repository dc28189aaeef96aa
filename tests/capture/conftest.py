"""Scenes for the tests of workers and their supervisor."""

from __future__ import annotations

from pathlib import Path

import pytest
from filmed_scene import Scene, film


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Three cameras that work."""
    made = film(tmp_path / "scene")
    made.script(monkeypatch)
    return made
