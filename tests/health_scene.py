"""People before a rig of which a camera is bumped, or whose clock drifts, as a detector sees them.

Errors are as a detector's: some new in every frame, some that last for about a second, some that
stay (a detector places every keypoint of a view a little off), some keypoints missing or far off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from synthetic_scene import detections, project_rig, ring_rig, standing_person

from mocap.geometry.rotations import matrix_from_rotvec
from mocap.model import FrameSet, Observation, Person3D, Rig
from mocap.model.config import ReconstructionConfig
from mocap.model.skeletons import COCO_17
from mocap.pipeline.reconstructor import Reconstructor
from mocap.pipeline.rig_events import RigEvent
from mocap.pipeline.rig_health import RigHealth

RATE = 15.0


@dataclass(frozen=True)
class Mishap:
    """What happens to one camera.

    Attributes:
        camera: its position in the rig.
        turn_deg: by which it is turned about its upright axis, and half as much up.
        move_m: by which it is moved sideways.
        at_s: when.
        drift_ppm: by how much its clock runs slow, from the start.
    """

    camera: int = 1
    turn_deg: float = 0.0
    move_m: float = 0.0
    at_s: float = 12.0
    drift_ppm: float = 0.0

    def applied(self, rig: Rig) -> Rig:
        """The rig after it."""
        one = rig[rig.names[self.camera]]
        change = np.eye(4)
        turn = np.radians(self.turn_deg) * np.array([0.5, 1.0, 0.0]) / np.hypot(1.0, 0.5)
        change[:3, :3] = matrix_from_rotvec(turn)
        change[0, 3] = -self.move_m
        return rig.replaced(replace(one, T_cam_world=change @ one.T_cam_world))


def people_at(time_s: float, count: int, seed: int) -> np.ndarray:
    """(people, K, 3): people who walk on circles of their own and swing arms and legs."""
    made = []
    for p in range(count):
        own = np.random.default_rng([seed, p])
        phase, radius = own.uniform(0, 2 * np.pi), own.uniform(0.5, 1.0)
        speed = own.uniform(0.5, 0.9) * own.choice([-1, 1])
        middle = 1.1 * np.array([np.cos(2.1 * p), np.sin(2.1 * p)]) * (count > 1)
        angle = phase + speed * time_s
        place = middle + radius * np.array([np.cos(angle), np.sin(angle)])
        points = standing_person(COCO_17, place, angle + (0 if speed > 0 else np.pi))
        for k, name in enumerate(COCO_17.keypoints):
            if name.endswith(("wrist", "elbow", "ankle", "knee")):
                sign = 1 if name.startswith("left") else -1
                points[k, 2] += 0.12 * sign * np.sin(6 * time_s + phase)
        made.append(points)
    return np.array(made)


def film(
    cameras: int,
    people: int,
    seed: int,
    *,
    seconds: float = 20.0,
    mishap: Mishap | None = None,
    white_px: float = 2.0,
    lasting_px: float = 3.0,
    constant_px: float = 2.0,
) -> tuple[Rig, list[FrameSet]]:
    """What the cameras of a ring see, with the rig as it was calibrated."""
    rng, rig = np.random.default_rng(seed), ring_rig(cameras, radius=5.0)
    after = rig if mishap is None else mishap.applied(rig)
    shape = (cameras, people, len(COCO_17), 2)
    lasting = rng.normal(0, lasting_px, shape)
    constant = rng.normal(0, constant_px, shape)
    keep, sets = np.exp(-1 / RATE), []
    for n in range(round(seconds * RATE)):
        time_s = n / RATE
        now = after if mishap is not None and time_s >= mishap.at_s else rig
        pixels = project_rig(people_at(time_s, people, seed), now)
        if mishap is not None and mishap.drift_ppm:
            late_s = time_s * (1 - 1e-6 * mishap.drift_ppm)
            late = project_rig(people_at(late_s, people, seed), now)
            pixels[mishap.camera] = late[mishap.camera]
        lasting = keep * lasting + np.sqrt(1 - keep**2) * rng.normal(0, lasting_px, shape)
        pixels = pixels + lasting + constant + rng.normal(0, white_px, shape)
        far = rng.random(shape[:3]) < 0.01
        pixels[far] += rng.normal(0, 60, (far.sum(), 2))
        pixels[rng.random(shape[:3]) < 0.05] = np.nan
        seen, time_ns = {}, round(time_s * 1e9)
        for c, name in enumerate(rig.names):
            shown = pixels[c][rng.random(people) > 0.02]
            seen[name] = Observation(name, n, time_ns, detections(shown, 0.9))
        sets.append(FrameSet(n, time_ns, seen))
    return rig, sets


def events_of(rig: Rig, sets: list[FrameSet]) -> tuple[tuple[RigEvent, ...], list[float]]:
    """What is said of a session, and when it was said, for each event in order of notice."""
    reconstructor = Reconstructor(rig, COCO_17, ReconstructionConfig())
    health, noticed = RigHealth(rig, COCO_17), []
    for frame_set in sets:
        people: list[Person3D] = reconstructor.process(frame_set)
        health.watch(frame_set, people)
        noticed += [frame_set.time_ns * 1e-9] * (len(health.events) - len(noticed))
    return health.events, noticed
