"""A rig of which one camera was bumped, put right by people; and the distribution of a rig."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_scene import ring_rig
from walking_people import film

from calibration.people.posterior import marginal_likelihood, sample_rig, update_rig
from calibration.people.refine import refine_rig
from mocap.errors import CalibrationError
from mocap.geometry.rotations import matrix_from_rotvec, rotvec_from_matrix
from mocap.model import Rig


def _bumped(rig, name, degrees=1.5):
    camera = rig[name]
    pose = camera.T_cam_world.copy()
    turn = matrix_from_rotvec(np.radians([0.3, degrees, -0.2]))
    pose[:3, :3] = turn @ pose[:3, :3]
    pose[:3, 3] = -pose[:3, :3] @ (camera.center_world + np.array([0.02, 0.0, 0.01]))
    return rig.replaced(replace(camera, T_cam_world=pose))


@pytest.fixture(scope="module")
def refined():
    rig = ring_rig(4)
    return rig, refine_rig(_bumped(rig, "cam2"), film(rig, frames=120), most_instants=50)


def test_the_bumped_camera_is_named_and_put_right(refined):
    rig, found = refined
    assert [change.name for change in found.changes if change.was_off] == ["cam2"]
    assert found.report.startswith("camera 'cam2' was off by 1.")
    for true, now in zip(rig, found.solution.rig, strict=True):
        turn = rotvec_from_matrix(now.T_cam_world[:3, :3] @ true.T_cam_world[:3, :3].T)
        assert np.degrees(np.linalg.norm(turn)) < 0.3
        assert np.linalg.norm(now.center_world - true.center_world) < 0.02
    change = found.changes[2]
    assert change.after_px < 0.5 * change.before_px


def test_a_rig_that_is_right_stays_so():
    rig = ring_rig(4)
    found = refine_rig(rig, film(rig, frames=60), most_instants=30)
    assert not any(change.was_off for change in found.changes)
    assert "no camera of the rig stands out" in found.solution.notes[0]


def test_two_cameras_cannot_tell():
    rig = ring_rig(5).subset(["cam0", "cam1"])
    found = refine_rig(_bumped(rig, "cam1", 0.5), film(rig, frames=60), most_instants=30)
    assert "cannot tell" in found.solution.notes[0]


def test_what_cannot_be_refined():
    rig = ring_rig(3)
    tracks = film(rig, frames=20)
    with pytest.raises(CalibrationError, match="one camera"):
        refine_rig(rig.subset(["cam0"]), tracks)
    with pytest.raises(CalibrationError, match="no camera 'other'"):
        refine_rig(Rig((rig["cam0"], replace(rig["cam1"], name="other"))), tracks)
    empty = tracks.between(50.0, 60.0)
    with pytest.raises(CalibrationError, match="nobody is seen by two cameras"):
        refine_rig(rig, empty)


def test_likelihood_is_highest_at_the_adjusted_rig_and_falls_as_the_covariance_says(refined):
    _, found = refined
    adjustment = found.adjustment
    likelihood = marginal_likelihood(adjustment)
    here = likelihood(np.zeros(adjustment.bundle.columns.rig))
    values, vectors = np.linalg.eigh(adjustment.rig_covariance)
    for k in (len(values) - 1, len(values) - 5):
        step = np.sqrt(values[k]) * vectors[:, k]
        drops = [here - likelihood(sign * step) for sign in (1, -1)]
        assert 0.2 < np.mean(drops) < 0.9  # half a unit for a Gaussian


@pytest.mark.slow
def test_samples_agree_with_the_covariance_and_with_each_other(refined):
    _, found = refined
    drawn = sample_rig(found.adjustment, np.random.default_rng(0), samples=120, warm_up=40)
    assert drawn.r_hat.max() < 1.3 and drawn.ess > 40 and drawn.acceptance > 0.2
    ratio = np.sqrt(np.diag(drawn.covariance) / np.diag(found.adjustment.rig_covariance))
    assert 0.7 < np.median(ratio) < 1.5
    assert "cam2" in drawn.report(found.solution.rig.names)


@pytest.mark.slow
def test_further_frames_narrow_the_distribution():
    rig = ring_rig(4)
    tracks = film(rig, frames=160)
    first, second = (
        refine_rig(rig, tracks.between(t, t + 2.6), most_instants=25) for t in (0.0, 2.6)
    )
    rng = np.random.default_rng(0)
    before = sample_rig(first.adjustment, rng, samples=60)
    after = update_rig(before, second.adjustment, rng, samples=60)
    assert np.trace(after.covariance) < np.trace(before.covariance)


def test_too_few_chains(refined):
    with pytest.raises(ValueError, match="at least 2"):
        sample_rig(refined[1].adjustment, np.random.default_rng(0), chains=1)


@pytest.mark.slow
def test_real_rig_whose_third_camera_is_off(shared_path, tmp_path):
    import sys
    from pathlib import Path

    clip = shared_path("pose2sim_single")
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
    from quality import make_session
    from refine_rig import measure

    from mocap.storage.session_reader import Session

    with Session(make_session(tmp_path, clip)) as session:
        metrics = {metric.key: metric for metric in measure(session)}
    assert metrics["test.leave_one_out before"].value > 18
    assert metrics["test.leave_one_out after"].value < 13
    assert [
        n for n in ("01", "02", "03", "04") if metrics[f"change.rotation cam{n}"].note == "was off"
    ] == ["03"]
