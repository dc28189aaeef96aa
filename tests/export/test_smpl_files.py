"""SMPL parameters in the conventions of AMASS and EasyMocap, through the `smplx` library."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from body_motions import humanoid_tree, moving
from body_stand_in import smplx_forward, write_stand_in
from export_readers import source_of

from mocap.body.smpl_file import load_smpl
from mocap.body.smpl_kinds import SMPL_KINDS
from mocap.body.smpl_parameters import (
    EasyMocapParameters,
    SmplParameters,
    body_motion_of_smpl,
    from_easymocap,
)
from mocap.errors import InputError, OutputError
from mocap.export.amass import read_amass, write_amass
from mocap.export.easymocap_json import write_easymocap
from mocap.model import BodyMotion

POSES = {"smpl": 72, "smplh": 156, "smplx": 165}
FRAMES = 6


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for kind in SMPL_KINDS:
        write_stand_in(folder, kind)
    return folder


def body(models: Path, kind: str, person_id: int = 3) -> BodyMotion:
    rng = np.random.default_rng(4)
    joints = len(SMPL_KINDS[kind].tree)
    poses = rng.normal(0.0, 0.3, (FRAMES, joints, 3))
    poses[:, 0] += (1.2, 0.4, -0.3)
    trans = rng.normal(0.0, 1.0, (FRAMES, 3))
    parameters = SmplParameters(kind, "neutral", rng.normal(0, 1, 10), trans, poses)
    rest = load_smpl(kind, "neutral", models).rest_joints(parameters.betas)
    present = np.arange(FRAMES) != 2
    return body_motion_of_smpl(
        parameters,
        rest,
        5.0 + np.arange(FRAMES) / 60.0,
        person_id=person_id,
        frame=30 + np.arange(FRAMES),
        present=present,
    )


@pytest.mark.parametrize("kind", SMPL_KINDS)
def test_smplx_puts_the_joints_of_an_amass_file_where_they_are(models, tmp_path, kind) -> None:
    pytest.importorskip("smplx")
    motion = body(models, kind)
    path = tmp_path / "a.npz"
    (note,) = write_amass(motion, path)
    assert "use_pca=False" in note
    with np.load(path, allow_pickle=False) as data:
        poses = data["poses"]
        assert poses.shape == (FRAMES, POSES[kind])
        # As a reader of AMASS takes them apart.
        parameters = SmplParameters(
            kind,
            str(data["gender"]),
            data["betas"][:10],
            data["trans"],
            poses.reshape(FRAMES, -1, 3),
        )
        assert float(data["mocap_framerate"]) == float(data["mocap_frame_rate"])
        assert float(data["mocap_frame_rate"]) == pytest.approx(60.0)
        assert float(data["mocap_time_length"]) == pytest.approx(FRAMES / 60.0)
        assert data["betas"].shape == (16,)
        assert data["present"].tolist() == motion.present.tolist()
        if kind == "smplx":
            sizes = {k: data[k].shape[1] for k in data.files if data[k].ndim == 2 and k != "poses"}
            assert sizes == {
                "trans": 3,
                "root_orient": 3,
                "pose_body": 63,
                "pose_hand": 90,
                "pose_jaw": 3,
                "pose_eye": 6,
            }
            order = ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand")
            np.testing.assert_array_equal(np.concatenate([data[k] for k in order], axis=1), poses)
            assert str(data["surface_model_type"]) == "smplx"
        if kind == "smplh":
            assert data["dmpls"].shape == (FRAMES, 8)
    file = models / kind / f"{kind.upper()}_NEUTRAL.npz"
    joints, _ = smplx_forward(file, parameters)
    count = len(SMPL_KINDS[kind].tree)
    assert np.abs(joints[:, :count] - motion.joint_positions_m).max() < 1e-4


@pytest.mark.parametrize("kind", SMPL_KINDS)
def test_amass_files_are_read_back(models, tmp_path, kind) -> None:
    motion = body(models, kind)
    path = tmp_path / "a.npz"
    write_amass(motion, path)
    read = read_amass(path, models=models, person_id=7)
    np.testing.assert_allclose(read.joint_positions_m, motion.joint_positions_m, atol=1e-9)
    np.testing.assert_allclose(read.time_s, motion.time_s)
    assert (read.person_id, read.model, read.gender) == (7, kind, "neutral")


def test_files_of_amass_itself_are_read(models, tmp_path) -> None:
    """They have one spelling of the rate, 16 shape numbers, byte strings and pickled lists."""
    motion = body(models, "smplh")
    path = tmp_path / "a.npz"
    write_amass(motion, path)
    with np.load(path) as data:
        keep = {k: data[k] for k in ("trans", "poses", "betas", "dmpls")}
    labels = np.array(["C7", None], dtype=object)
    np.savez(path, gender=np.array(b"neutral"), mocap_framerate=120.0, labels=labels, **keep)
    read = read_amass(path, models=models)
    assert read.frame_time_s == pytest.approx(1 / 120)
    np.testing.assert_allclose(read.joint_positions_m, motion.joint_positions_m, atol=1e-9)


BAD = {
    "poses": (
        {"poses": np.zeros((6, 100))},
        r"poses have shape \(6, 100\), expected .*156 for SMPL",
    ),
    "trans": ({"trans": np.zeros((5, 3))}, r"trans has shape \(5, 3\), expected \(6, 3\)"),
    "nan": ({"trans": np.full((6, 3), np.nan)}, "trans holds NaN"),
    "gender": ({"gender": np.array("robot")}, "gender is 'robot', expected one of neutral"),
    "betas": ({"betas": np.ones(20)}, "20 shape numbers, the model file only 16"),
    "no poses": ({"poses": None}, "is not a motion of AMASS: it has no poses"),
    "no rate": ({"mocap_frame_rate": None, "mocap_framerate": None}, "states no frame rate"),
    "no frames": ({"poses": np.zeros((0, 156)), "trans": np.zeros((0, 3))}, "at least one"),
}


@pytest.mark.parametrize("damage", BAD)
def test_bad_amass_files(models, tmp_path, damage) -> None:
    changed, message = BAD[damage]
    path = tmp_path / "a.npz"
    write_amass(body(models, "smplh"), path)
    with np.load(path) as data:
        values = dict(data) | changed
    np.savez(path, **{k: v for k, v in values.items() if v is not None})
    with pytest.raises(InputError, match=message) as error:
        read_amass(path, models=models)
    assert str(path) in str(error.value)


def test_what_is_no_npz_or_has_no_model(models, tmp_path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(InputError, match="is not a readable NPZ file"):
        read_amass(path, models=models)
    with pytest.raises(InputError, match=r"motion file .* does not exist"):
        read_amass(tmp_path / "none.npz", models=models)
    write_amass(body(models, "smplh"), path)
    with pytest.raises(InputError, match="Register at"):
        read_amass(path, models=tmp_path)


def test_another_body_model_cannot_be_written(tmp_path) -> None:
    motion = moving(*humanoid_tree())
    with pytest.raises(InputError, match="body model 'skeleton'; SMPL parameters need"):
        write_amass(motion, tmp_path / "a.npz")


def test_easymocap_files_mean_the_same_body(models, walker, tmp_path) -> None:
    motion = body(models, "smpl")
    source = source_of(walker.motion(), bodies=[motion])
    written = write_easymocap(source, tmp_path, overwrite=False)
    assert written.what == "5 files, 1 people"
    top = tmp_path / "easymocap" / "smpl"
    assert sorted(p.name for p in top.iterdir()) == [f"0000{n}.json" for n in (30, 31, 33, 34, 35)]
    data = load_smpl("smpl", "neutral", models)
    (person,) = json.loads((top / "000033.json").read_text())
    assert person["id"] == 3
    assert person["poses"][0][:3] == [0.0, 0.0, 0.0]
    parameters = EasyMocapParameters(
        Rh=np.array(person["Rh"]),
        Th=np.array(person["Th"]),
        poses=np.array(person["poses"]).reshape(1, -1, 3),
        shapes=np.array(person["shapes"][0]),
    )
    rest = data.rest_joints(parameters.shapes)
    smpl = from_easymocap("smpl", "neutral", parameters, rest[0])
    read = body_motion_of_smpl(smpl, rest, np.zeros(1))
    np.testing.assert_allclose(read.joint_positions_m[0], motion.joint_positions_m[3], atol=1e-9)
    with pytest.raises(OutputError, match="--overwrite"):
        write_easymocap(source, tmp_path, overwrite=False)
    (top / "000099.json").write_text("[]")
    write_easymocap(source, tmp_path, overwrite=True)
    assert not (top / "000099.json").exists()
