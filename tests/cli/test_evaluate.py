"""`mocap evaluate` on a session whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from synthetic_scene import frame_set, ring_rig, standing_person

from mocap.model.config import ReconstructionConfig
from mocap.model.skeletons import HALPE_26
from mocap.model.truth import Truth
from mocap.pipeline.reconstructor import Reconstructor
from mocap.storage.session_writer import SessionWriter
from mocap.storage.truth_file import save_truth

if TYPE_CHECKING:
    from conftest import Mocap

FRAMES = 12


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a session of two people, raw layer only, and its truth."""
    folder = tmp_path_factory.mktemp("a [bold]scene")
    rig, rng = ring_rig(4), np.random.default_rng(0)
    reconstructor = Reconstructor(rig, HALPE_26, ReconstructionConfig())
    points = np.array(
        [
            [standing_person(HALPE_26, (0.02 * f + p, 0.5 - p), 0.5 * p) for p in range(2)]
            for f in range(FRAMES)
        ]
    )
    with SessionWriter(folder / "session.h5", rig, HALPE_26, config={}, software={}) as writer:
        for f in range(FRAMES):
            made = frame_set(f, points[f], rig, rng=rng, sigma_px=2.0)
            writer.add_frame(made, reconstructor.process(made))
        writer.finish({})
    frame = np.repeat(np.arange(FRAMES), 2)
    truth = Truth.of_points(
        HALPE_26.keypoints,
        rig.names,
        frame,
        frame / 30.0,
        np.tile([0, 1], FRAMES),
        points.reshape(-1, len(HALPE_26), 3),
        np.ones((2 * FRAMES, 4, len(HALPE_26)), bool),
    )
    save_truth(folder / "truth.npz", truth)
    return folder


def test_figures_as_table_json_and_picture(mocap: Mocap, scene: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "figures.json", tmp_path / "errors.png"
    arguments = ["evaluate", scene / "session.h5", "--truth", scene / "truth.npz"]
    answer = mocap(*arguments, "--json", out, "--picture", picture)
    assert answer.code == 0, answer.err
    assert "[bold]scene" in answer.out
    assert "missing 0, false 0, id switches 0" in answer.out
    figures = json.loads(out.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert figures["layer"] == "raw"
    assert figures["frames"] == FRAMES
    body = figures["parts"]["body"]
    assert 5 < body["mpjpe_mm"] < 25
    assert f"{body['mpjpe_mm']:.1f}" in answer.out
    assert body["pck"]["150"] == 1.0
    assert figures["parts"]["body"]["jitter"]["triples"] == 2 * (FRAMES - 2) * len(HALPE_26)
    assert "hands" not in figures["parts"]
    assert [joint["name"] for joint in figures["joints"]] == list(HALPE_26.keypoints)
    assert picture.read_bytes().startswith(b"\x89PNG")
    again = mocap(*arguments, "--json", out)
    assert again.code == 2
    assert "exists already" in again.error()
    assert mocap(*arguments, "--json", out, "--overwrite").code == 0


def test_a_truth_without_anything_in_common_is_one_line(
    mocap: Mocap, scene: Path, tmp_path: Path
) -> None:
    answer = mocap("evaluate", scene / "session.h5", "--truth", scene / "session.h5")
    assert answer.code == 2
    assert "not a truth file" in answer.error()
    answer = mocap(
        "evaluate", scene / "session.h5", "--truth", scene / "truth.npz", "--layer", "smooth"
    )
    assert answer.code == 2
    assert "no smooth layer" in answer.error()


def test_nobody_in_the_truth_still_gives_a_report(
    mocap: Mocap, scene: Path, tmp_path: Path
) -> None:
    k = len(HALPE_26)
    nobody = Truth.of_points(
        HALPE_26.keypoints,
        ring_rig(4).names,
        np.zeros(0, np.int64),
        np.zeros(0),
        np.zeros(0, np.int64),
        np.zeros((0, k, 3)),
        np.zeros((0, 4, k), bool),
    )
    save_truth(tmp_path / "truth.npz", nobody)
    out, picture = tmp_path / "figures.json", tmp_path / "errors.png"
    answer = mocap(
        "evaluate",
        scene / "session.h5",
        "--truth",
        tmp_path / "truth.npz",
        "--json",
        out,
        "--picture",
        picture,
    )
    assert answer.code == 0, answer.err
    figures = json.loads(out.read_text())
    assert figures["people"]["false"] == 2 * FRAMES
    assert figures["parts"]["body"]["mpjpe_mm"] is None
    assert picture.read_bytes().startswith(b"\x89PNG")
