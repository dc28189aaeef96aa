"""Fitted bodies beside a session: round trip, replacement, files that do not belong."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from mocap.arrays import frozen_equal
from mocap.errors import SessionError
from mocap.model.body_motion import BodyMotion, JointTree
from mocap.storage.body_file import (
    StoredBody,
    bodies_path,
    list_bodies,
    load_body,
    save_bodies,
)

MADE = "2030-01-02T03:04:05"


def a_body(person_id: int = 3, model: str = "skeleton", seed: int = 0) -> StoredBody:
    rng = np.random.default_rng(seed)
    f, j, k, d, s = 4, 3, 2, 5, 6

    def single(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32).astype(np.float64)

    motion = BodyMotion(
        person_id=person_id,
        model=model,
        gender="neutral",
        tree=JointTree(("Hips", "Spine", "Kopf ä"), (-1, 0, 1)),
        rest_joints_m=rng.normal(size=(j, 3)),
        shape_names=tuple(f"s{i}" for i in range(s)),
        shape=rng.normal(size=s),
        shape_sigma=rng.normal(size=s),
        frame=np.arange(f) + 7,
        time_s=np.arange(f) / 30,
        present=np.array([True, False, True, True]),
        root_position_m=rng.normal(size=(f, 3)),
        rotations=rng.normal(size=(f, j, 4)),
        joint_positions_m=rng.normal(size=(f, j, 3)),
        position_covariance_m2=single(f, j, 3, 3),
        rotation_covariance_rad2=single(f, j, 3, 3),
        measured=rng.random((f, j)) < 0.5,
        dof_names=tuple(f"d{i}" for i in range(d)),
        dof_rad=rng.normal(size=(f, d)),
        dof_limits_rad=np.tile((-np.inf, 1.0), (d, 1)),
        keypoint_names=("nose", "left_hip"),
        keypoints_m=single(f, k, 3),
        residual_m=np.where(rng.random((f, k)) < 0.5, np.nan, single(f, k)),
    )
    return StoredBody(motion, "smooth", 2, "2030", "mocap 1", {"a": [1, None, "x"]})


def same(a: BodyMotion, b: BodyMotion) -> bool:
    return all(frozen_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))


def test_round_trip_and_replacement(tmp_path: Path) -> None:
    session = tmp_path / "s.h5"
    assert list_bodies(session, MADE) == ()
    assert load_body(session, MADE, "skeleton", 3) is None
    first, other = a_body(3), a_body(4, "smpl", 1)
    save_bodies(session, MADE, [first, other])
    assert list_bodies(session, MADE) == (("skeleton", 3), ("smpl", 4))
    again = a_body(3, seed=2)
    save_bodies(session, MADE, [again])
    for body in (again, other):
        read = load_body(session, MADE, body.motion.model, body.motion.person_id)
        assert read is not None
        assert same(read.motion, body.motion)
        assert replace(read, motion=body.motion).report == body.report
        assert (read.layer, read.corrections, read.made_by) == ("smooth", 2, "mocap 1")
    assert [p.name for p in tmp_path.iterdir()] == ["s.h5.bodies.h5"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    session = tmp_path / "s.h5"
    save_bodies(session, MADE, [a_body()])
    before = bodies_path(session).read_bytes()

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mocap.storage.body_file._write", fail)
    with pytest.raises(KeyboardInterrupt):
        save_bodies(session, MADE, [a_body(seed=1)])
    assert bodies_path(session).read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_files_that_do_not_belong_are_refused(tmp_path: Path) -> None:
    session = tmp_path / "s.h5"
    save_bodies(session, MADE, [a_body()])
    with pytest.raises(SessionError, match="belongs to a session made 2030-01-02"):
        list_bodies(session, "2031")
    with h5py.File(bodies_path(session), "a") as file:
        file.attrs["format_version"] = 99
    with pytest.raises(SessionError, match="version 99"):
        load_body(session, MADE, "skeleton", 3)
    bodies_path(session).write_bytes(b"no")
    with pytest.raises(SessionError, match="delete it and run 'mocap fit' again"):
        save_bodies(session, MADE, [a_body()])
