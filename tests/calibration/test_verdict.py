"""Each thing that can be wrong with a calibration is provoked, found and named; a good calibration
passes without a word."""

import json
from dataclasses import replace

import numpy as np
import pytest
from synthetic_scene import ring_rig
from verdict_scene import (
    BOARD,
    evidence_of,
    good_evidence,
    image_mirrored,
    sightings_of,
    solution_of,
    turned,
    with_camera,
    with_pixels,
)

from calibration.checks.blur import blurred_share
from calibration.checks.coverage import coverage
from calibration.checks.lens_field import residual_field
from calibration.checks.linear import PER_CAMERA, change_model, columns, moved_rig
from calibration.checks.marker_size import check_marker_size
from calibration.checks.shared_views import groups
from calibration.checks.tracks import tracks_of_people, tracks_of_sightings, triangulate
from calibration.lens.misfit import LensMisfit
from calibration.sightings import CameraSightings
from calibration.solution import Residuals
from calibration.verdict import (
    Evidence,
    Finding,
    KnownDistance,
    Statures,
    judge,
    verdict_of,
    verdict_to_json,
)
from calibration.world_frame import WorldFrame, move_solution
from mocap.errors import CalibrationError
from mocap.model import Intrinsics, Rig, Target


def _found(evidence: Evidence, check: str) -> Finding:
    verdict = judge(evidence)
    match = [f for f in verdict.findings if f.check == check]
    assert match, verdict.text()
    return match[0]


@pytest.mark.parametrize("seed", range(6))
def test_good_calibrations_pass(seed):
    verdict = judge(good_evidence(seed, cameras=2 + seed % 4))
    assert verdict.grade == "pass", verdict.text()
    assert verdict.findings == ()


@pytest.mark.parametrize("cameras", [3, pytest.param(5, marks=pytest.mark.slow)])
def test_bumped_camera_is_named_with_the_time(cameras):
    rig = ring_rig(cameras)
    moved = rig.replaced(turned(rig.cameras[2], 0.8, 0.02))
    seen = sightings_of(rig, 3, rig_at=lambda t: moved if t > 3.6 else rig)
    finding = _found(evidence_of(rig, seen, lenses_given=True), "bumped")
    assert finding.cameras == ("cam2",)
    assert finding.figures["time_s"] == pytest.approx(3.6, abs=0.3)
    assert finding.severity == "fail"


def test_a_bump_is_found_beside_a_lens_that_does_not_fit():
    rig = ring_rig(3)
    lens = rig.cameras[0].intrinsics
    wrong = replace(
        lens, matrix=lens.matrix + np.array([[40.0, 0, 4], [0, 40.0, -5], [0, 0, 0]]),
        distortions=np.array([0.01, -0.01, 5e-4, 0.0, 0.0]),
    )  # fmt: skip
    true = rig.replaced(replace(rig.cameras[0], intrinsics=wrong))
    moved = true.replaced(turned(true.cameras[2], 0.8, 0.02))
    still = judge(evidence_of(rig, sightings_of(true, 3), lenses_given=True))
    assert not [f for f in still.findings if f.check == "bumped"], still.text()
    assert [f.cameras for f in still.findings if f.check == "lens_model"] == [("cam0",)]
    seen = sightings_of(true, 3, rig_at=lambda t: moved if t > 3.6 else true)
    finding = _found(evidence_of(rig, seen, lenses_given=True), "bumped")
    assert finding.cameras == ("cam2",)
    assert finding.figures["time_s"] == pytest.approx(3.6, abs=0.3)


def test_a_lens_that_fits_no_single_view_is_named():
    evidence = good_evidence(0, 3)
    grid, count = np.full((1, 12, 2), np.nan), np.zeros((1, 12), int)
    bad = LensMisfit(True, 0.3, 0.3, 0.35, 0.001, grid, count)
    good = replace(bad, found=False)
    misfits = {"cam0": good, "cam1": bad, "cam2": good}
    finding = _found(replace(evidence, misfits=misfits), "lens_model")
    assert finding.cameras == ("cam1",) and finding.severity == "warn"
    assert "0.35 px" in finding.seen and "0.18 px" in finding.seen
    solved = replace(evidence, misfits=misfits, lenses_given=False)
    assert "--lens-models" in _found(solved, "lens_model").remedy


