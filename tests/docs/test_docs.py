"""The documents say what is true: links lead somewhere, every dataset and command is described."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from mocap.model import Camera, Intrinsics, Rig
from mocap.model.skeletons import BLAZEPOSE_WHOLEBODY, BODY_25, COCO_WHOLEBODY_133, SKELETONS
from mocap.storage import layout
from mocap.storage.session_writer import SessionWriter

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_is_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f"docs/{page.name}" in readme, page.name


def test_data_model_names_every_dataset_with_its_type() -> None:
    text = (ROOT / "docs/data_model.md").read_text()
    for table, columns in (
        (layout.FRAMES_TABLE, layout.FRAMES),
        (f"{layout.OBSERVATIONS_TABLE}/<camera>", layout.OBSERVATIONS),
        (layout.RAW_TABLE, layout.RAW),
        (layout.BYSTANDERS_TABLE, layout.BYSTANDERS),
    ):
        for column in columns:
            row = next((r for r in text.splitlines() if f"`{table}/{column.name}`" in r), None)
            assert row is not None, f"{table}/{column.name}"
            rows = {"frames": "F", "people/raw": "P", "people/bystanders": "B"}
            first = rows.get(table, "N")
            shape = ", ".join([first, *map(str, column.shape)])
            assert f"| {shape} | {column.dtype.__name__} |" in row, row
    for column in layout.SMOOTH:
        assert f"`{column.name}`" in text
    for name in (layout.STATUS_DATASET, layout.SUMMARY_DATASET):
        assert f"`{name}`" in text


def test_data_model_lists_the_skeletons_with_their_sizes() -> None:
    text = (ROOT / "docs/data_model.md").read_text()
    for skeleton in SKELETONS.values():
        assert f"| `{skeleton.name}` | {len(skeleton)} |" in text


def test_mapping_of_the_default_detector_to_coco_wholebody() -> None:
    missing = set(COCO_WHOLEBODY_133.keypoints) - set(BLAZEPOSE_WHOLEBODY.keypoints)
    assert missing == {"left_small_toe", "right_small_toe"}
    text = (ROOT / "docs/data_model.md").read_text()
    for name in sorted(missing | {"left_eye_inner", "left_mouth", "left_thumb"}):
        assert f"`{name}`" in text


def test_session_file_has_nothing_that_is_not_described(tmp_path: Path) -> None:
    session_path = tmp_path / "session.h5"
    camera = Camera("a", Intrinsics((8, 8), np.eye(3), np.zeros(5)), np.eye(4))
    with SessionWriter(session_path, Rig((camera,)), BODY_25, config={}, software={}) as writer:
        writer.finish({})
    text = (ROOT / "docs/data_model.md").read_text()
    unknown: list[str] = []

    def visit(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset):
            plain = re.sub(r"^observations/[^/]+", "observations/<camera>", name)
            plain = plain.replace("people/smooth/", "people/raw/")
            if f"`{plain}`" not in text:
                unknown.append(name)

    with h5py.File(session_path) as file:
        file.visititems(visit)
        unknown += [name for name in file.attrs if f"`{name}`" not in text]
    assert unknown == []
