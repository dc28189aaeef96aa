"""Real footage of boards, from videos to the rig file, against reference poses."""

import json

import numpy as np
import pytest
from board_scene import pair_errors, reference_rig

from mocap.cli.main import main
from mocap.storage.rig_file import load_intrinsics, load_rig

LIMITS = {
    # RMSE px, mean and spread of adjacent corners mm, offsets in frames
    "charuco_4cam": (0.70, 0.15, 0.40, 0.12),
    "charuco_offset": (0.55, 0.10, 0.33, 0.12),
}


@pytest.mark.slow
@pytest.mark.parametrize("session", LIMITS)
def test_a_real_session_comes_out_as_the_reference(session, shared_path, tmp_path):
    folder = shared_path(session)
    out = tmp_path / "rig.toml"
    arguments = ["calibrate", "--target", folder / "charuco.toml", "--videos", folder]
    arguments += ["--intrinsics", folder / "camera_array.toml", "--out", out]
    assert main([str(a) for a in arguments]) == 0
    rmse_px, mean_mm, spread_mm, late_frames = LIMITS[session]
    figures = json.loads((tmp_path / "rig.report.json").read_text())["rig"]
    assert figures["triangulation_rmse_px"] <= rmse_px
    assert figures["edge_mean_mm"] == pytest.approx(54.0, abs=mean_mm)
    assert figures["edge_sd_mm"] <= spread_mm
    rig = load_rig(out)
    reference = reference_rig(folder, load_intrinsics(folder / "camera_array.toml"))
    turn_deg, shift_mm = pair_errors(rig, reference)
    assert turn_deg < 0.5
    assert shift_mm < 8.0
    first = rig.names[0]
    for camera in rig:
        late = camera.time_offset_s - rig[first].time_offset_s
        true = reference[camera.name].time_offset_s - reference[first].time_offset_s
        assert abs(late - true) * 6 < late_frames
        assert np.isfinite(camera.pose_covariance).all()