def test_of_two_cameras_either_may_have_been_bumped():
    rig = ring_rig(2)
    moved = rig.replaced(turned(rig.cameras[1], 1.0))
    seen = sightings_of(rig, 3, rig_at=lambda t: moved if t > 3.6 else rig)
    assert _found(evidence_of(rig, seen, lenses_given=True), "bumped").cameras == rig.names


@pytest.mark.parametrize(
    ("cameras", "late_s"),
    [(2, 0.04), (3, 0.004), (3, -0.25), pytest.param(4, 0.25, marks=pytest.mark.slow)],
)
def test_late_camera_is_named_with_its_offset(cameras, late_s):
    rig = ring_rig(cameras)
    true = rig.replaced(replace(rig.cameras[1], time_offset_s=late_s))
    evidence = evidence_of(rig, sightings_of(true, 4), lenses_given=True)
    finding = _found(evidence, "sync")
    assert finding.cameras == ("cam1",)
    assert finding.figures["offset_ms"] == pytest.approx(1000 * late_s, abs=0.6)
    assert not [f for f in judge(evidence).findings if f.check == "bumped"]


def test_solved_offsets_pass():
    rig = ring_rig(4)
    true = rig.replaced(replace(rig.cameras[1], time_offset_s=0.11))
    verdict = judge(evidence_of(true, sightings_of(true, 4), lenses_given=True))
    assert verdict.grade == "pass", verdict.text()


@pytest.mark.parametrize("cameras", [2, 4])
def test_mirrored_pictures(cameras):
    rig = ring_rig(cameras)
    seen = with_pixels(sightings_of(rig, 5), 1, image_mirrored)
    finding = _found(evidence_of(rig, seen, lenses_given=True), "mirrored_image")
    assert finding.cameras == (("cam1",) if cameras > 2 else rig.names)


def test_mirrored_layout():
    rig = ring_rig(3)
    nx, ny = BOARD.shape

    def mirror(pixels):
        return pixels.reshape(len(pixels), ny, nx, 2)[:, :, ::-1].reshape(pixels.shape)

    seen = with_pixels(sightings_of(rig, 5), 2, mirror)
    assert _found(evidence_of(rig, seen), "mirrored_layout").cameras == ("cam2",)


def test_layout_numbered_from_the_opposite_corner():
    rig = ring_rig(3)
    seen = with_pixels(sightings_of(rig, 5), 2, lambda pixels: pixels[:, ::-1])
    assert _found(evidence_of(rig, seen), "turned_layout").cameras == ("cam2",)


def test_print_that_all_cameras_see_mirrored():
    evidence = good_evidence(2)
    cameras = tuple(replace(c, mirrored=np.ones(len(c), bool)) for c in evidence.sightings.cameras)
    mirrored = replace(evidence, sightings=replace(evidence.sightings, cameras=cameras))
    assert _found(mirrored, "mirrored_image").severity == "warn"


def test_wrong_square_size_against_people_and_distances():
    evidence = good_evidence(0, 3)
    assert judge(replace(evidence, statures=Statures(np.array([1.71, np.nan])))).grade == "pass"
    giant = replace(evidence, statures=Statures(np.array([3.4])))
    finding = _found(giant, "square_size")
    assert finding.severity == "fail" and "50.0 mm would fit" in finding.remedy
    small = replace(evidence, statures=Statures(np.array([1.2])))
    assert _found(small, "square_size").severity == "warn"
    stated = replace(evidence, statures=Statures(np.array([1.7]), np.array([1.9])))
    assert _found(stated, "square_size").figures["true_by_measured"] == pytest.approx(1.118, 0.01)
    a, b = evidence.rig.cameras[:2]
    apart = float(np.linalg.norm(a.center_world - b.center_world))
    right = replace(evidence, distances=(KnownDistance(a.name, b.name, 1.005 * apart),))
    assert judge(right).grade == "pass"
    wrong = replace(evidence, distances=(KnownDistance(a.name, b.name, 1.25 * apart),))
    assert _found(wrong, "square_size").cameras == (a.name, b.name)


