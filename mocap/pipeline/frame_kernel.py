"""One frame in one compiled call: association, estimation and tracking on plain arrays."""

# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel
from mocap.geometry.ray_space import ray_frames
from mocap.pipeline.frame_births import find_new
from mocap.pipeline.frame_claims import claim
from mocap.pipeline.frame_known import follow
from mocap.pipeline.frame_steps import Seen, empty_work, separation
from mocap.tracking.kernels import predict


@kernel(inline="always")
def _predict_all(now, body, tracks, settings):
    """Moves everybody known on to the present; returns their rows (N)."""
    known = np.zeros(len(tracks.active), np.int64)
    n = 0
    for m in range(len(tracks.active)):
        if not tracks.active[m]:
            continue
        known[n] = m
        n += 1
        predict(
            tracks.points[m],
            tracks.velocity[m],
            tracks.pp[m],
            tracks.pv[m],
            tracks.vv[m],
            tracks.seen[m],
            tracks.seen_twice[m],
            now - tracks.time[m],
            now,
            body.density,
            body.chosen,
            settings.stale_s,
            settings.memory_s,
            settings.damping_s,
        )
        tracks.time[m] = now
    return known[:n]


@kernel(inline="always")
def _merge_doubles(known, body, tracks, settings, result):
    """Two tracks at one place are one person; the one followed for longer stays."""
    for a in range(len(known)):
        for b in range(a):
            m, o = known[a], known[b]
            if not (tracks.active[m] and tracks.active[o]):
                continue
            apart = separation(tracks.points[m], tracks.points[o], body.chosen)
            if apart < settings.min_separation_m:
                loser = m if tracks.frames[m] < tracks.frames[o] else o
                tracks.active[loser] = False
                result.found[loser] = False


@kernel
def process_frame(now, camera, pixels, conf, rig, scale, noise_now, body, tracks, settings, result):
    """Takes in one frame; changes `tracks` and fills `result`.

    Takes:
        now: seconds.
        camera: (P) of each 2D person.
        pixels, conf: (P, K, 2), (P, K) their keypoints; fragments of one person are put
            together in place.
        rig, body, settings: see their classes.
        scale: (C) noise of the cameras; see `CameraNoise`.
        noise_now: level of the noise (classes), and the share that lasts; see `NoiseLevel`.
        tracks: state.
        result: output.
    """
    people, count = conf.shape
    frames = ray_frames(
        pixels, conf, camera, rig.matrix, rig.distortions, rig.fisheye, rig.T_cam_world
    )
    taken = np.zeros(people, np.bool_)
    explained = np.full((len(tracks.active), people), math.inf)
    seen = Seen(camera, pixels, conf, frames, taken, explained)
    result.found[:] = False
    result.born[:] = False
    result.group[:] = -1
    result.turned[:] = 0
    result.used[:] = False
    result.squares[:] = 0.0
    result.repeated[:] = 0.0
    known = _predict_all(now, body, tracks, settings)
    claim(now, known, seen, rig, body, tracks, settings, result)
    work = empty_work(len(rig.focal), count)
    for m in known:
        follow(m, now, work, seen, rig, scale, noise_now, body, tracks, settings, result)
    _merge_doubles(known, body, tracks, settings, result)
    find_new(now, known, seen, rig, scale, noise_now, body, tracks, settings, result)
