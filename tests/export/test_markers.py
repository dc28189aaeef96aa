"""TRC and C3D: markers, gaps, axes, units, read by other readers."""

from __future__ import annotations

import io
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import ezc3d
import numpy as np
import pandas as pd
import pytest
from export_readers import RATE_HZ, source_of

from mocap.errors import InputError
from mocap.export.c3d import C3dOptions, write_c3d
from mocap.export.markers import Markers, close_gaps, person_markers
from mocap.export.trc import TrcOptions, marker_summary, write_trc
from mocap.model import Motion, skeleton_by_name

OPENSIM_VARIABLE = "MOCAP_OPENSIM_PYTHON"
ALL = ("body", "feet", "left_hand", "right_hand", "face")


def read_trc(path: Path) -> tuple[dict[str, str], list[str], pd.DataFrame]:
    """Head, marker names and values of a TRC, by the format's description and pandas."""
    lines = path.read_text().split("\n")
    assert lines[0].split("\t")[:3] == ["PathFileType", "4", "(X/Y/Z)"]
    head = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    labels = lines[3].split("\t")
    assert labels[:2] == ["Frame#", "Time"]
    names = labels[2::3][: int(head["NumMarkers"])]
    assert lines[4].split("\t")[2:] == [f"{a}{i + 1}" for i in range(len(names)) for a in "XYZ"]
    assert lines[5] == ""
    columns = ["frame", "time", *(f"{n}_{a}" for n in names for a in "xyz")]
    table = pd.read_csv(io.StringIO("\n".join(lines[6:])), sep="\t", header=None, names=columns)
    return head, names, table


def values_of(table: pd.DataFrame, names: list[str]) -> np.ndarray:
    return np.stack([table[[f"{n}_{a}" for a in "xyz"]].to_numpy() for n in names], axis=1)


@pytest.fixture
def gappy(walker, as_motion) -> Motion:
    """Frames 10 to 59 but 30; the left wrist is missing in 20 to 23, the nose at the beginning."""
    table = skeleton_by_name("halpe26")
    points = walker.array(table)[:50].copy()
    points[10:14, table.index("left_wrist")] = np.nan
    points[:3, table.index("nose")] = np.nan
    points[:, table.index("left_eye")] = np.nan
    points[25:, table.index("right_ear")] = np.nan
    keep = np.arange(50) != 20
    return as_motion(table, points[keep], frame=10 + np.flatnonzero(keep))


@pytest.fixture
def markers(gappy) -> Markers:
    return person_markers(source_of(gappy), 3, ALL, "own")


def test_markers_stand_on_an_even_grid(gappy, markers) -> None:
    assert markers.frame.tolist() == list(range(10, 60))
    np.testing.assert_allclose(np.diff(markers.time_s), 1 / RATE_HZ)
    assert markers.time_s[0] == gappy.time_s[0]
    assert "left_eye" not in markers.names
    assert "right_ear" in markers.names
    assert not markers.there[20].any()
    at = gappy.skeleton.index("left_hip")
    np.testing.assert_array_equal(
        markers.points_m[21, markers.names.index("left_hip")], gappy.points_m[20, at]
    )
    assert markers.sigma_m[0, 3] == pytest.approx(np.sqrt(3e-4))
    assert markers.used[0, :, 3].all()
    assert not markers.used[20].any()


def test_filling_bridges_gaps_cuts_the_ends_and_says_so(markers, tmp_path) -> None:
    path = tmp_path / "person_3.trc"
    written, notes = write_trc(markers, path, TrcOptions(up="z"))
    head, names, table = read_trc(path)
    assert "right_ear" not in names
    assert notes == (
        "left out, missing at the ends: right_ear",
        f"{len(names) + 4} positions filled by lines, longest gap 4 frames",
        "cut to frames 13 to 59 (3 of 50 frames cut off)",
    )
    assert head["NumFrames"] == str(len(table)) == "47"
    assert head["Units"] == "m"
    assert float(head["DataRate"]) == RATE_HZ
    assert table.frame.tolist() == list(range(1, 48))
    assert np.isfinite(table.to_numpy()).all()
    np.testing.assert_allclose(table.time, markers.time_s[3:], atol=1e-6)
    own = [markers.names.index(n) for n in names]
    truth, found = markers.points_m[3:][:, own], values_of(table, names)
    there = np.isfinite(truth)
    np.testing.assert_allclose(found[there], truth[there], atol=1e-6)
    wrist = names.index("left_wrist")
    a, b = found[6, wrist], found[11, wrist]
    np.testing.assert_allclose(found[8, wrist], a + 0.4 * (b - a), atol=2e-6)
    assert marker_summary(written).startswith(f"person 3: 47 frames, {len(names)} markers, median")


