"""The 2D keypoints that a body is fitted to are read as the person's left and right are."""

from pathlib import Path

import numpy as np
from synthetic_scene import frame_set, ring_rig, standing_person

from mocap.model import Keypoints3D, Person3D
from mocap.model.skeletons import HALPE_26
from mocap.pipeline.body import person_views
from mocap.reconstruction.swap_kernels import ARMS, WHOLE_BODY
from mocap.storage.session_reader import Session
from mocap.storage.session_writer import SessionWriter

RIG = ring_rig(3)
K = len(HALPE_26)


def test_each_view_is_read_with_what_was_exchanged_in_it(tmp_path: Path):
    path = tmp_path / "session.h5"
    points = standing_person(HALPE_26, (0.2, 0.1), 0.3)
    seen = frame_set(0, points[None], RIG, rng=np.random.default_rng(0), sigma_px=0.0)
    keypoints = Keypoints3D(
        points,
        np.tile(1e-4 * np.eye(3), (K, 1, 1)),
        np.zeros(K),
        np.full(K, 3),
        np.full((3, K), 3),
        np.zeros((3, K)),
        np.zeros((3, K)),
    )
    person = Person3D(0, keypoints, (0, 0, 0), (False, True, False), (0, WHOLE_BODY, ARMS))
    with SessionWriter(path, RIG, HALPE_26, config={}, software={}) as writer:
        writer.add_frame(seen, [person])
    with Session(path) as session:
        views = person_views(session, 0)
    own = [seen.observations[name].detections.keypoints_px[0] for name in RIG.names]
    mirror = np.array(HALPE_26.mirror)
    arms = np.arange(K)
    for name in ("elbow", "wrist"):
        left, right = HALPE_26.index(f"left_{name}"), HALPE_26.index(f"right_{name}")
        arms[[left, right]] = right, left
    for c, order in enumerate((np.arange(K), mirror, arms)):
        np.testing.assert_allclose(views.pixels[0, c], own[c][order], atol=1e-3)
