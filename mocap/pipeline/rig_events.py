"""What happened to a rig while it was used, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

BIN_S = 0.5
"""Duration of the bins in which a rig is watched; events are known to this."""


@dataclass(frozen=True)
class RigEvent:
    """A camera that is no longer as it was calibrated.

    Attributes:
        camera: its name.
        kind: `moved` or `clock`.
        time_s: on the session clock: when it happened; of a drift, when it was noticed.
        shift_px: by which the image moved, right and down; 0 for `clock`.
        angle_deg: the turn of the camera that explains the shift.
        distance_m: the move of the camera that explains it instead.
        delay_s: how late the camera is against before; 0 for `moved`.
        drift_ppm: by how much its clock runs slow, parts per million; 0 for `moved`.
        rivals: cameras that may have moved instead: without them the rest agree nearly as well.
    """

    camera: str
    kind: Literal["moved", "clock"]
    time_s: float
    shift_px: tuple[float, float] = (0.0, 0.0)
    angle_deg: float = 0.0
    distance_m: float = 0.0
    delay_s: float = 0.0
    drift_ppm: float = 0.0
    rivals: tuple[str, ...] = ()

    def sentence(self) -> str:
        """The event in words."""
        if self.kind == "moved":
            x, y = self.shift_px
            ways = [f"{abs(x):.0f} px to the {'right' if x > 0 else 'left'}"] if abs(x) >= 1 else []
            ways += [f"{abs(y):.0f} px {'down' if y > 0 else 'up'}"] if abs(y) >= 1 else []
            who = " or ".join((self.camera, *self.rivals))
            return (
                f"camera {who} was moved at {self.time_s:.1f} s: its image went "
                f"{' and '.join(ways)}, as if turned by {self.angle_deg:.1f} degrees or moved by "
                f"{1000 * self.distance_m:.0f} mm"
            )
        late = "late" if self.delay_s > 0 else "early"
        return (
            f"the clock of camera {self.camera} drifts: at {self.time_s:.1f} s it was "
            f"{1000 * abs(self.delay_s):.0f} ms {late} ({self.drift_ppm:+.0f} ppm)"
        )

    def remedy(self, session: str) -> str:
        """The command that solves the rig again from the event on."""
        offsets = " --offsets" if self.kind == "clock" else ""
        # It happened within the half second that began then.
        after_s = self.time_s + BIN_S
        return f"mocap calibrate refine {session} --after-s {after_s:.1f}{offsets} --out RIG.toml"

    def as_json(self) -> dict[str, Any]:
        """For the summary of a session."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> RigEvent:
        """The event from the summary of a session."""
        lists: dict[str, Any] = {name: tuple(stored[name]) for name in ("shift_px", "rivals")}
        return cls(**{**stored, **lists})
