"""Time offsets between cameras that were not started together, found before any adjustment.

From motion (`motion_lag`), from geometry over time (`epipolar_lag`), from sound (`audio_lag`) and
from light (`flash_lag`); `solve_offsets` makes one offset per camera of the lags of pairs.
"""

from calibration.timing.audio import AudioSettings, SoundTrack, audio_lag
from calibration.timing.epipolar import EpipolarSettings, epipolar_lag
from calibration.timing.flash import BrightnessSeries, flash_lag, light_events
from calibration.timing.graph import solve_offsets
from calibration.timing.motion import MotionSettings, motion_lag
from calibration.timing.results import PairLag, RigOffsets
from calibration.timing.rig_motion import motion_lags
from calibration.timing.tracks import CameraTracks, tracks_of_board, tracks_of_people

__all__ = [
    "AudioSettings",
    "BrightnessSeries",
    "CameraTracks",
    "EpipolarSettings",
    "MotionSettings",
    "PairLag",
    "RigOffsets",
    "SoundTrack",
    "audio_lag",
    "epipolar_lag",
    "flash_lag",
    "light_events",
    "motion_lag",
    "motion_lags",
    "solve_offsets",
    "tracks_of_board",
    "tracks_of_people",
]
