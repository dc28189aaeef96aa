"""Stand-ins for the licensed model files, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from body_stand_in import write_stand_in


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a neutral SMPL, SMPL-H and SMPL-X."""
    folder = tmp_path_factory.mktemp("body_models")
    for kind in ("smpl", "smplh", "smplx"):
        write_stand_in(folder, kind)
    return folder
