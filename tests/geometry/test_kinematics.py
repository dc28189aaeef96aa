import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mocap.geometry.kinematics import forward_kinematics

PARENTS = (-1, 0, 1, 1, 0, 4)


@given(st.integers(0, 2**32 - 1))
def test_positions_and_orientations_are_those_of_chained_rigid_transforms(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rest, root = rng.normal(size=(6, 3)), rng.normal(size=(4, 3))
    rotations = Rotation.random(24, random_state=seed).as_matrix().reshape(4, 6, 3, 3)
    position, orientation = forward_kinematics(PARENTS, rest, root, rotations)
    for f in range(4):
        world = []
        for j, a in enumerate(PARENTS):
            local = np.eye(4)
            local[:3, :3] = rotations[f, j]
            local[:3, 3] = root[f] if a < 0 else rest[j] - rest[a]
            world.append(local if a < 0 else world[a] @ local)
        np.testing.assert_allclose(position[f], [t[:3, 3] for t in world], atol=1e-12)
        np.testing.assert_allclose(orientation[f], [t[:3, :3] for t in world], atol=1e-12)


def test_bodies_of_several_people_are_broadcast_against_their_motions() -> None:
    rest = np.random.default_rng(0).normal(size=(2, 1, 6, 3))
    rotations = np.broadcast_to(np.eye(3), (5, 6, 3, 3))
    position, orientation = forward_kinematics(PARENTS, rest, np.zeros((5, 3)), rotations)
    assert position.shape == (2, 5, 6, 3) and orientation.shape == (2, 5, 6, 3, 3)
    np.testing.assert_allclose(
        position, np.broadcast_to(rest - rest[..., :1, :], position.shape), atol=1e-12
    )