def test_trimming_keeps_the_longest_stretch_without_gaps(markers) -> None:
    result, notes = close_gaps(markers, "trim")
    assert result.frame.tolist() == list(range(31, 60))
    assert result.there.all()
    assert notes[-1] == "cut to frames 31 to 59 (21 of 50 frames cut off)"


def test_gaps_left_alone_are_empty_cells(markers, tmp_path) -> None:
    path = tmp_path / "person_3.trc"
    _, notes = write_trc(markers, path, TrcOptions(gaps="leave", up="z"))
    _, names, table = read_trc(path)
    np.testing.assert_allclose(values_of(table, names), markers.points_m, atol=1e-6)
    assert notes == (f"{np.count_nonzero(~markers.there)} positions missing, left empty",)


def test_markers_without_any_common_frame_are_an_error(walker, as_motion) -> None:
    table = skeleton_by_name("coco17")
    points = np.full((20, 17, 3), np.nan)
    points[:10, 0] = points[10:, 1] = 1.0
    markers = person_markers(source_of(as_motion(table, points)), 3, ALL, "own")
    for gaps in ("fill", "trim"):
        with pytest.raises(InputError, match=r"person 3: every marker is missing.*fewer --frames"):
            close_gaps(markers, gaps)
    points[:] = 1.0
    points[::2, 0] = points[1::2, 1] = np.nan
    markers = person_markers(source_of(as_motion(table, points)), 3, ALL, "own")
    with pytest.raises(InputError, match=r"person 3: there is no frame in which all markers"):
        close_gaps(markers, "trim")


def test_up_axis_and_unit_of_trc(walker, tmp_path) -> None:
    markers = person_markers(source_of(walker.motion()), 3, ("body",), "pose2sim")
    path = tmp_path / "a.trc"
    write_trc(markers, path, TrcOptions(unit="mm"))
    head, names, table = read_trc(path)
    assert head["Units"] == "mm"
    assert {"Hip", "Neck", "LShoulder", "RAnkle"} <= set(names)
    assert "LBigToe" not in names
    truth = 1000 * markers.points_m[..., [1, 2, 0]]
    np.testing.assert_allclose(values_of(table, names), truth, atol=1e-3)
    heights = values_of(table, ["Neck"])[:, 0, 1]
    assert (heights > 1000).all()


def test_c3d_is_read_with_residuals_cameras_and_gaps(markers, tmp_path) -> None:
    path = tmp_path / "person_3.c3d"
    notes = write_c3d(markers, path, C3dOptions(), {"left foot strike": [0.1, 0.62]})
    read = ezc3d.c3d(str(path))
    parameters = read["parameters"]
    assert tuple(parameters["POINT"]["LABELS"]["value"]) == markers.names
    assert parameters["POINT"]["UNITS"]["value"] == ["mm"]
    assert parameters["POINT"]["RATE"]["value"][0] == RATE_HZ
    assert parameters["POINT"]["Y_SCREEN"]["value"] == ["+Z"]
    assert parameters["POINT"]["FRAMES"]["value"][0] == 50
    assert parameters["MOCAP"]["FIRST_FRAME"]["value"][0] == 10
    assert parameters["MOCAP"]["FIRST_TIME_S"]["value"][0] == pytest.approx(markers.time_s[0])
    points = np.moveaxis(read["data"]["points"][:3], 0, 2).swapaxes(0, 1)
    np.testing.assert_allclose(points, 1000 * markers.points_m, atol=1e-2)
    residuals = read["data"]["meta_points"]["residuals"][0].T
    np.testing.assert_array_equal(residuals == -1, ~markers.there)
    np.testing.assert_allclose(
        residuals[markers.there], 1000 * markers.sigma_m[markers.there], atol=0.25
    )
    masks = read["data"]["meta_points"]["camera_masks"]
    np.testing.assert_array_equal(masks[:3], np.moveaxis(markers.used, 0, 2))
    assert not masks[3:].any()
    assert parameters["EVENT"]["LABELS"]["value"] == ["Foot Strike", "Foot Strike"]
    assert parameters["EVENT"]["CONTEXTS"]["value"] == ["Left", "Left"]
    assert parameters["EVENT"]["TIMES"]["value"][1].tolist() == pytest.approx([0.1, 0.62])
    assert notes == (f"{np.count_nonzero(~markers.there)} positions missing, with residual -1",)


