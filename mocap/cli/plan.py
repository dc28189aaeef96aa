"""`mocap plan`: what accuracy a rig can give, and where one more camera would help most."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from mocap.cli.options import option, required
from mocap.cli.plan_report import plan_json, plan_picture, print_plan
from mocap.cli.progress import say
from mocap.files import check_output, write_atomically
from mocap.pipeline.planning import PlanConfig, Volume, plan_rig
from mocap.storage.rig_file import load_rig


@dataclass(frozen=True)
class Plan:
    """Predict the accuracy of a rig in a part of the room, without recording anything.

    Says where people can be measured and how well, which places are blind, which camera matters
    most, and where one more would help most. See docs/studio.md.

    Example: mocap plan --rig rig.toml --volume -1.5 -1.5 0 1.5 1.5 2 --picture plan.png
    """

    rig: Annotated[Path, required("RIG")]
    """The rig file."""
    volume: Annotated[
        tuple[float, float, float, float, float, float], required("X0 Y0 Z0 X1 Y1 Z1")
    ]
    """Two corners of the box that people move in, metres."""
    sigma_px: Annotated[float | None, option("PIXELS")] = None
    """Noise of a 2D keypoint along each axis. Default: what the reconstruction assumes, which
    depends on the distance."""
    spacing_m: Annotated[float, option("METRES")] = 0.25
    """Distance between the places that are looked at. Default: 0.25."""
    json: Annotated[Path | None, option("PLAN.json")] = None
    """Also write the map and all figures as JSON."""
    picture: Annotated[Path | None, option("PICTURE.png")] = None
    """Also draw the map."""
    overwrite: bool = False
    """Replace existing files."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        volume = Volume(self.volume[:3], self.volume[3:])
        config = PlanConfig(self.sigma_px, self.spacing_m)
        for path in (self.json, self.picture):
            if path is not None:
                check_output(path, overwrite=self.overwrite)
        rig = load_rig(self.rig)
        plan = plan_rig(rig, volume, config)
        noise = "as assumed" if self.sigma_px is None else f"{self.sigma_px:g} px"
        title = (
            f"{self.rig}, {len(rig)} cameras, volume {' '.join(f'{v:g}' for v in self.volume)} m, "
            f"noise of 2D keypoints {noise}"
        )
        say(title, "bold")
        print_plan(plan)
        if self.json is not None:
            write_atomically(self.json, plan_json(rig, volume, config, plan))
            say(str(self.json))
        if self.picture is not None:
            write_atomically(self.picture, plan_picture(rig, volume, plan, title))
            say(str(self.picture))
        return 0
