"""Extrinsics from a board: ours, aniposelib's and OpenCV's, from the same corners in one run.

Two real sessions (corners and intrinsics as they come with the data) and a simulated rig whose
truth is known. All get the same corners and the same intrinsics; each result is judged by
triangulating every corner, nothing removed, and by its distance to the reference poses.

aniposelib refines focal lengths on its own accord. OpenCV's function takes whole boards only.

    python tests/benchmarks/board_calibration.py [--data FOLDER]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from report import Metric, print_report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from board_scene import board_scene, pair_errors, real_session, reference_rig

from calibration.board import calibrate_rig_from_board, triangulation_report
from calibration.sightings import Sightings
from mocap.model import Camera, Intrinsics, Rig

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
Method = Callable[[Sightings, Mapping[str, Intrinsics]], Rig]


def ours(sightings: Sightings, lenses: Mapping[str, Intrinsics]) -> Rig:
    return calibrate_rig_from_board(sightings, lenses).rig


def ours_without_offsets(sightings: Sightings, lenses: Mapping[str, Intrinsics]) -> Rig:
    return calibrate_rig_from_board(sightings, lenses, solve_offsets=False).rig


def aniposelib(sightings: Sightings, lenses: Mapping[str, Intrinsics]) -> Rig:
    from aniposelib.boards import CharucoBoard
    from aniposelib.cameras import Camera as PeerCamera
    from aniposelib.cameras import CameraGroup

    target = sightings.target
    board = CharucoBoard(
        *target.squares, target.square_m, target.marker_m, marker_bits=4, dict_size=50
    )
    group = CameraGroup(
        [
            PeerCamera(
                matrix=lenses[c.name].matrix.copy(),
                dist=lenses[c.name].distortions.copy(),
                size=c.image_size,
                name=c.name,
            )
            for c in sightings.cameras
        ]
    )
    rows = [
        [
            {
                "framenum": (0, int(frame)),
                "corners": np.float32(pixels[seen][:, None]),
                "ids": np.flatnonzero(seen)[:, None].astype(np.int32),
            }
            for frame, pixels, seen in zip(c.frame, c.pixels, c.seen, strict=True)
        ]
        for c in sightings.cameras
    ]
    for row in rows:
        board.fill_points_rows(row)
    with contextlib.redirect_stdout(io.StringIO()):
        group.calibrate_rows(rows, board, init_intrinsics=False, verbose=False)
    return Rig(
        tuple(
            Camera.from_rotvec(
                camera.get_name(),
                Intrinsics(
                    lenses[camera.get_name()].size,
                    camera.get_camera_matrix(),
                    np.ravel(camera.get_distortions()),
                ),
                np.ravel(camera.get_rotation()),
                np.ravel(camera.get_translation()),
            )
            for camera in group.cameras
        )
    )


def opencv(sightings: Sightings, lenses: Mapping[str, Intrinsics]) -> Rig:
    import cv2

    frames = np.unique(np.concatenate([c.frame for c in sightings.cameras]))
    points = np.float32(sightings.target.points_m)
    images, mask = [], np.zeros((len(sightings.cameras), len(frames)), np.uint8)
    for c, camera in enumerate(sightings.cameras):
        place = {int(f): i for i, f in enumerate(camera.frame)}
        row = []
        for k, frame in enumerate(frames):
            index = place.get(int(frame))
            whole = index is not None and bool(camera.seen[index].all())
            mask[c, k] = whole
            row.append(np.float32(camera.pixels[index]) if whole else np.zeros((0, 2), np.float32))
        images.append(row)
    keep = mask.sum(axis=0) >= 2
    images = [[p for p, k in zip(row, keep, strict=True) if k] for row in images]
    mask = np.ascontiguousarray(mask[:, keep])
    names = sightings.names
    count = len(names)
    _, _, _, turns, shifts = cv2.calibrateMultiview(
        [points] * int(keep.sum()),
        images,
        [tuple(c.image_size) for c in sightings.cameras],
        mask,
        np.full(count, cv2.CALIB_MODEL_PINHOLE, np.uint8),
        [lenses[name].matrix.copy() for name in names],
        [lenses[name].distortions.copy().reshape(1, -1) for name in names],
        [np.zeros((3, 1)) for _ in names],
        [np.zeros((3, 1)) for _ in names],
        np.full(count, cv2.CALIB_USE_INTRINSIC_GUESS, np.int32),
        cv2.CALIB_USE_INTRINSIC_GUESS,
    )
    cameras = []
    for name, turn, shift in zip(names, turns, shifts, strict=True):
        pose = np.eye(4)
        turn = np.asarray(turn)
        pose[:3, :3] = turn if turn.shape == (3, 3) else cv2.Rodrigues(turn)[0]
        pose[:3, 3] = np.ravel(shift)
        cameras.append(Camera(name, lenses[name], pose))
    return Rig(tuple(cameras))


METHODS: dict[str, Method] = {
    "ours": ours,
    "ours, no offsets": ours_without_offsets,
    "aniposelib": aniposelib,
    "opencv": opencv,
}


def measured(
    name: str, sightings: Sightings, lenses: Mapping[str, Intrinsics], truth: Rig, frame_s: float
) -> list[Metric]:
    metrics: list[Metric] = []
    for label, method in METHODS.items():
        key = f"{name}.{label}"
        try:
            rig = method(sightings, lenses)
            started = time.perf_counter()
            rig = method(sightings, lenses)
            seconds = time.perf_counter() - started
        except Exception as error:
            note = f"failed: {type(error).__name__}: {str(error).splitlines()[0][:120]}"
            metrics.append(Metric(f"{key}.time", float("nan"), "s", "lower", note))
            continue
        report = triangulation_report(rig, sightings)
        turn, shift = pair_errors(rig, truth)
        length = f"true {1000 * sightings.target.edge_m:g}"
        metrics += [
            Metric(f"{key}.time", seconds, "s", "lower", "second call"),
            Metric(f"{key}.rmse", report.rmse_px, "px", "lower", "triangulated, none removed"),
            Metric(f"{key}.edge_mean", report.edge_mean_mm, "mm", "neither", length),
            Metric(f"{key}.edge_sd", report.edge_sd_mm, "mm", "lower"),
            Metric(f"{key}.pair_lengths_rmse", report.pair_rmse_mm, "mm", "lower"),
            Metric(f"{key}.rotation_max", turn, "deg", "lower", "worst pair, to reference"),
            Metric(f"{key}.centre_max", shift, "mm", "lower", "worst pair, to reference"),
        ]
        if label == "ours":
            late = [
                abs(c.time_offset_s - truth[c.name].time_offset_s) / frame_s for c in rig.cameras
            ]
            metrics.append(Metric(f"{key}.offset_error_max", max(late), "frames", "lower"))
    return metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    metrics: list[Metric] = []
    for session in ("charuco_4cam", "charuco_offset"):
        folder = options.data / session
        if not folder.is_dir():
            print(f"no {folder}: left out", file=sys.stderr)
            continue
        sightings, lenses = real_session(folder)
        truth = reference_rig(folder, lenses)
        metrics += measured(session, sightings, lenses, truth, 1 / 6)
    for name, settings in (
        ("simulated, synchronised", {}),
        ("simulated, offsets to 0.4 frames", {"offset_frames": (0.0, 0.4, -0.3, 0.2)}),
    ):
        scene = board_scene(4, seed=3, fps=10.0, missing_share=0.0, **settings)
        lenses = {c.name: c.intrinsics for c in scene.rig}
        metrics += measured(name, scene.sightings, lenses, scene.rig, 0.1)
    print_report("board_calibration", metrics)


if __name__ == "__main__":
    main()