def test_c3d_in_metres_with_y_up_and_many_cameras(walker, tmp_path) -> None:
    markers = person_markers(source_of(walker.motion(), cameras=9), 3, ("body",), "own")
    path = tmp_path / "a.c3d"
    notes = write_c3d(markers, path, C3dOptions(unit="m", up="y"), {})
    read = ezc3d.c3d(str(path))
    assert read["parameters"]["POINT"]["Y_SCREEN"]["value"] == ["+Y"]
    points = np.moveaxis(read["data"]["points"][:3], 0, 2).swapaxes(0, 1)
    np.testing.assert_allclose(points, markers.points_m[..., [1, 2, 0]], atol=1e-6)
    assert notes == ("the camera mask holds the first 7 cameras only",)


def test_large_residuals_do_not_wrap_around(markers, tmp_path) -> None:
    sigma = np.linspace(0.0, 0.4, markers.sigma_m.size).reshape(markers.sigma_m.shape)
    path = tmp_path / "a.c3d"
    write_c3d(replace(markers, sigma_m=sigma), path, C3dOptions(), {})
    residuals = ezc3d.c3d(str(path))["data"]["meta_points"]["residuals"][0].T
    wanted = np.minimum(1000 * sigma, 127.5)
    np.testing.assert_allclose(residuals[markers.there], wanted[markers.there], atol=0.26)


def test_more_frames_than_c3d_can_count(as_motion, tmp_path) -> None:
    points = np.ones((65_536, 17, 3))
    motion = as_motion(skeleton_by_name("coco17"), points)
    markers = person_markers(source_of(motion), 3, ("body",), "own")
    with pytest.raises(InputError, match=r"65536 frames, C3D counts to 65535.*--frames"):
        write_c3d(markers, tmp_path / "long.c3d", C3dOptions(), {})
    almost = markers.select(frames=slice(1, None), markers=np.arange(17) < 2)
    write_c3d(almost, tmp_path / "long.c3d", C3dOptions(), {})
    assert ezc3d.c3d(str(tmp_path / "long.c3d"))["data"]["points"].shape == (4, 2, 65_535)


def test_a_person_or_part_that_is_not_there(walker, as_motion) -> None:
    source = source_of(walker.motion("coco17"))
    with pytest.raises(InputError, match="no person 9"):
        person_markers(source, 9, ALL, "own")
    with pytest.raises(InputError, match="person 3 has no keypoint of left_hand"):
        person_markers(source, 3, ("left_hand",), "own")
    one = as_motion(
        skeleton_by_name("coco17"), np.zeros((2, 17, 3)), frame=np.array([0, 3_000_000])
    )
    with pytest.raises(InputError, match="spread over 3000001 frames"):
        person_markers(source_of(one), 3, ALL, "own")


def test_opensim_reads_the_markers(markers, tmp_path) -> None:
    python = os.environ.get(OPENSIM_VARIABLE)
    if not python:
        pytest.skip(f"{OPENSIM_VARIABLE} names no Python with the package opensim")
    path = tmp_path / "person_3.trc"
    written, _ = write_trc(markers, path, TrcOptions())
    script = (
        "import opensim, sys; t = opensim.TimeSeriesTableVec3(sys.argv[1]);"
        "r = t.getRowAtIndex(5); v = r.getElt(0, 2);"
        "print(t.getNumRows(), t.getNumColumns(), t.getColumnLabels()[2], v[0], v[1], v[2])"
    )
    line = [python, "-c", script, str(path)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=True)
    rows, columns, name, *values = done.stdout.split()[-6:]
    assert (int(rows), int(columns)) == written.points_m.shape[:2]
    assert name == written.names[2]
    np.testing.assert_allclose(
        np.array(values, float), written.points_m[5, 2][[1, 2, 0]], atol=1e-6
    )
