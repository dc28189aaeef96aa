"""What can be chosen about a fit of a body to keypoints."""

from __future__ import annotations

from dataclasses import dataclass

from mocap.errors import InputError


@dataclass(frozen=True)
class FitConfig:
    """Settings of a fit.

    Attributes:
        robust_sigmas: at this many standard deviations a keypoint pulls most; farther ones less.
        model_noise_m: by how much a keypoint of a real person departs from a rigid body, before
            it is known of this person.
        smooth: how much the motion is smoothed; 1 is normal, 0 fits every frame by itself.
        floor: whether the floor is z = 0: feet are kept above it. Otherwise it is found from the
            feet, and only tells contacts from flight.
        contacts: whether feet that stand are kept from sliding.
        shape_frames: number of frames from which the shape is estimated.
        threads: number of stretches fitted at the same time.
    """

    robust_sigmas: float = 4.0
    model_noise_m: float = 0.008
    smooth: float = 1.0
    floor: bool = True
    contacts: bool = True
    shape_frames: int = 60
    threads: int = 2

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("robust_sigmas", self.robust_sigmas, 1.0, 1e6),
            ("model_noise_m", self.model_noise_m, 1e-5, 0.2),
            ("smooth", self.smooth, 0.0, 1000.0),
            ("shape_frames", self.shape_frames, 1, 100_000),
            ("threads", self.threads, 1, 256),
        ):
            if not low <= value <= high:
                raise InputError(f"{name} of a body fit is {value}, expected {low:g} to {high:g}")