def test_wrong_square_size_against_an_earlier_rig():
    evidence = good_evidence(4, 4)
    assert judge(replace(evidence, old_rig=evidence.rig)).grade == "pass"
    larger = move_solution(WorldFrame(np.eye(4), 1.2), evidence.solution).rig
    finding = _found(replace(evidence, old_rig=larger), "square_size")
    assert finding.figures["true_by_measured"] == pytest.approx(1.2, abs=0.005)


def test_edges_that_contradict_the_description():
    rig = ring_rig(3)
    seen = sightings_of(rig, 2, size_factor=1.03)
    evidence = Evidence(solution_of(rig, seen, adjust=False), seen, lenses_given=True)
    assert _found(evidence, "edge_length").figures["error_share"] == pytest.approx(0.03, abs=0.003)


APRILGRID = Target("aprilgrid", (3, 3), 0.156, 0.12, "DICT_APRILTAG_36h11")
GRID = Target("marker_grid", (3, 3), 0.156, 0.12, "DICT_5X5_100")


@pytest.mark.parametrize("target", [APRILGRID, GRID], ids=lambda t: t.kind)
def test_markers_that_are_not_as_wide_as_described(target):
    rig = ring_rig(3, mixed_lenses=False)

    def evidence(wide):
        printed = replace(target, marker_m=wide)
        seen = sightings_of(rig, 2, seconds=4.0, target=target, printed=printed)
        return evidence_of(rig, seen, lenses_given=True)

    assert not check_marker_size(evidence(0.12))
    (finding,) = check_marker_size(evidence(0.1195))
    assert finding.severity == "warn"
    verdict = judge(evidence(0.125))
    # What follows from it is not told.
    assert [f.check for f in verdict.findings] == ["marker_size"], verdict.text()
    assert verdict.grade == "fail"
    assert verdict.findings[0].figures["marker_mm"] == pytest.approx(125, abs=0.1)
    assert ("tagSpacing 0.248, not 0.300" in verdict.text()) == (target is APRILGRID)


def test_camera_that_shares_no_views():
    rig = ring_rig(4)
    seen = sightings_of(rig, 3)
    nothing = np.zeros(len(seen.cameras[3]), bool)
    blind = replace(seen, cameras=(*seen.cameras[:3], seen.cameras[3].chosen(nothing)))
    finding = _found(evidence_of(rig, blind), "shared_views")
    assert finding.cameras == ("cam3",) and "in no frame" in finding.seen
    alone = with_camera(seen, 3, time_s=seen.cameras[3].time_s + 100)
    finding = _found(evidence_of(rig, alone), "shared_views")
    assert finding.severity == "fail" and "never at the same time" in finding.seen
    few = seen.cameras[3].chosen(np.arange(len(seen.cameras[3])) < 6)
    weak = replace(seen, cameras=(*seen.cameras[:3], few))
    assert _found(evidence_of(rig, weak), "shared_views").severity == "warn"


def test_groups_of_linked_cameras():
    shared = np.array([[9, 3, 0, 0], [3, 9, 0, 0], [0, 0, 9, 0], [0, 0, 0, 9]])
    assert groups(shared) == [[0, 1], [2], [3]]
    assert groups(shared, least=4) == [[0], [1], [2], [3]]


def _placed(evidence: Evidence, centers) -> Evidence:
    cameras = []
    for camera, center in zip(evidence.rig, centers, strict=True):
        pose = camera.T_cam_world.copy()
        pose[:3, 3] = -pose[:3, :3] @ center
        cameras.append(replace(camera, T_cam_world=pose))
    rig = replace(evidence.rig, cameras=tuple(cameras))
    return replace(evidence, solution=replace(evidence.solution, rig=rig))


