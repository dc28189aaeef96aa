"""Calibrations of the studio's cameras hit the truth, and know how well."""

import numpy as np
import pytest
from calibration_truth_trial import board_trial, people_trial


@pytest.mark.slow
def test_board_hits_the_truth_with_offsets():
    trial = board_trial(4, 1, distorted=False, offset_frames=(0.0, 0.4, 7.3, 0.0), duration_s=6.0)
    assert trial.centre_mm.max() < 12.0
    assert trial.rotation_deg.max() < 0.4
    assert trial.offset_frames.max() < 0.02
    _agrees(trial)


@pytest.mark.slow
def test_people_hit_the_truth_with_offsets_and_correlated_noise():
    trial = people_trial(
        4, 1, distorted=True, offset_frames=(0.0, 0.4, 7.3, 0.0), seconds=6.0, instants=60
    )
    assert trial.centre_mm.max() < 40.0
    assert trial.rotation_deg.max() < 0.6
    assert trial.offset_frames.max() < 0.1
    assert trial.scale == pytest.approx(1.0, abs=0.03)
    _agrees(trial)


def _agrees(trial):
    """No error beyond what is promised to happen once in a thousand times, and not all tiny."""
    promised = np.concatenate([trial.centre_p, trial.rotation_p, trial.offset_p])
    assert promised.max() < 0.999
    assert promised.max() > 0.2
