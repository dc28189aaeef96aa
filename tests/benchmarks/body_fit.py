"""Speed of the body fit, beside a plain one with SciPy, in one run.

    python tests/benchmarks/body_fit.py [--quick] [--batched]

A person of the studio walks; the keypoints have 10 mm of noise, a third of it slow. `offline` is
the whole fit of a session (shape, poses, contacts, covariances) with two threads, by the clock and
by the processor. `online` is one call per frame, on one core. The plain fit is the same residuals
of one frame (keypoints, pose prior, limits) given to
`scipy.optimize.least_squares` with the analytic
Jacobian, from the same start as the compiled fit of that frame, with the shape known. Compiled
functions are loaded before any clock runs. `batched` fits all stretches of some people together
with torch, on a graphics card where there is one, and `stretches` does the same by the compiled
fit, one stretch after the other on one core: three steps from poses a little off, in double
precision. `--batched` measures these two only. Without a graphics card one person of 240 frames is
enough to tell the two apart. What is being measured is said on the way.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from report import Metric, print_report
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from body_truth import joint_errors, true_motion

from mocap.body.fit import fit_body
from mocap.body.fit_cuts import cut_stretches, tie_frames
from mocap.body.fit_data import measurements_of, point_data
from mocap.body.fit_frame import fit_frame, frame_work
from mocap.body.fit_kernels import place_points, pose_body
from mocap.body.fit_online import OnlineFitter
from mocap.body.fit_shape import Poses, pose_jacobian
from mocap.body.fit_smooth import Stretch, smooth_stretch
from mocap.body.fit_start import loose_prediction
from mocap.body.fit_tables import BodyTables, PointData, body_tables
from mocap.body.fit_torch import device_name, fit_stretches, has_cuda
from mocap.body.skeleton import KinematicSkeleton
from mocap.model import Motion
from mocap.model.skeletons import COCO_WHOLEBODY_133

NOISE_M = 0.01


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--batched", action="store_true")
    arguments = parser.parse_args()
    quick = arguments.quick
    card = has_cuda()
    alone = arguments.batched and not card
    truth = true_motion("walk_path", seconds=8.0 if quick or alone else 40.0)
    rows = truth.rows(NOISE_M, 1, slow_share=0.3)
    metrics: list[Metric] = []
    for word, fingers in (("body", False), ("body_and_hands", True)):
        model = KinematicSkeleton(COCO_WHOLEBODY_133, fingers)
        if not arguments.batched:
            _say(f"{word}: offline")
            metrics += _offline(word, model, truth, rows)
            _say(f"{word}: online")
            metrics += _online(word, model, rows)
            _say(f"{word}: one frame, beside SciPy")
            metrics += _one_frame(word, model, rows, 5 if quick else 20)
        some, people = (rows, 2 if quick else 4) if card else (rows.rows(rows.frame < 240), 1)
        metrics += _batched(word, model, some, people)
    print_report("body_fit", metrics)


def _say(what: str) -> None:
    print(f"measuring {what}", file=sys.stderr, flush=True)


def _offline(word: str, model: KinematicSkeleton, truth: object, rows: Motion) -> list[Metric]:
    fit_body(model, rows.rows(rows.frame < 60))
    best, processor = np.inf, np.inf
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        fit = fit_body(model, rows)
        best = min(best, time.perf_counter() - wall)
        processor = min(processor, time.process_time() - cpu)
    errors = joint_errors(truth, fit.motion)  # pyright: ignore[reportArgumentType]
    frames = len(rows)
    return [
        Metric(f"{word}.offline", frames / best, "person-frames/s", "higher", "2 threads, clock"),
        Metric(
            f"{word}.offline_two_free_cores",
            2 * frames / processor,
            "person-frames/s",
            "higher",
            "twice the frames per second of processor time",
        ),
        Metric(
            f"{word}.offline_joint_error",
            1000 * float(np.mean([e.mean() for e in errors.values()])),
            "mm",
            "lower",
            "shoulders, elbows, wrists, hips, knees, ankles",
        ),
    ]


def _online(word: str, model: KinematicSkeleton, rows: Motion) -> list[Metric]:
    columns = [COCO_WHOLEBODY_133.index(name) for name in model.keypoint_names]
    points, covariance = rows.points_m[:, columns], rows.covariance_m2[:, columns]
    fitter = OnlineFitter(model)
    spent: list[float] = []
    for t in range(len(points)):
        start = time.process_time()
        fitter.update(float(rows.time_s[t]), points[t], covariance[t])
        spent.append(1000 * (time.process_time() - start))
    settled = np.array(spent[20:])
    return [
        Metric(
            f"{word}.online", float(np.median(settled)), "ms/frame", "lower", "median, one core"
        ),
        Metric(f"{word}.online_p99", float(np.percentile(settled, 99)), "ms/frame", "lower"),
    ]


def _one_frame(word: str, model: KinematicSkeleton, rows: Motion, count: int) -> list[Metric]:
    measured = measurements_of(model, rows)
    noise = np.full(len(measured.keypoints), 0.008)
    data = point_data(measured, noise, 1e4)
    fit = fit_body(model, rows.rows(rows.frame < 200)).motion
    body = body_tables(model, fit.shape, measured.keypoints)
    chosen = np.linspace(5, 195, count).round().astype(int)
    times, costs = np.zeros((2, count)), np.zeros((2, count))
    work = frame_work(len(body.parents), len(measured.keypoints), len(body.above))
    for i, t in enumerate(chosen):
        R0 = Rotation.from_quat(fit.rotations[t, 0], scalar_first=True).as_matrix()
        start = (fit.root_position_m[t].copy(), R0, body.rest.copy())
        start[2][:3] = 0.0
        pose = tuple(array.copy() for array in start)
        clock = time.process_time()
        costs[0, i], _ = fit_frame(body, data, int(t), loose_prediction(body), *pose, 100, work)
        times[0, i] = time.process_time() - clock
        clock = time.process_time()
        costs[1, i] = _plain(body, data, int(t), start, work)
        times[1, i] = time.process_time() - clock
    ours, plain = 1000 * np.median(times, axis=1)
    return [
        Metric(f"{word}.one_frame", float(ours), "ms", "lower", "from the rest pose"),
        Metric(f"{word}.one_frame_scipy", float(plain), "ms", "neither", "the same by SciPy"),
        Metric(f"{word}.faster_than_scipy", float(plain / ours), "x", "higher"),
        Metric(
            f"{word}.cost_against_scipy",
            float(np.median(costs[0] / costs[1])),
            "ratio",
            "lower",
            "1 means as good",
        ),
    ]


def _batched(word: str, model: KinematicSkeleton, rows: Motion, people: int) -> list[Metric]:
    device = "cuda" if has_cuda() else "cpu"
    measured = measurements_of(model, rows)
    data = point_data(measured, np.full(len(measured.keypoints), 0.008), 4.0)
    fit = fit_body(model, rows).motion
    body = body_tables(model, fit.shape, measured.keypoints)
    rng = np.random.default_rng(2)
    Q = np.pad(fit.dof_rad, ((0, 0), (3, 0))) + 0.05 * rng.normal(size=(1, len(body.axis)))
    R = Rotation.from_quat(fit.rotations[:, 0], scalar_first=True).as_matrix()
    poses = Poses(fit.root_position_m + 0.01, R, np.clip(Q, body.low, body.high))
    standing = np.zeros((len(rows) - 1, len(body.sole)), bool)
    tied = tie_frames(body, poses, measured.time_s, standing, smooth=1.0, floor=True)
    spans = [cut[2:] for cut in cut_stretches(np.ones(len(rows), bool))] * people
    parts = [data.frames(*span) for span in spans]
    ties = [tied.frames(*span) for span in spans]
    starts = [poses.frames(*span) for span in spans]
    frames = sum(stop - start for start, stop in spans)
    steps, times = 3, np.full(2, np.inf)
    for turn in range(3):
        _say(f"{word}: {frames} frames compiled and with torch, turn {turn + 1} of 3")
        plain = [Poses(*(array.copy() for array in start)) for start in starts]
        clock = time.perf_counter()
        with threadpool_limits(1):
            for start, part, tie in zip(plain, parts, ties, strict=True):
                _compiled_stretch(body, part, tie, start, steps)
        times[0] = min(times[0], time.perf_counter() - clock)
        clock = time.perf_counter()
        found = fit_stretches(
            [body] * len(spans), parts, ties, starts, iterations=steps, device=device
        )
        times[1] = min(times[1], time.perf_counter() - clock)
    off = max(
        float(np.abs(a.Q - b.poses.Q)[:, 3:].max()) for a, b in zip(plain, found, strict=True)
    )
    where = device_name(device)
    return [
        Metric(
            f"{word}.stretches", frames / times[0], "person-frames/s", "higher", "compiled, 1 core"
        ),
        Metric(
            f"{word}.batched",
            frames / times[1],
            "person-frames/s",
            "higher",
            f"torch, {people} people on {where}",
        ),
        Metric(f"{word}.batched_speed", float(times[0] / times[1]), "x", "higher", where),
        Metric(f"{word}.batched_difference", 1000 * off, "mrad", "lower", "largest"),
    ]


def _compiled_stretch(
    body: BodyTables, data: PointData, tie: Stretch, poses: Poses, steps: int
) -> None:
    frames, n = len(poses.P), len(body.above)
    work = frame_work(len(body.parents), len(body.point_joint), n)
    blocks = tuple(np.zeros((frames, n, n)) for _ in range(3))
    expect = loose_prediction(body, tie.floor_weight)
    smooth_stretch(body, data, tie, expect, *poses, steps, work, blocks)


def _plain(
    body: BodyTables,
    data: PointData,
    t: int,
    start: tuple[np.ndarray, np.ndarray, np.ndarray],
    work: object,
) -> float:
    """One frame by SciPy; returns the cost."""
    p0, R0, q0 = start
    roots = np.linalg.cholesky(data.information[t])
    prior = np.sqrt(body.prior[3:])
    low = np.concatenate((np.full(6, -np.inf), body.low[3:]))
    high = np.concatenate((np.full(6, np.inf), body.high[3:]))

    def place(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        turn = R0 @ Rotation.from_rotvec(x[3:6]).as_matrix()
        q = np.concatenate((np.zeros(3), x[6:]))
        pose_body(body, turn, q, work.position, work.orientation, work.twist)  # pyright: ignore
        place_points(body, work.position, work.orientation, work.points)  # pyright: ignore
        return work.points + x[:3], q  # pyright: ignore

    def residuals(x: np.ndarray) -> np.ndarray:
        points, q = place(x)
        off = np.einsum("kji,kj->ki", roots, points - data.points[t])
        return np.concatenate((off.ravel(), prior * (q[3:] - body.rest[3:])))

    def jacobian(x: np.ndarray) -> np.ndarray:
        place(x)
        # A step of the root's rotation vector is taken for one in the root's own frame.
        by_pose = np.einsum("kji,kjn->kin", roots, pose_jacobian(body, work))  # pyright: ignore
        by_prior = np.hstack((np.zeros((len(prior), 6)), np.diag(prior)))
        return np.vstack((by_pose.reshape(-1, by_pose.shape[2]), by_prior))

    x0 = np.concatenate((p0, np.zeros(3), np.clip(q0[3:], low[6:] + 1e-6, high[6:] - 1e-6)))
    return float(least_squares(residuals, x0, jacobian, (low, high), "trf", xtol=1e-6).cost)


if __name__ == "__main__":
    main()