def test_collapsed_cameras():
    evidence = good_evidence(0, 3)
    centers = [c.center_world for c in evidence.rig]
    finding = _found(_placed(evidence, [centers[0], centers[0] + 0.002, centers[2]]), "collapsed")
    assert finding.cameras == ("cam0", "cam1") and finding.severity == "fail"
    near = _placed(evidence, [centers[0], centers[0] + [0, 0.02, 0], centers[2]])
    assert _found(near, "collapsed").severity == "warn"
    heap = _found(_placed(evidence, [centers[0] + 0.001 * k for k in range(3)]), "collapsed")
    assert heap.cameras == evidence.rig.names


def test_cameras_exchanged_against_an_earlier_rig():
    evidence = good_evidence(2, 4)
    a, b = evidence.rig.cameras[1], evidence.rig.cameras[3]
    old = evidence.rig.replaced(replace(a, T_cam_world=b.T_cam_world))
    old = old.replaced(replace(b, T_cam_world=a.T_cam_world))
    turn = WorldFrame(np.array([[0, -1.0, 0, 1], [1, 0, 0, 2], [0, 0, 1, 0], [0, 0, 0, 1]]), 1.0)
    old = move_solution(turn, replace(evidence.solution, rig=old)).rig
    assert _found(replace(evidence, old_rig=old), "exchanged").cameras == ("cam1", "cam3")


def _with_poses_exchanged(rig: Rig, first: int, second: int) -> Rig:
    a, b = rig.cameras[first], rig.cameras[second]
    return rig.replaced(replace(a, T_cam_world=b.T_cam_world)).replaced(
        replace(b, T_cam_world=a.T_cam_world)
    )


def test_exchanged_videos_show_in_the_poses_beside_the_given_lenses():
    evidence = good_evidence(2, 4)
    same = replace(evidence, lens_rig=evidence.rig)
    assert judge(same).grade == "pass"
    crossed = replace(evidence, lens_rig=_with_poses_exchanged(evidence.rig, 1, 3))
    finding = _found(crossed, "exchanged")
    assert finding.cameras == ("cam1", "cam3") and finding.severity == "fail"
    assert "--intrinsics" in finding.seen and "names of the videos" in finding.remedy
    # Cameras that were set up anew are no exchange, whatever the lens file says.
    anew = replace(evidence, lens_rig=ring_rig(4, start_rad=2.1, radius=4.5))
    assert judge(anew).grade == "pass", judge(anew).text()
    pair = ring_rig(5).subset(["cam0", "cam1"])
    two = evidence_of(pair, sightings_of(pair, 2), lenses_given=True)
    if_two = replace(two, lens_rig=_with_poses_exchanged(two.rig, 0, 1))
    assert _found(if_two, "exchanged").severity == "warn"


def test_cameras_that_changed_places_with_their_lenses_are_no_exchange():
    rig = ring_rig(3)
    strong = Intrinsics(
        rig.cameras[0].intrinsics.size,
        rig.cameras[0].intrinsics.matrix @ np.diag([1.3, 1.3, 1.0]),
        np.array([-0.35, 0.2, 0.0, 0.0, 0.0]),
    )
    true = rig.replaced(replace(rig.cameras[0], intrinsics=strong))
    near = sightings_of(true, 1, noise_px=0.1, poses=_near_board(true))
    solution = solution_of(true, sightings_of(true, 1, noise_px=0.1))
    evidence = Evidence(
        solution, near, lenses_given=True, lens_rig=_with_poses_exchanged(true, 0, 1)
    )
    assert not [f for f in judge(evidence).findings if f.check == "exchanged"]


