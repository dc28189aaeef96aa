"""`mocap plan` on synthetic rigs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from synthetic_scene import ring_rig

from mocap.model import Rig
from mocap.pipeline.planning import PlanConfig, Volume, plan_rig
from mocap.storage.rig_file import save_rig

if TYPE_CHECKING:
    from conftest import Mocap

BOX = (-1.0, -1.0, 0.0, 1.0, 1.0, 2.0)


def saved(rig: Rig, folder: Path) -> Path:
    path = folder / "a [bold]rig.toml"
    save_rig(rig, path)
    return path


def test_map_as_table_json_and_picture(mocap: Mocap, tmp_path: Path) -> None:
    rig = ring_rig(3, mixed_lenses=True)
    out, picture = tmp_path / "plan.json", tmp_path / "plan.png"
    answer = mocap(
        "plan",
        "--rig",
        saved(rig, tmp_path),
        "--volume",
        *BOX,
        "--spacing-m",
        0.5,
        "--json",
        out,
        "--picture",
        picture,
    )
    assert answer.code == 0, answer.err
    assert "[bold]rig" in answer.out
    plan = plan_rig(rig, Volume(BOX[:3], BOX[3:]), PlanConfig(spacing_m=0.5))
    figures = json.loads(out.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert figures["map"]["x_m"] == [-1.0, -0.5, 0.0, 0.5, 1.0]
    errors = np.array(figures["map"]["error_mm"], float)
    np.testing.assert_allclose(errors, 1000 * plan.errors.error_m, atol=0.01)
    assert figures["figures"]["score_mm"] == pytest.approx(1000 * plan.errors.score_m)
    assert figures["one_more"]["figures"]["score_mm"] < figures["figures"]["score_mm"]
    assert set(figures["score_without_mm"]) == set(rig.names)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_single_camera_is_blind_everywhere_and_says_so(mocap: Mocap, tmp_path: Path) -> None:
    rig = saved(ring_rig(4).subset(["cam0"]), tmp_path)
    out, picture = tmp_path / "plan.json", tmp_path / "plan.png"
    answer = mocap(
        "plan",
        "--rig",
        rig,
        "--volume",
        *BOX,
        "--spacing-m",
        0.5,
        "--json",
        out,
        "--picture",
        picture,
    )
    assert answer.code == 0, answer.err
    figures = json.loads(out.read_text())
    assert figures["figures"]["blind_share"] == 1.0
    assert figures["figures"]["median_mm"] is None
    assert figures["one_more"]["figures"]["blind_share"] < 1.0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--volume", 0, 0, 0, 0, 1, 1), "is empty"),
        (("--volume", *BOX, "--sigma-px", 0), "more than 0"),
        (("--volume", *BOX, "--spacing-m", 0.001), "places"),
    ],
)
def test_impossible_options_are_one_line(
    mocap: Mocap, tmp_path: Path, options: tuple[object, ...], message: str
) -> None:
    answer = mocap("plan", "--rig", saved(ring_rig(3), tmp_path), *options)
    assert answer.code == 2
    assert message in answer.error()
