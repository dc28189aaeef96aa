"""Scenes for the tests of the command line, and a way to call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from board_films import BoardFilms, film_board
from filmed_scene import Scene, film

from mocap.cli.main import main


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Three cameras that work, in a folder whose name has a space and brackets."""
    made = film(tmp_path / "a [bold]scene")
    made.script(monkeypatch)
    np.savez(made.folder / "observations.npz", **made.observations())
    return made


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> BoardFilms:
    """Videos of a board, with the truth."""
    return film_board(tmp_path_factory.mktemp("board films"))


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str

    def error(self) -> str:
        """The one line that says what is wrong."""
        lines = [line for line in self.err.splitlines() if not line.startswith("warning: ")]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: "), self.err
        assert "Traceback" not in self.out + self.err
        return lines[0].removeprefix("error: ")


Mocap = Callable[..., Answer]


@pytest.fixture
def mocap(capsys: pytest.CaptureFixture[str]) -> Mocap:
    """Calls the command line in this process."""

    def call(*arguments: object) -> Answer:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return call
