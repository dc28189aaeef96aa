"""What can be chosen about a fit of a body to keypoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from mocap.errors import InputError

Device = Literal["cpu", "cuda", "auto", "torch"]
"""Where the frames of a stretch are fitted together; see `FitConfig`."""


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
        device: what fits the frames of stretches together: "cpu" is the compiled fit; "cuda" is
            the batched fit on a graphics card; "auto" is cuda where there is one, and else cpu;
            "torch" is the batched fit on the processor, for comparison.
    """

    robust_sigmas: float = 4.0
    model_noise_m: float = 0.008
    smooth: float = 1.0
    floor: bool = True
    contacts: bool = True
    shape_frames: int = 60
    threads: int = 2
    device: Device = "cpu"

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
        if self.device not in get_args(Device):
            raise InputError(
                f"device of a body fit is {self.device!r}, expected one of "
                f"{', '.join(get_args(Device))}"
            )


def batch_device(device: Device) -> str | None:
    """The device of the batched fit that is meant by a setting; None for the compiled fit.

    Raises:
        InputError: cuda is wanted, and there is none.
    """
    if device == "cpu":
        return None
    # Importing torch takes seconds, which only those pay who ask for it.
    from mocap.body.fit_torch import has_cuda, torch_device

    if device == "auto":
        return "cuda" if has_cuda() else None
    return str(torch_device("cpu" if device == "torch" else device))
