from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

import mocap as package
from mocap.cli import main as cli
from mocap.cli.main import COMMANDS


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("help",)])
def test_the_overview_names_every_command(mocap, arguments: tuple[str, ...]) -> None:
    answer = mocap(*arguments)
    assert answer.code == 0
    assert answer.err == ""
    assert answer.out.startswith("usage: mocap COMMAND")
    for name in COMMANDS:
        assert f"\n  {name} " in answer.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(mocap, name: str) -> None:
    answer = mocap(*name.split(), "--help")
    assert answer.code == 0
    assert answer.out.startswith(f"usage: mocap {name}")
    assert "{None}" not in answer.out
    assert "(default: )" not in answer.out
    assert "(default: None)" not in answer.out


def test_the_help_of_run_has_the_options_under_their_groups(mocap) -> None:
    out = mocap("run", "--help").out
    for words in (
        "--rig RIG",
        "--out SESSION.h5",
        "--videos PATH [PATH ...]",
        "--observations OBS.npz",
        "--triangulation.gate-sigmas",
        "--smoothing.cutoff-hz",
        "Example: mocap run --rig",
        "Exit codes:",
    ):
        assert words in out
    assert "mocap export session.h5 --format bvh trc" in mocap("export", "--help").out
    assert "SESSION" in mocap("view", "--help").out


def test_the_version(mocap) -> None:
    answer = mocap("--version")
    assert (answer.code, answer.out) == (0, f"mocap {package.__version__}\n")


@pytest.mark.parametrize(
    ("name", "hint"), [("exprot", "; did you mean 'export'?"), ("frobnicate", ""), ("--bogus", "")]
)
def test_an_unknown_command(mocap, name: str, hint: str) -> None:
    answer = mocap(name)
    assert answer.code == 2
    assert answer.error() == (
        f"there is no command {name!r}; commands are {', '.join(COMMANDS)}{hint}"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run",), "--rig"),
        (("run", "--rig", "a", "--out", "b", "--bogus"), "--bogus"),
        (("info",), "SESSION"),
        (("run", "--rig", "a", "--out", "b", "--fps", "fast"), "--fps"),
        (("run", "--rig", "a", "--out", "b", "--pace", "slow"), "--pace"),
    ],
)
def test_wrong_options_are_named_without_a_traceback(
    mocap, arguments: tuple[str, ...], words: str
) -> None:
    answer = mocap(*arguments)
    assert answer.code == 2
    assert words in answer.err
    assert "Traceback" not in answer.err


def test_a_defect_of_the_program_is_not_hidden(monkeypatch, mocap) -> None:
    monkeypatch.setattr(cli, "_parse", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        mocap("info", "x")


def test_an_unforeseen_refusal_of_the_system_is_one_line(monkeypatch, mocap) -> None:
    def refuse(arguments: list[str]) -> None:
        raise PermissionError(13, "Permission denied", "/some/[odd] file")

    monkeypatch.setattr(cli, "_parse", refuse)
    answer = mocap("info", "x")
    assert answer.code == 2
    assert answer.error().startswith("/some/[odd] file: Permission denied; check")


def test_a_full_disk_is_one_line(monkeypatch, mocap) -> None:
    def fill(arguments: list[str]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cli, "_parse", fill)
    answer = mocap("info", "x")
    assert answer.code == 2
    assert answer.error().startswith("output: No space left on device; check")


def test_what_the_library_logs_is_a_warning_in_one_line(monkeypatch, mocap) -> None:
    class Noisy:
        def execute(self) -> int:
            logging.getLogger("capture.something").warning("file %s:smile: is\nodd", "[b]x[/b]")
            logging.getLogger("capture.something").info("not of interest")
            return 0

    monkeypatch.setattr(cli, "_parse", lambda _: Noisy())
    monkeypatch.setenv("COLUMNS", "20")
    assert mocap("info", "x").err == "warning: file [b]x[/b]:smile: is odd\n"


def test_the_command_is_installed_and_starts_quickly_without_heavy_libraries() -> None:
    program = Path(sys.executable).with_name("mocap")
    result = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == f"mocap {package.__version__}\n"
    code = (
        "import sys; import mocap.cli.main; "
        "heavy = {'mediapipe', 'torch', 'cv2', 'av', 'open3d', 'jax'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
