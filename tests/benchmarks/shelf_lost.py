"""Which parts of the Shelf's people are scored as wrong, and whom the pictures agree with.

    python tests/benchmarks/shelf_lost.py [--data FOLDER] [--cameras 01234] [--picture FILE.png]

For every part that the evaluator counts as wrong: whether it is missing, or else how far its worse
end is from the truth, and, over the views in which that end was detected within 60 px of either,
the median distance in pixels of the detection from the reprojected result and from the reprojected
truth. Where detections in several views lie on the result and not on the truth, no reconstruction
from these detections can score. The picture shows one of these parts in every view.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from shelf import DEFAULT_DATA, RATE_HZ, Shelf

from mocap.geometry.projection import project_points

REACH_PX = 60.0
SURE_VIEWS = 3
"""From so many views on, detections are taken as evidence."""
ENDS = {
    "RAnkle": "right_ankle",
    "RKnee": "right_knee",
    "RHip": "right_hip",
    "LHip": "left_hip",
    "LKnee": "left_knee",
    "LAnkle": "left_ankle",
    "RWrist": "right_wrist",
    "RElbow": "right_elbow",
    "RShoulder": "right_shoulder",
    "LShoulder": "left_shoulder",
    "LElbow": "left_elbow",
    "LWrist": "left_wrist",
}


@dataclass(frozen=True)
class Lost:
    """A part counted as wrong; distances in pixels are medians over the views that show it."""

    frame: int
    actor: int
    part: str
    joint: str
    off_m: float
    views: int
    px: float
    truth_px: float
    ours_m: np.ndarray
    truth_m: np.ndarray

    @property
    def kind(self) -> str:
        """What is to be said of it."""
        if not np.isfinite(self.off_m):
            return "missing"
        if self.joint not in ENDS:
            return "head by the evaluator's rule, no joint of its own"
        if self.views < SURE_VIEWS:
            return f"seen by fewer than {SURE_VIEWS} views"
        return "detections agree with " + ("the result" if self.px < self.truth_px else "the truth")


def projected(shelf: Shelf, cameras: str, points_m: np.ndarray) -> np.ndarray:
    """Pixels (C, N, 2) of world points (N, 3), metres."""
    rig = shelf.rig.subset([shelf.rig.names[int(c)] for c in cameras])
    return np.stack(
        [
            project_points(
                points_m,
                camera.intrinsics.matrix,
                camera.intrinsics.packed_distortions,
                camera.intrinsics.lens == "fisheye",
                camera.T_cam_world,
            )[0]
            for camera in rig
        ]
    )


def lost_parts(shelf: Shelf, cameras: str) -> list[Lost]:
    """All parts of actors 1 to 3 that are counted as wrong."""
    pcp = shelf.evaluator
    motion = shelf.motion(cameras)
    names = shelf.observations.skeleton.keypoints
    points = pcp.to_shelf(np.asarray(motion.points_m, float), names, "fourda")
    frames = np.asarray(shelf.observations.frame_ids)[motion.frame]
    rig = shelf.rig.subset([shelf.rig.names[int(c)] for c in cameras])
    sets = shelf.observations.frame_sets(rig, RATE_HZ)
    order = {int(f): i for i, f in enumerate(shelf.observations.frame_ids)}
    found: list[Lost] = []
    truth = shelf.truth
    for f in np.unique(truth["frame"]):
        rows = np.flatnonzero((truth["frame"] == f) & (truth["actor"] <= 3))
        X, Y = truth["positions"][rows], points[frames == f]
        match = pcp.match(Y, X, "strict")
        for i, row in enumerate(rows):
            seen = truth["visible"][row].astype(bool)
            ours = Y[match[i]] if match[i] >= 0 else np.full_like(X[i], np.nan)
            d = np.linalg.norm(ours - X[i], axis=1)
            for part, a, b in pcp.PARTS:
                if not (seen[a] and seen[b]) or d[a] + d[b] < np.linalg.norm(X[i, a] - X[i, b]):
                    continue
                worse = a if not d[a] <= d[b] else b
                joint = pcp.SHELF[worse]
                here = (int(f), int(truth["actor"][row]), part, joint, float(d[worse]))
                if joint not in ENDS or not np.isfinite(d[worse]):
                    found.append(Lost(*here, 0, np.nan, np.nan, ours[worse], X[i, worse]))
                    continue
                both = projected(shelf, cameras, np.stack([ours[worse], X[i, worse]]))
                index = names.index(ENDS[joint])
                near: list[tuple[float, float]] = []
                for c, name in enumerate(rig.names):
                    detections = sets[order[int(f)]].observations[name].detections
                    known = np.asarray(detections.confidence)[:, index] > 0
                    at = np.asarray(detections.keypoints_px, float)[known, index]
                    away = np.linalg.norm(at[:, None] - both[c], axis=2)
                    if len(away) and away.min() < REACH_PX:
                        best = away[away.min(axis=1).argmin()]
                        near.append((float(best[0]), float(best[1])))
                px = np.median(np.array(near), axis=0) if near else (np.nan, np.nan)
                found.append(
                    Lost(*here, len(near), float(px[0]), float(px[1]), ours[worse], X[i, worse])
                )
    return found


def draw(shelf: Shelf, cameras: str, lost: Lost, path: Path) -> None:
    """Every view around one joint: detections, the result and the truth."""
    from matplotlib.figure import Figure

    rig = shelf.rig.subset([shelf.rig.names[int(c)] for c in cameras])
    sets = shelf.observations.frame_sets(rig, RATE_HZ)
    skeleton = shelf.observations.skeleton
    both = projected(shelf, cameras, np.stack([lost.ours_m, lost.truth_m]))
    position = list(shelf.observations.frame_ids).index(lost.frame)
    figure = Figure(figsize=(3.2 * len(rig), 3.6), layout="constrained")
    index = skeleton.index(ENDS[lost.joint])
    bones = [(skeleton.index(a), skeleton.index(b)) for a, b in skeleton.bones]
    for c, name in enumerate(rig.names):
        axis = figure.add_subplot(1, len(rig), c + 1)
        detections = sets[position].observations[name].detections
        for pixels, confidence in zip(
            np.asarray(detections.keypoints_px, float), detections.confidence, strict=True
        ):
            for a, b in bones:
                if confidence[a] > 0 and confidence[b] > 0:
                    axis.plot(*pixels[[a, b]].T, color="#999", linewidth=1)
            if confidence[index] > 0:
                axis.plot(*pixels[index], "o", color="#111", markersize=5)
        axis.plot(*both[c, 0], "x", color="#c8382d", markersize=9, markeredgewidth=2)
        axis.plot(*both[c, 1], "+", color="#1f6fb2", markersize=11, markeredgewidth=2)
        middle = both[c].mean(axis=0)
        axis.set_xlim(middle[0] - 110, middle[0] + 110)
        axis.set_ylim(middle[1] + 110, middle[1] - 110)
        axis.set_aspect("equal")
        axis.set_title(name, fontsize=9)
    figure.suptitle(
        f"frame {lost.frame}, actor {lost.actor}, {lost.joint}: detected (dots), "
        "the result (red x), the truth (blue +)",
        fontsize=10,
    )
    figure.savefig(path, dpi=90)


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--cameras", default="01234")
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    shelf = Shelf(arguments.data)
    found = lost_parts(shelf, arguments.cameras)
    print("frame actor part        joint      off m  views  px to result / to truth")
    for lost in found:
        print(
            f"{lost.frame:5d} {lost.actor:5d} {lost.part:11s} {lost.joint:10s} {lost.off_m:5.2f}  "
            f"{lost.views:5d}  {lost.px:6.1f} / {lost.truth_px:6.1f}   {lost.kind}"
        )
    for kind, count in Counter(lost.kind for lost in found).most_common():
        print(f"{count:4d} of {len(found)}: {kind}")
    against = [lost for lost in found if lost.kind.endswith("the result")]
    if arguments.picture and against:
        draw(shelf, arguments.cameras, against[len(against) // 2], arguments.picture)


if __name__ == "__main__":
    main()
