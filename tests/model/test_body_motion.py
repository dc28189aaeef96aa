import numpy as np
import pytest

from mocap.errors import InputError
from mocap.model.body_motion import BodyMotion, JointTree


def motion(frames: int = 4, **changes: object) -> BodyMotion:
    tree = JointTree(("hips", "spine"), (-1, 0))
    values: dict[str, object] = {
        "person_id": 0,
        "model": "skeleton",
        "gender": "neutral",
        "tree": tree,
        "rest_joints_m": np.zeros((2, 3)),
        "shape_names": ("height",),
        "shape": np.ones(1),
        "shape_sigma": np.ones(1),
        "frame": np.arange(10, 10 + frames),
        "time_s": 0.02 * np.arange(frames),
        "present": np.ones(frames, bool),
        "root_position_m": np.zeros((frames, 3)),
        "rotations": np.tile([1.0, 0, 0, 0], (frames, 2, 1)),
        "joint_positions_m": np.zeros((frames, 2, 3)),
        "position_covariance_m2": np.zeros((frames, 2, 3, 3)),
        "rotation_covariance_rad2": np.zeros((frames, 2, 3, 3)),
        "measured": np.ones((frames, 2), bool),
        "dof_names": (),
        "dof_rad": np.zeros((frames, 0)),
        "dof_limits_rad": np.zeros((0, 2)),
        "keypoint_names": ("nose",),
        "keypoints_m": np.zeros((frames, 1, 3)),
        "residual_m": np.zeros((frames, 1)),
    }
    return BodyMotion(**{**values, **changes})


def test_a_range_of_frames_keeps_the_body_and_cuts_everything_that_has_a_time() -> None:
    part = motion().frames(11, 12)
    assert part.frame.tolist() == [11, 12] and len(part.keypoints_m) == 2
    assert part.frame_time_s == pytest.approx(0.02)
    assert part.shape.tolist() == [1.0]


def test_the_arrays_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        motion().rotations[0] = 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame": np.array([1, 2, 4, 5])}, "consecutive"),
        ({"rotations": np.zeros((4, 3, 4))}, "rotations has shape"),
        ({"residual_m": np.zeros((3, 1))}, "residual_m has shape"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        motion(**changes)


@pytest.mark.parametrize(
    ("names", "parents"),
    [(("a", "b"), (-1,)), (("a", "a"), (-1, 0)), (("a", "b"), (1, -1)), (("a", "b"), (-1, 1))],
)
def test_a_tree_needs_parents_before_children(names: tuple[str, ...], parents: tuple[int]) -> None:
    with pytest.raises(ValueError, match="tree"):
        JointTree(names, parents)


def test_an_unknown_joint_is_named_with_those_there_are() -> None:
    with pytest.raises(InputError, match="hips"):
        JointTree(("hips", "spine"), (-1, 0)).index("knee")