def test_exchanged_lenses():
    rig = ring_rig(3)
    strong = Intrinsics(
        rig.cameras[0].intrinsics.size,
        rig.cameras[0].intrinsics.matrix @ np.diag([1.3, 1.3, 1.0]),
        np.array([-0.35, 0.2, 0.0, 0.0, 0.0]),
    )
    true = rig.replaced(replace(rig.cameras[0], intrinsics=strong))
    seen = sightings_of(true, 1, noise_px=0.1)
    near = sightings_of(true, 1, noise_px=0.1, poses=_near_board(true))
    lens = rig.cameras[1].intrinsics
    wrong = true.replaced(replace(true.cameras[0], intrinsics=lens))
    wrong = wrong.replaced(replace(wrong.cameras[1], intrinsics=strong))
    evidence = Evidence(solution_of(wrong, seen), near, lenses_given=True)
    assert _found(evidence, "exchanged").cameras == ("cam0", "cam1")


def _near_board(rig: Rig):
    """A board that comes near to each camera in turn, tilted."""

    def poses(time_s):
        result = np.tile(np.eye(4), (len(time_s), 1, 1))
        for i, t in enumerate(time_s):
            camera = rig.cameras[int(t // 2.7) % len(rig)]
            local = np.eye(4)
            angle = 0.5 * np.sin(2 * t)
            local[:3, :3] = [
                [np.cos(angle), 0, np.sin(angle)],
                [0, 1, 0],
                [-np.sin(angle), 0, np.cos(angle)],
            ]
            middle = BOARD.points_m.mean(axis=0)
            local[:3, 3] = [0.06 * np.sin(5 * t), 0.03 * np.cos(7 * t), 0.75]
            local[:3, 3] -= local[:3, :3] @ middle
            result[i] = camera.T_world_cam @ local
        return result

    return poses


def test_flipped_and_tilted_floor():
    evidence = good_evidence(0, 3)
    flip = WorldFrame(np.diag([1.0, -1.0, -1.0, 1.0]))
    flipped = replace(evidence, solution=move_solution(flip, evidence.solution))
    assert _found(flipped, "floor_flipped").severity == "fail"
    assert judge(replace(flipped, floor_set=False)).grade == "pass"
    assert judge(replace(evidence, upright=np.array([0.02, 0, 1.0]))).grade == "pass"
    assert _found(replace(evidence, upright=np.array([0, 0, -1.0])), "floor_flipped")
    tilted = _found(replace(evidence, upright=np.array([0.3, 0, 1.0])), "floor")
    assert tilted.severity == "warn"


@pytest.mark.parametrize("cameras", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_changed_focal_length_is_told_from_a_bump(cameras):
    rig = ring_rig(cameras)
    lens = rig.cameras[1].intrinsics
    zoomed = replace(lens, matrix=lens.matrix @ np.diag([1.05, 1.05, 1.0]))
    true = rig.replaced(replace(rig.cameras[1], intrinsics=zoomed))
    finding = _found(evidence_of(rig, sightings_of(true, 6), lenses_given=True), "lens_model")
    assert finding.cameras == ("cam1",) and finding.severity == "fail"
    assert finding.figures["focal_change"] == pytest.approx(0.05, abs=0.01)


def _pattern(strength_px: float, seed: int = 0) -> Residuals:
    """Residuals of one camera over its whole image, with a radial pattern that no fit took away."""
    rng = np.random.default_rng(seed)
    frames, points = 40, 24
    middle = rng.uniform([200, 150], [1080, 810], (frames, 1, 2))
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(4)), -1).reshape(-1, 2) * 30.0 - 60
    pixels = (middle + grid).reshape(-1, 2)
    offset = (pixels - [640, 480]) / 800
    radius = np.linalg.norm(offset, axis=1, keepdims=True)
    residual = strength_px * 8 * offset * (radius**2 - 0.3) + rng.normal(0, 0.25, pixels.shape)
    residual += np.repeat(rng.normal(0, 0.03, (frames, 2)), points, axis=0)
    n = len(pixels)
    frame = np.repeat(np.arange(frames), points)
    return Residuals(
        np.zeros(n, int), frame, frame / 10, np.tile(np.arange(points), frames), pixels, residual,
        np.ones(n), np.ones(n, bool),
    )  # fmt: skip


def test_lens_that_does_not_fit_leaves_a_pattern():
    evidence = good_evidence(0, 2)
    wrong = replace(evidence.solution, residuals=_pattern(0.6))
    assert _found(replace(evidence, solution=wrong), "lens_model").cameras == ("cam0",)


@pytest.mark.parametrize("seed", range(10))
def test_noise_is_no_pattern(seed):
    field = residual_field(_pattern(0.0, seed), 0, (1280, 960))
    assert field.significance < 5 and field.systematic_px < 0.1


def test_motion_blur():
    evidence = good_evidence(2, 3)
    rng = np.random.default_rng(0)
    own = evidence.sightings.cameras[1]
    sharp = np.where(rng.random(len(own)) < 0.7, 20.0, 150.0)
    blurred = replace(evidence, sightings=with_camera(evidence.sightings, 1, sharpness=sharp))
    finding = _found(blurred, "motion_blur")
    assert finding.cameras == ("cam1",) and finding.severity == "warn"
    assert blurred_share(own) < 0.1


def test_too_little_coverage_matters_where_the_lens_is_solved():
    evidence = good_evidence(2, 3)
    assert judge(evidence).grade == "pass"
    assert _found(replace(evidence, lenses_given=False), "coverage").severity == "warn"
    few = evidence.sightings.cameras[0].chosen(np.arange(len(evidence.sightings.cameras[0])) < 3)
    cameras = (few, *evidence.sightings.cameras[1:])
    poor = replace(evidence, sightings=replace(evidence.sightings, cameras=cameras))
    assert _found(poor, "few_frames").severity == "fail"


def _one_frame(pixels) -> CameraSightings:
    pixels = np.array(pixels, float)[None]
    n = pixels.shape[1]
    return CameraSightings(
        "a", (1000, 800), np.zeros(1), np.zeros(1), pixels, np.ones((1, n)), np.zeros(1, bool),
        np.ones(1), 1,
    )  # fmt: skip


def test_coverage_counts_what_lies_between_points():
    corners = [[10, 10], [990, 10], [990, 790], [10, 790]]
    assert coverage(_one_frame(corners)) == pytest.approx(1.0, abs=0.05)
    assert coverage(_one_frame([[10, 10], [990, 10], [10, 790]])) == pytest.approx(0.5, abs=0.1)
    assert coverage(_one_frame([[10, 10], [20, 20], [30, 30]])) < 0.002


def test_weakly_determined_pose_lens_and_offset():
    evidence = good_evidence(2, 3)
    solution = evidence.solution
    weak = replace(solution, pose_covariance=1e4 * solution.pose_covariance)
    assert {f.check for f in judge(replace(evidence, solution=weak)).findings} == {"weak_pose"}
    lens = replace(solution, lens_sigma=({"fx": 60.0, "fy": 60.0}, {}, {}))
    assert _found(replace(evidence, solution=lens), "weak_lens").severity == "fail"
    late = replace(solution, time_offset_sigma_s=np.array([0.0, 0.02, np.nan]))
    assert _found(replace(evidence, solution=late), "weak_offset").cameras == ("cam1",)


def test_what_was_kept_is_not_what_is_judged():
    evidence = good_evidence(2, 3)
    residuals = evidence.solution.residuals
    rng = np.random.default_rng(0)
    wild = rng.random(len(residuals.camera)) < 0.08
    moved = residuals.residual_px + np.where(wild[:, None], 12.0, 0.0)
    switched = replace(residuals, residual_px=moved, inlier=~wild)
    looks_good = replace(evidence, solution=replace(evidence.solution, residuals=switched))
    assert _found(looks_good, "kept_only").figures["all_px"] > 3
    many = replace(residuals, inlier=rng.random(len(wild)) > 0.2)
    assert _found(replace(evidence, solution=replace(evidence.solution, residuals=many)),
                  "outliers").severity == "warn"  # fmt: skip
    # Points that the adjustment never got are judged, too.
    pixels = [c.pixels + rng.normal(0, 4.0, c.pixels.shape) for c in evidence.sightings.cameras]
    cameras = tuple(
        replace(c, pixels=p) for c, p in zip(evidence.sightings.cameras, pixels, strict=True)
    )
    noisy = replace(evidence, sightings=replace(evidence.sightings, cameras=cameras))
    assert _found(noisy, "residuals").severity == "fail"


def test_no_convergence_fails():
    evidence = good_evidence(2, 3)
    evidence = replace(evidence, solution=replace(evidence.solution, converged=False))
    assert judge(evidence).grade == "fail"


def test_model_of_small_changes_against_the_true_change():
    rig = ring_rig(4)
    tracks = tracks_of_sightings(rig, sightings_of(rig, 0, noise_px=1e-6))
    change = np.zeros(4 * PER_CAMERA)
    own = columns(2, slice(0, 6))
    change[own] = [1e-4, -2e-4, 1e-4, 2e-4, 1e-4, -3e-4]
    wrong = moved_rig(rig, change)
    seen = triangulate(wrong, tracks)
    model = change_model(wrong, tracks, seen)
    a = model.information.sum(axis=0)[np.ix_(own, own)]
    found = np.linalg.solve(a, model.gradient.sum(axis=0)[own])
    assert np.allclose(found, -change[own], atol=2e-6)


def test_people_are_judged_without_a_target():
    rig = ring_rig(4)
    seen = sightings_of(rig, 1)
    solution = solution_of(rig, seen)
    tracks = tracks_of_sightings(solution.rig, seen)
    people = tracks_of_people(
        solution.rig, tracks.time_s, tracks.pixels, np.where(tracks.seen, 0.9, 0.0)
    )
    verdict = judge(Evidence(solution, people=people))
    assert verdict.grade == "pass", verdict.text()
    with pytest.raises(CalibrationError, match="without sightings"):
        Evidence(solution)


def test_camera_missing_from_the_sightings_is_named():
    rig = ring_rig(3)
    seen = sightings_of(rig, 0, seconds=1.0)
    with pytest.raises(CalibrationError, match="'cam2' of the rig has no sightings"):
        tracks_of_sightings(rig, replace(seen, cameras=seen.cameras[:2]))


def test_causes_hide_what_follows_from_them():
    cause = Finding("fail", "bumped", ("a",), "it moved", "fasten it")
    symptom = Finding("warn", "lens_model", ("a",), "a pattern", "calibrate")
    other = Finding("warn", "coverage", ("a",), "little", "more")
    verdict = verdict_of([symptom, other, cause])
    assert [f.check for f in verdict.findings] == ["bumped", "coverage"]
    assert verdict.text().splitlines()[1] == "[fail] it moved. fasten it."
    mild = replace(cause, severity="warn")
    assert verdict_of([replace(symptom, severity="fail"), mild]).grade == "fail"
    assert verdict_of([]).grade == "pass"


def test_json_is_stable_and_plain():
    evidence = good_evidence(1, 3)
    verdict = judge(replace(evidence, upright=np.array([1.0, 0, 1.0])))
    content = json.loads(json.dumps(verdict_to_json(verdict, evidence), allow_nan=False))
    assert content["format"] == "mocap-calibration-report"
    assert content["verdict"] == verdict.grade
    assert set(content["findings"][0]) == {
        "severity", "check", "cameras", "seen", "remedy", "figures"
    }  # fmt: skip
    assert [c["name"] for c in content["cameras"]] == list(evidence.rig.names)
    assert content["cameras"][0]["position_sigma_mm"] == 0.0
    assert content["cameras"][1]["drift_ppm"] is None
    assert content["rig"]["edge_true_mm"] == 100.0
    assert "cameras" not in verdict_to_json(verdict)
