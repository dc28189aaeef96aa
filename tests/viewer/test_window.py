from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

import viewer
from mocap.errors import DependencyError, InputError
from mocap.offscreen import without_display


def test_importing_the_viewer_loads_no_heavy_library():
    code = (
        "import sys, viewer\n"
        "heavy = {'open3d', 'av', 'cv2', 'torch'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_a_display_the_error_says_what_to_use(walkers, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(DependencyError, match=r"no display .* --render or --snapshot.* DISPLAY"):
        viewer.open_window(walkers, layer="raw")


def test_a_display_that_does_not_answer_is_an_error(walkers, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":987")
    monkeypatch.setenv("WAYLAND_DISPLAY", "no-such-socket")
    with pytest.raises(DependencyError, match=r"':987' .*does not answer|libx11"):
        viewer.open_window(walkers, layer="raw")


def test_an_impossible_size_is_refused_before_anything_is_opened(walkers):
    with pytest.raises(InputError, match="out of range"):
        viewer.open_window(walkers, layer="raw", size=(10, 10))


def test_the_display_is_hidden_only_for_a_while(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":5")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with pytest.raises(KeyError), without_display():
        assert "DISPLAY" not in os.environ
        raise KeyError
    assert os.environ["DISPLAY"] == ":5"
    assert "XDG_RUNTIME_DIR" not in os.environ


@pytest.mark.usefixtures("graphics")
@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="needs xvfb to open a window")
def test_a_window_opens_plays_and_closes(walkers):
    code = (
        "import sys; from pathlib import Path; from mocap.storage.session_reader import Session\n"
        "import viewer; from viewer import window\n"
        "frames = set(); draw = window._Window._draw\n"
        "def spy(self):\n"
        "    if len(frames) == 3: self.state = self.state.pressed(ord('L')).pressed(ord('C'))\n"
        "    draw(self); frames.add((self.state.layer, self.state.playback.frame))\n"
        "window._Window._draw = spy\n"
        "with Session(Path(sys.argv[1])) as s:\n"
        "    viewer.open_window(s, layer='smooth', duration_s=2)\n"
        "print(len(frames), sorted({layer for layer, _ in frames}))\n"
    )
    done = subprocess.run(
        ["xvfb-run", "-a", sys.executable, "-c", code, str(walkers.path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    count, layers = done.stdout.strip().splitlines()[-1].split(" ", 1)
    assert int(count) > 6
    assert layers == "['raw', 'smooth']"
