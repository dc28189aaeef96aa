"""The page stands by itself, says the verdict on top, and holds every picture."""

import base64
import re
import struct
from dataclasses import replace

import numpy as np
import pytest
from synthetic_scene import ring_rig
from verdict_scene import evidence_of, good_evidence, sightings_of, turned

from calibration.checks.tracks import tracks_of_people
from calibration.report import ReportInput, write_report
from calibration.report.figure import grid_shape
from calibration.report.page import report_html
from calibration.report.rig import frustum, plan_picture
from calibration.verdict import Verdict, judge
from mocap.errors import OutputError
from mocap.geometry.projection import project_points

_IMAGE = re.compile(r'<img alt="([^"]+)" src="data:image/png;base64,([^"]+)"')


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    rig = ring_rig(3)
    moved = rig.replaced(turned(rig.cameras[2], 0.8))
    seen = sightings_of(rig, 3, rig_at=lambda t: moved if t > 3.6 else rig)
    evidence = evidence_of(rig, seen, lenses_given=True)
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(
        path, ReportInput("Rig <of> three", evidence, judge(evidence), ("mocap calibrate a & b",))
    )
    return path.read_text()


def test_page_needs_nothing_else(page):
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "<script" not in page and "@import" not in page and "url(" not in page
    assert page.count("<html") == page.count("</html>") == 1


def test_verdict_stands_before_everything_else_with_its_remedy(page):
    assert page.index("FAIL") < page.index("moved at 3.") < page.index("<table")
    assert "Fasten the camera and film again" in page
    assert "Rig &lt;of&gt; three" in page and "mocap calibrate a &amp; b" in page


def test_all_pictures_are_there_and_are_pictures(page):
    pictures = dict(_IMAGE.findall(page))
    assert len(pictures) == 9
    for name, data in pictures.items():
        png = base64.b64decode(data)
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", png[16:24])
        assert width > 600 and height > 150, name


def test_table_has_a_row_per_camera_with_units(page):
    rows = re.findall(r"<tr><td>(\w+)</td>", page)
    assert rows == ["cam0", "cam1", "cam2"]
    for unit in ("time offset ms", "focal px", "place mm", "rotation &deg;", "coverage %"):
        assert unit in page


def test_the_floor_is_named_only_where_it_was_set():
    evidence = good_evidence(0, 2)
    for floor_set in (True, False):
        shown = replace(evidence, floor_set=floor_set)
        side = plan_picture(shown).axes[1].get_title()
        assert ("the floor" in side) == floor_set
        assert ("dashed: z = 0" in side) == (not floor_set)
        html = report_html(ReportInput("Rig", shown, Verdict("pass")))
        assert ("the floor in steps" in html) == floor_set
        assert ("not the floor: none was set" in html) == (not floor_set)


def test_report_on_people_and_cameras_that_saw_nothing():
    evidence = good_evidence(0, 2)
    tracks = evidence.tracks
    people = tracks_of_people(
        evidence.rig, tracks.time_s, tracks.pixels, np.where(tracks.seen, 0.9, 0.0)
    )
    without = replace(
        evidence, sightings=None, people=people, solution=replace(evidence.solution, path=None)
    )
    html = report_html(ReportInput("People", without, Verdict("pass")))
    assert len(_IMAGE.findall(html)) == 7 and "PASS" in html
    own = evidence.sightings.cameras
    blind = replace(
        evidence.sightings, cameras=(own[0], own[1].chosen(np.zeros(len(own[1]), bool)))
    )
    residuals = evidence.solution.residuals
    keep = residuals.camera == 0
    few = replace(
        residuals, **{k: getattr(residuals, k)[keep] for k in residuals.__dataclass_fields__}
    )
    poor = replace(evidence, sightings=blind, solution=replace(evidence.solution, residuals=few))
    html = report_html(ReportInput("Blind", poor, judge(poor)))
    assert "FAIL" in html and "in no frame" in html


def test_image_plane_is_what_the_camera_sees():
    camera = ring_rig(1).cameras[0]
    corners = frustum(camera, 0.5)
    pixels, depth = project_points(
        corners[1:5],
        camera.intrinsics.matrix,
        camera.intrinsics.packed_distortions,
        False,
        camera.T_cam_world,
    )
    width, height = camera.intrinsics.size
    want = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
    assert np.allclose(pixels, want, atol=1e-6)
    assert (depth > 0).all()


def test_unwritable_folder_is_told(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("x")
    report = ReportInput("x", good_evidence(0, 2), Verdict("pass"))
    with pytest.raises(OutputError, match="cannot make the folder"):
        write_report(blocked / "report.html", report)


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 3)), (7, (3, 3))])
def test_pictures_per_camera_are_laid_out(count, shape):
    assert grid_shape(count) == shape
