"""The batched fit in torch against the compiled one and its NumPy twin."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from body_data import data_of, random_poses, stretch_of, tables
from body_truth import true_motion
from scipy.spatial.transform import Rotation

from mocap.body.fit import fit_body
from mocap.body.fit_config import FitConfig, batch_device
from mocap.body.fit_frame import fit_frame, frame_work
from mocap.body.fit_shape import Poses
from mocap.body.fit_smooth import Stretch, smooth_stretch
from mocap.body.fit_start import loose_prediction
from mocap.body.fit_tables import BodyTables, PointData
from mocap.body.fit_torch import fit_frames, fit_stretches, has_cuda, pack, torch_device
from mocap.body.fit_torch_cost import batch_equations
from mocap.body.fit_torch_model import rotation_of, tree_of, vector_of
from mocap.body.fit_torch_solve import solve_pentadiagonal
from mocap.body.fit_twin import moved, stretch_equations
from mocap.body.skeleton import KinematicSkeleton
from mocap.errors import InputError
from mocap.model.skeletons import COCO_WHOLEBODY_133

FRAMES = 6


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The tensors of these tests are too small for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def problem(seed: int, frames: int = FRAMES) -> tuple[BodyTables, PointData, Stretch, Poses]:
    """A body, measurements, ties and a start from which it is some way to the solution."""
    body = tables()
    body = body._replace(bone=body.bone * (1.0 + 0.02 * seed))
    poses = random_poses(body, seed, frames)
    data = data_of(body, poses, seed + 100, pixels=False)
    return body, data, stretch_of(body, frames), poses


def calm_problem(seed: int, frames: int = FRAMES) -> tuple[BodyTables, PointData, Stretch, Poses]:
    """The same without outliers and strife, so that there is one minimum, and it is sharp."""
    body, _, stretch, poses = problem(seed, frames)
    data = data_of(body, poses, seed + 100, pixels=False, robust=1e4, noise=0.0)
    rng = np.random.default_rng(seed)
    data = data._replace(points=data.points + rng.normal(scale=0.002, size=data.points.shape))
    apart = rng.normal(scale=0.05, size=(frames, len(body.above)))
    stretch = stretch._replace(
        anchor_weight=0.0 * stretch.anchor_weight, standing_weight=100.0, floor_weight=0.0
    )
    return body, data, stretch, within(body, stepped(poses, apart))


def within(body: BodyTables, poses: Poses) -> Poses:
    Q = poses.Q.copy()
    Q[:, 3:] = np.clip(Q[:, 3:], body.low[3:], body.high[3:])
    return poses._replace(Q=Q)


def copied(poses: Poses) -> Poses:
    return poses.frames(0, len(poses.P))


def compiled(
    body: BodyTables, data: PointData, stretch: Stretch, poses: Poses, iterations: int
) -> tuple[Poses, float, float]:
    n, frames = len(body.above), len(poses.P)
    work = frame_work(len(body.parents), len(body.point_joint), n)
    blocks = tuple(np.zeros((frames, n, n)) for _ in range(3))
    expect = loose_prediction(body, stretch.floor_weight)
    found = copied(poses)
    first, last, _ = smooth_stretch(body, data, stretch, expect, *found, iterations, work, blocks)
    return found, first, last


def turn_between(a: Poses, b: Poses) -> float:
    """Largest difference of two poses, radians, of root and all degrees of freedom."""
    root = Rotation.from_matrix(np.swapaxes(a.R, 1, 2) @ b.R).magnitude()
    return max(float(root.max()), float(np.abs(a.Q - b.Q)[:, 3:].max()))


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 6, 11])
def test_odd_even_reduction_solves_the_dense_system(frames: int) -> None:
    rng = np.random.default_rng(frames)
    count, n = 3, 4
    dense = np.zeros((count, frames * n, frames * n))
    A = np.zeros((count, frames, n, n))
    A1 = rng.normal(size=(count, max(frames - 1, 0), n, n))
    A2 = rng.normal(size=(count, max(frames - 2, 0), n))
    for t in range(frames):
        root = rng.normal(size=(count, n, n))
        A[:, t] = root @ np.swapaxes(root, 1, 2) + 15.0 * np.eye(n)
        here = slice(t * n, (t + 1) * n)
        dense[:, here, here] = A[:, t]
        for ahead, block in ((1, A1), (2, A2)):
            if t + ahead < frames:
                there = slice((t + ahead) * n, (t + ahead + 1) * n)
                lower = block[:, t] if ahead == 1 else np.einsum("bi,ij->bij", A2[:, t], np.eye(n))
                dense[:, there, here] = lower
                dense[:, here, there] = np.swapaxes(lower, 1, 2)
    assert np.linalg.eigvalsh(dense).min() > 0
    b = rng.normal(size=(count, frames, n))
    x = solve_pentadiagonal(*(torch.as_tensor(array) for array in (A, A1, A2, b))).numpy()
    expected = np.linalg.solve(dense, b.reshape(count, -1, 1))
    assert np.allclose(x.ravel(), expected.ravel(), atol=1e-10)


def test_the_cost_is_that_of_numpy_and_of_the_compiled_fit() -> None:
    parts = [problem(seed, frames) for seed, frames in ((1, 6), (2, 3), (3, 1), (4, 2))]
    fitted = fit_stretches(*zip(*parts, strict=True), iterations=0)
    for (body, data, stretch, poses), found in zip(parts, fitted, strict=True):
        expect = loose_prediction(body, stretch.floor_weight)
        dense = stretch_equations(body, data, stretch, expect, poses)
        assert found.first == pytest.approx(dense.cost, rel=1e-9)
        assert found.first == pytest.approx(compiled(body, data, stretch, poses, 0)[1], rel=1e-9)
        assert found.cost == found.first
        assert turn_between(found.poses, poses) == 0.0


def test_the_gradient_is_that_of_the_cost() -> None:
    body, data, stretch, poses = problem(5)
    # The Jacobian of a turn between frames is taken for one, so that ties go by zero turns.
    poses = poses._replace(R=np.repeat(poses.R[:1], FRAMES, axis=0))
    pull = gradient(body, data, stretch, poses)
    rng = np.random.default_rng(1)
    steps = rng.normal(size=(8, FRAMES, len(body.above)))
    h = 1e-6
    later = [stepped(poses, s * step) for step in steps for s in (h, -h)]
    count = len(later)
    fitted = fit_stretches([body] * count, [data] * count, [stretch] * count, later, iterations=0)
    costs = np.array([f.first for f in fitted]).reshape(-1, 2)
    slopes = (costs[:, 0] - costs[:, 1]) / (2 * h)
    assert np.allclose(slopes, -(steps * pull).sum((1, 2)), rtol=1e-5, atol=1e-3)


def stepped(poses: Poses, steps: np.ndarray) -> Poses:
    rows = [moved(*pose, step) for pose, step in zip(zip(*poses, strict=True), steps, strict=True)]
    return Poses(*(np.stack(part) for part in zip(*rows, strict=True)))


def gradient(body: BodyTables, data: PointData, stretch: Stretch, poses: Poses) -> np.ndarray:
    cpu = torch.device("cpu")
    batch, state = pack([body], [data], [stretch], [poses], cpu, torch.float64)
    found = batch_equations(tree_of(body, cpu, torch.float64), batch, *state)
    assert not found.held.any()
    return found.b[0].numpy()


def test_a_step_is_that_of_the_compiled_fit() -> None:
    # Whatever is not a rounding would show: they take the same steps.
    parts = [problem(seed, frames) for seed, frames in ((6, 12), (7, 7))]
    for iterations in (1, 2, 5):
        fitted = fit_stretches(*zip(*parts, strict=True), iterations=iterations)
        for part, found in zip(parts, fitted, strict=True):
            expected, _, cost = compiled(*part, iterations)
            assert found.cost == pytest.approx(cost, rel=1e-6)
            assert turn_between(found.poses, expected) < 1e-6
            assert np.allclose(found.poses.P, expected.P, atol=1e-7)


def test_stretches_are_solved_and_keep_within_limits() -> None:
    parts = [calm_problem(seed) for seed in (8, 9)]
    fitted = fit_stretches(*zip(*parts, strict=True), iterations=100, tolerance=1e-12)
    for part, found in zip(parts, fitted, strict=True):
        expected = part[3]
        for _ in range(20):
            expected, _, cost = compiled(*part[:3], expected, 100)
        assert cost == pytest.approx(found.cost, rel=1e-6)
        assert turn_between(expected, found.poses) < 1e-4
        assert found.cost < 0.9 * found.first
        assert (found.poses.Q[:, 3:] >= part[0].low[3:]).all()
        assert (found.poses.Q[:, 3:] <= part[0].high[3:]).all()


def test_frames_by_themselves_are_those_of_the_compiled_fit() -> None:
    parts = [calm_problem(10), calm_problem(11, 3)]
    bodies, data, _, poses = zip(*parts, strict=True)
    fitted = fit_frames(bodies, data, poses, iterations=200, tolerance=1e-12, floor_weight=1.0)
    for body, own, start, (found, cost) in zip(bodies, data, poses, fitted, strict=True):
        assert cost.shape == (len(start.P),)
        work = frame_work(len(body.parents), len(body.point_joint), len(body.above))
        expect = loose_prediction(body, 1.0)
        expected = copied(start)
        for t in range(len(start.P)):
            pose = [array[t].copy() for array in start]
            for _ in range(20):
                least, _ = fit_frame(body, own, t, expect, *pose, 100, work)
            for array, value in zip(expected, pose, strict=True):
                array[t] = value
            assert cost[t] == pytest.approx(least, rel=1e-6)
        assert turn_between(found, expected) < 1e-4
        assert np.allclose(found.P, expected.P, atol=1e-5)


def test_two_people_together_are_each_alone() -> None:
    parts = [problem(12, 9), problem(13, 4)]
    together = fit_stretches(*zip(*parts, strict=True), iterations=6)
    for part, found in zip(parts, together, strict=True):
        (alone,) = fit_stretches(*([x] for x in part), iterations=6)
        assert found.cost == pytest.approx(alone.cost, rel=1e-10)
        assert len(found.poses.P) == len(part[3].P)
        assert turn_between(found.poses, alone.poses) < 1e-8


def test_missing_keypoints_have_no_influence() -> None:
    body, data, stretch, poses = problem(14)
    missing = ~(data.information[..., 0, 0] > 0)
    assert missing.any()
    points, information = data.points.copy(), data.information.copy()
    points[missing], information[missing] = np.nan, np.nan
    holed = data._replace(points=points, information=information)
    for part in (data, data._replace(points=np.where(missing[..., None], 1e6, points)), holed):
        (found,) = fit_stretches([body], [part], [stretch], [poses], iterations=3)
        if part is data:
            expected = found
        assert found.cost == expected.cost
        assert np.array_equal(found.poses.Q, expected.poses.Q)


def test_single_precision_is_near() -> None:
    parts = [problem(15), problem(16)]
    bodies, data, _, poses = zip(*parts, strict=True)
    double = fit_frames(bodies, data, poses, iterations=30)
    single = fit_frames(bodies, data, poses, iterations=30, dtype=torch.float32)
    for (a, cost_a), (b, cost_b) in zip(double, single, strict=True):
        assert np.allclose(cost_a, cost_b, rtol=1e-3)
        assert turn_between(a, b) < 0.02


def test_rotation_helpers() -> None:
    rng = np.random.default_rng(0)
    for size in (1e-9, 1e-5, 1e-3, 0.3, 3.1, np.pi):
        phi = rng.normal(size=(4, 3))
        phi *= size / np.linalg.norm(phi, axis=1, keepdims=True)
        expected = Rotation.from_rotvec(phi).as_matrix()
        R = rotation_of(torch.as_tensor(phi))
        assert np.allclose(R.numpy(), expected, atol=1e-12)
        again = vector_of(R).numpy()
        assert np.allclose(Rotation.from_rotvec(again).as_matrix(), expected, atol=1e-7)


def test_what_cannot_be_fitted_is_refused() -> None:
    body, data, stretch, poses = problem(17)
    with pytest.raises(InputError, match="no device 'gpu'"):
        torch_device("gpu")
    if not has_cuda():
        with pytest.raises(InputError, match="finds no CUDA"):
            fit_stretches([body], [data], [stretch], [poses], iterations=1, device="cuda")
    other = body._replace(rest=body.rest + 0.1)
    with pytest.raises(InputError, match="differ in rest"):
        fit_stretches([body, other], [data] * 2, [stretch] * 2, [poses] * 2, iterations=1)
    pixels = data_of(body, poses, 1, pixels=True)
    with pytest.raises(InputError, match="not pixels"):
        fit_stretches([body], [pixels], [stretch], [poses], iterations=1)


def test_a_whole_fit_is_that_of_the_compiled_one() -> None:
    rows = true_motion("walk_path", 1.75, 1.0, 6.0).rows(0.01, 1, slow_share=0.3)
    model = KinematicSkeleton(COCO_WHOLEBODY_133)
    compiled_fit = fit_body(model, rows)
    batched = fit_body(model, rows, FitConfig(device="torch"))
    assert compiled_fit.report.contacts > 0
    assert batched.report.contacts == compiled_fit.report.contacts
    a, b = compiled_fit.motion, batched.motion
    assert np.abs(a.dof_rad - b.dof_rad).max() < 1e-4
    assert np.abs(a.joint_positions_m - b.joint_positions_m).max() < 1e-5
    assert np.allclose(a.position_covariance_m2, b.position_covariance_m2, rtol=1e-3, atol=1e-8)
    assert np.array_equal(a.measured, b.measured)


def test_settings_of_the_device() -> None:
    with pytest.raises(InputError, match="expected one of cpu, cuda, auto, torch"):
        FitConfig(device="gpu")  # pyright: ignore[reportArgumentType]
    assert batch_device("cpu") is None
    assert batch_device("torch") == "cpu"
    if not has_cuda():
        assert batch_device("auto") is None
        with pytest.raises(InputError, match="finds no CUDA"):
            batch_device("cuda")
