"""EasyMocap's intri.yml and extri.yml, written as EasyMocap does: six digits, Windows line ends."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mocap.errors import RigError
from mocap.geometry.rotations import matrix_from_rotvec
from mocap.storage.rig_file import load_intrinsics, load_rig
from mocap.storage.rig_units import NoPoseError

K = np.array([[1100.5, 0.0, 958.25], [0.0, 1101.5, 541.5], [0.0, 0.0, 1.0]])
DIST = np.array([[-0.25, 0.125, 0.001, -0.002, 0.05]])
RVEC = np.array([[1.2], [-0.7], [0.4]])
T = np.array([[0.5], [1.25], [3.0]])
ROT = matrix_from_rotvec(RVEC.ravel())


def mat(key: str, value: np.ndarray) -> str:
    numbers = ", ".join(f"{v:.6f}" for v in value.ravel())
    rows, cols = value.shape
    return f"{key}: !!opencv-matrix\n  rows: {rows}\n  cols: {cols}\n  dt: d\n  data: [{numbers}]\n"


def listed(names: Sequence[object], quote: str = '"') -> str:
    return "names:\n" + "".join(f"  - {quote}{name}{quote}\n" for name in names)


def intri(names: Sequence[str], size: tuple[int, int] | None = (1920, 1080)) -> str:
    text = ""
    for name in names:
        text += mat(f"K_{name}", K) + mat(f"dist_{name}", DIST)
        if size:
            text += f"H_{name}: {size[1]}\nW_{name}: {size[0]}\n"
    return text


def extri(names: Sequence[str], *, vector: bool = True, matrix: bool = True) -> str:
    text = ""
    for i, name in enumerate(names):
        if vector:
            text += mat(f"R_{name}", RVEC)
        if matrix:
            text += mat(f"Rot_{name}", ROT)
        text += mat(f"T_{name}", T + np.array([[i], [0], [0]]))
    return text


def written(folder: Path, intri_text: str, extri_text: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in (("intri.yml", intri_text), ("extri.yml", extri_text)):
        if text:
            whole = f"%YAML:1.0\n---\n{text}".replace("\n", "\r\n")
            (folder / name).write_bytes(whole.encode())
    return folder


NAMES = ["01", "2", "10", "left cam"]


def test_folder_and_either_file(tmp_path: Path):
    folder = written(tmp_path / "cams", listed(NAMES) + intri(NAMES), listed(NAMES) + extri(NAMES))
    rig = load_rig(folder)
    assert rig.names == tuple(NAMES)
    for i, camera in enumerate(rig):
        assert camera.intrinsics.size == (1920, 1080)
        np.testing.assert_array_equal(camera.intrinsics.matrix, K)
        np.testing.assert_array_equal(camera.intrinsics.distortions, DIST[0])
        # The vector, not the matrix that is rounded to six digits.
        np.testing.assert_array_equal(camera.T_cam_world[:3, :3], ROT)
        np.testing.assert_array_equal(camera.translation_m, [0.5 + i, 1.25, 3.0])
    for name in ("intri.yml", "extri.yml"):
        again = load_rig(folder / name)
        assert again.cameras == rig.cameras
        assert list(load_intrinsics(folder / name)) == NAMES


def test_pairs_with_other_names(tmp_path: Path):
    folder = written(tmp_path / "x", listed(["a"]) + intri(["a"]), listed(["a"]) + extri(["a"]))
    (folder / "intri.yml").rename(folder / "Day1_Intri.yaml")
    (folder / "extri.yml").rename(folder / "day1_extri.yml")
    assert load_rig(folder / "Day1_Intri.yaml").names == ("a",)
    assert load_rig(folder / "day1_extri.yml").names == ("a",)


def test_both_in_one_file(tmp_path: Path):
    path = tmp_path / "cameras.yml"
    path.write_text("%YAML:1.0\n---\n" + listed(["a"]) + intri(["a"]) + extri(["a"]))
    assert load_rig(path).names == ("a",)


def test_names_of_digits_without_quotes_keep_their_zeros(tmp_path: Path):
    names = ["01", "02", "10"]
    for quote in ("", '"'):
        text = listed(names, quote) + intri(names)
        assert load_rig(written(tmp_path, text, extri(names))).names == tuple(names)


def test_order_is_that_of_the_names_else_that_of_the_keys(tmp_path: Path):
    names = [f"cam_{i}" for i in range(12)]
    turned = names[::-1]
    rig = load_rig(written(tmp_path, listed(turned) + intri(names), extri(names)))
    assert rig.names == tuple(turned)
    assert load_rig(written(tmp_path, intri(names), extri(names))).names == tuple(names)


def test_rounded_matrix_without_vector(tmp_path: Path):
    rig = load_rig(written(tmp_path, intri(["a"]), extri(["a"], vector=False)))
    rotation = rig.cameras[0].T_cam_world[:3, :3]
    np.testing.assert_allclose(rotation, ROT, atol=1e-6)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-14)


def test_vector_and_matrix_that_differ_are_refused(tmp_path: Path):
    other = mat("Rot_a", ROT.T)
    text = extri(["a"], matrix=False) + other
    with pytest.raises(RigError, match=r"camera 'a': 'R_a' and 'Rot_a' are different rotations"):
        load_rig(written(tmp_path, intri(["a"]), text))


def test_size_that_is_not_stated_is_that_of_the_centre(tmp_path: Path, caplog):
    with caplog.at_level(logging.WARNING):
        rig = load_rig(written(tmp_path, intri(["a"], None), extri(["a"])))
    assert rig.cameras[0].intrinsics.size == (1920, 1080)
    assert "camera 'a'" in caplog.text
    assert "1920x1080" in caplog.text
    assert "add W_a and H_a" in caplog.text


@pytest.mark.parametrize("centre", [(800.0, 541.5), (958.0, 0.0), (505.5, 505.5)])
def test_size_that_could_be_several_or_none_is_refused(tmp_path: Path, centre):
    text = intri(["a"], None).replace("958.250000", str(centre[0]))
    text = text.replace("541.500000", str(centre[1]))
    with pytest.raises(RigError, match=r"camera 'a': the size of the image is not stated.*add W_a"):
        load_rig(written(tmp_path, text, extri(["a"])))


def test_upright_images(tmp_path: Path):
    text = intri(["a"], None).replace("958.250000", "541.5").replace("541.500000", "958.25")
    text = text.replace("0.000000, 1101.500000, 541.5", "0.0, 1101.5, 958.25")
    assert load_intrinsics(written(tmp_path, text))["a"].size == (1080, 1920)


def test_lenses_without_poses(tmp_path: Path):
    folder = written(tmp_path, listed(NAMES) + intri(NAMES))
    assert list(load_intrinsics(folder)) == NAMES
    with pytest.raises(NoPoseError, match=r"intri\.yml: no pose .* of 01, 2, 10, left cam"):
        load_rig(folder)
    written(tmp_path, listed(NAMES) + intri(NAMES), listed(["01"]) + extri(["01"]))
    with pytest.raises(NoPoseError, match=r"of 2, 10, left cam"):
        load_rig(folder)


def test_poses_without_lenses(tmp_path: Path):
    folder = written(tmp_path, "", listed(["a"]) + extri(["a"]))
    with pytest.raises(RigError, match=r"extri\.yml has the poses, but the lenses"):
        load_rig(folder / "extri.yml")


def test_missing_distortion_is_told(tmp_path: Path, caplog):
    text = mat("K_a", K) + "H_a: 1080\nW_a: 1920\n"
    rig = load_rig(written(tmp_path, text, extri(["a"])))
    assert len(rig.cameras[0].intrinsics.distortions) == 0
    assert "camera 'a': no distortion coefficients" in caplog.text


def test_millimetres(tmp_path: Path):
    far = extri(["a", "b"]).replace("1.500000", "3000.0")
    folder = written(tmp_path, intri(["a", "b"]), far)
    with pytest.raises(RigError, match="pass units mm"):
        load_rig(folder)
    assert load_rig(folder, units="mm")["b"].translation_m[0] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("intri_text", "extri_text", "words"),
    [
        (listed(["a", "b"]) + intri(["a"]), extri(["a"]), r"'names' lists camera 'b'.*no 'K_b'"),
        (intri(["a"]), mat("R_a", RVEC), "'T_a' is missing"),
        (intri(["a"]), mat("T_a", T), "'R_a' is missing"),
        (intri(["a"]), mat("R_a", K) + mat("T_a", T), "'R_a' is not a rotation"),
        (intri(["a"]), mat("R_a", RVEC) + mat("T_a", K), "'T_a' has shape 3x3, expected 3"),
        (mat("K_a", T) + "H_a: 1\nW_a: 1\n", extri(["a"]), "'K_a' has shape 3x1"),
        (intri(["a"]).replace("W_a: 1920", "W_a: 1920.5"), extri(["a"]), "whole pixels"),
        (intri(["a"]).replace("1100.500000", ".Nan"), extri(["a"]), "'K_a' holds NaN"),
        (intri(["a"]).replace("rows: 3", "rows: 4"), extri(["a"]), "matrix 'K_a' does not have"),
        # OpenCV itself writes beyond its memory here.
        (intri(["a"]).replace("rows: 3", "rows: 2"), extri(["a"]), "matrix 'K_a' does not have"),
        (intri(["a/b"]), extri(["a/b"]), "camera 'a/b': a camera needs a name, without '/'"),
    ],
)
def test_faults_name_the_camera(tmp_path: Path, intri_text, extri_text, words):
    folder = written(tmp_path, intri_text, extri_text)
    with pytest.raises(RigError, match=words) as caught:
        load_rig(folder)
    assert "intri.yml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folder_without_cameras(tmp_path: Path):
    with pytest.raises(RigError, match=r"must hold intri\.yml and extri\.yml"):
        load_rig(tmp_path)
