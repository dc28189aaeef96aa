"""Machine code that is kept never outlives the sources it was made from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mocap import compiled

INNER = """
from mocap.compiled import kernel


@kernel
def inner(x):
    return {factor} * x
"""
OUTER = """
from mocap.compiled import kernel
from mocap.inner import inner


@kernel
def outer(x):
    return 1.0 + inner(x)


if __name__ == "__main__":
    print(outer(2.0))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small package of that name with the module under test and two compiled functions."""
    folder = tmp_path / "mocap"
    folder.mkdir()
    (folder / "__init__.py").touch()
    shutil.copy(compiled.__file__, folder / "compiled.py")
    (folder / "inner.py").write_text(INNER.format(factor="3.0"))
    (folder / "outer.py").write_text(OUTER)
    return folder


def result(package: Path, call: str = "from mocap.outer import outer; print(outer(2.0))") -> str:
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    environment["PYTHONPATH"] = str(package.parent)
    done = subprocess.run(
        [sys.executable, "-c", call],
        env=environment,
        cwd=package.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def kept(package: Path) -> list[Path]:
    return sorted((package / "__pycache__").glob("kernels-*"))


def test_a_change_in_a_function_that_was_compiled_into_another_is_seen(package: Path) -> None:
    assert result(package) == "7.0"
    assert len(kept(package)) == 1
    assert list(kept(package)[0].rglob("*.nbc"))
    (package / "inner.py").write_text(INNER.format(factor="5.0"))
    assert result(package) == "11.0"
    assert len(kept(package)) == 2


def test_what_is_kept_is_used_and_other_files_do_not_count(package: Path) -> None:
    code = "from mocap.outer import outer; outer(2.0); print(sum(outer.stats.cache_hits.values()))"
    assert result(package, code) == "0"
    (package / "plain.py").write_text("x = 1\n")
    assert result(package, code) == "1"


def test_old_states_of_the_sources_go(package: Path) -> None:
    place = package / "__pycache__"
    for n in range(6):
        old = place / f"kernels-{n}"
        old.mkdir(parents=True)
        os.utime(old, (1000 + n, 1000 + n))
    code = "from mocap.compiled import cache_folder; print(cache_folder())"
    folder = result(package, code)
    assert Path(folder).parent == place
    assert [path.name for path in kept(package)] == ["kernels-3", "kernels-4", "kernels-5"]


def test_a_write_protected_package_keeps_its_code_with_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(compiled.os, "access", lambda _path, _mode: False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled.cache_folder.cache_clear()
    try:
        assert compiled.cache_folder().parent == tmp_path / "mocap"
    finally:
        compiled.cache_folder.cache_clear()
