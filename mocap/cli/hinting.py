"""Ties the forecast of where people will be seen to the workers that look there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from capture.supervisor import HintPlan, Supervisor
from mocap.model import Bystander, FrameSet, Person3D, Rig, Skeleton
from mocap.model.messages import RegionHints
from mocap.pipeline.region_hints import RegionForecast

if TYPE_CHECKING:
    from mocap.pipeline.session_run import Watcher


def hint_watcher(rig: Rig, skeleton: Skeleton, supervisor: Supervisor, plan: HintPlan) -> Watcher:
    """Tells every worker after every frame where to look.

    Args:
        rig: the cameras.
        skeleton: the keypoints.
        supervisor: of the workers.
        plan: how far ahead the forecast is to be; without a lag it is of the frame itself.
    """
    forecast = RegionForecast(rig, skeleton)
    ahead_s = 0.0 if plan.lag_ns is None else plan.lag_ns * 1e-9
    offsets_ns = {camera.name: round(camera.time_offset_s * 1e9) for camera in rig}

    def watch(
        frame_set: FrameSet, people: Sequence[Person3D], _bystanders: Sequence[Bystander]
    ) -> None:
        regions = forecast.regions(frame_set.time_ns * 1e-9, people, ahead_s)
        for name, offset_ns in offsets_ns.items():
            supervisor.hint(RegionHints(name, frame_set.time_ns + offset_ns, regions[name]))

    return watch
