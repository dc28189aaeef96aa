"""Files of the SMPL family: found, read, and refused where they are not what they should be."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from body_stand_in import stand_in, write_stand_in
from scipy import sparse

from mocap.body.smpl_file import MODELS_VARIABLE, find_smpl_file, load_smpl
from mocap.errors import InputError


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return stand_in("smpl")


def save(path: Path, arrays: dict[str, np.ndarray], **changes) -> Path:
    np.savez(
        path, **{name: value for name, value in (arrays | changes).items() if value is not None}
    )
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_reads_like_the_npz(tmp_path: Path, arrays, protocol: int) -> None:
    content = dict(arrays) | {
        "J_regressor": sparse.csc_matrix(arrays["J_regressor"]),
        "shapedirs": np.asfortranarray(arrays["shapedirs"]),
        "v_template": arrays["v_template"].astype(">f8"),
        "bs_style": "lbs",
        "a_set": {1, 2},
        "a_number": np.float64(3.0),
        "names": np.array(["a", "b"], dtype=object),
    }
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(content, protocol=protocol))
    ours = load_smpl("smpl", "neutral", file)
    plain = load_smpl("smpl", "neutral", save(tmp_path / "model.npz", arrays))
    for name in ("template_m", "shape_directions", "pose_directions", "faces"):
        assert np.array_equal(getattr(ours, name), getattr(plain, name)), name
    assert abs(ours.joint_regressor - plain.joint_regressor).max() == 0


@pytest.mark.parametrize("maker", [sparse.csr_matrix, sparse.coo_matrix, sparse.csc_array])
def test_sparse_matrices_of_all_kinds(tmp_path: Path, arrays, maker) -> None:
    file = tmp_path / "model.pkl"
    regressor = maker(arrays["J_regressor"])
    file.write_bytes(pickle.dumps(dict(arrays) | {"J_regressor": regressor}, protocol=2))
    ours = load_smpl("smpl", "neutral", file)
    assert np.allclose(ours.joint_regressor.toarray(), arrays["J_regressor"])


class _Spelled:
    """Pickles as an object of a class that does not exist here."""

    def __init__(self, module: str, name: str, state: dict) -> None:
        self.spelling, self.state = (module, name), state


def with_chumpy(content: dict) -> bytes:
    """A pickle as Python 2 wrote it, with objects of chumpy, made from its text form."""
    stand_ins = {}

    def held(module: str, name: str, state: dict) -> object:
        kind = stand_ins.setdefault((module, name), type(name, (), {"__module__": module}))
        value = kind()
        value.__dict__.update(state)
        return value

    class Writer(pickle._Pickler):
        def save_global(self, obj, name=None) -> None:
            if obj in stand_ins.values():
                self.write(f"c{obj.__module__}\n{obj.__name__}\n".encode())
                self.memoize(obj)
                return
            super().save_global(obj, name)

        dispatch: ClassVar[dict] = dict(pickle._Pickler.dispatch)
        dispatch[type] = lambda self, obj: (
            self.save_global(obj)
            if obj in stand_ins.values()
            else pickle._Pickler.save_type(self, obj)
        )

    stream = io.BytesIO()
    ready = {
        key: held(*value.spelling, value.state) if isinstance(value, _Spelled) else value
        for key, value in content.items()
    }
    Writer(stream, protocol=2).dump(ready)
    return stream.getvalue()


def test_chumpy_objects_become_arrays(tmp_path: Path, arrays) -> None:
    flat = arrays["shapedirs"].ravel()
    order = np.random.default_rng(0).permutation(flat.size)
    shuffled = np.empty_like(flat)
    shuffled[order] = flat
    chosen = {"a": shuffled, "idxs": order, "preferred_shape": arrays["shapedirs"].shape}
    file = tmp_path / "model.pkl"
    file.write_bytes(
        with_chumpy(
            dict(arrays)
            | {
                "v_template": _Spelled("chumpy.ch", "Ch", {"x": arrays["v_template"]}),
                "shapedirs": _Spelled("chumpy.reordering", "Select", chosen),
            }
        )
    )
    assert b"chumpy" in file.read_bytes()
    ours = load_smpl("smpl", "neutral", file)
    assert np.array_equal(ours.template_m, arrays["v_template"])
    assert np.array_equal(ours.shape_directions, arrays["shapedirs"])


def test_a_formula_of_chumpy_is_named(tmp_path: Path, arrays) -> None:
    file = tmp_path / "model.pkl"
    formula = _Spelled("chumpy.ch", "add", {"a": 1.0, "b": 2.0})
    file.write_bytes(with_chumpy(dict(arrays) | {"weights": formula}))
    with pytest.raises(InputError, match=r"weights of the body model .* formula"):
        load_smpl("smpl", "neutral", file)


class _Harmful:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("place", ["v_template", "unused"])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path, arrays, place: str) -> None:
    victim = tmp_path / "touched"
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(dict(arrays) | {place: _Harmful(victim)}))
    pickle.loads(file.read_bytes())
    assert victim.exists()
    victim.unlink()
    with pytest.raises(
        InputError, match=r"is refused: its pickle asks for .*nothing of it was run"
    ):
        load_smpl("smpl", "neutral", file)
    assert not victim.exists()


@pytest.mark.parametrize(
    "attack",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\nfromfile\n(S'x'\ntR.",
        b"cscipy.sparse\nload_npz\n(S'x'\ntR.",
        b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.",
    ],
)
def test_other_names_are_refused(tmp_path: Path, attack: bytes) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(attack)
    with pytest.raises(InputError, match="is refused"):
        load_smpl("smpl", "neutral", file)


def test_foreign_codecs_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(b"c_codecs\nencode\n(Vabc\nVbz2\ntR.")
    with pytest.raises(InputError, match="no readable pickle"):
        load_smpl("smpl", "neutral", file)


def test_damaged_files_are_named(tmp_path: Path, arrays) -> None:
    good = pickle.dumps(arrays)
    for index, content in enumerate(
        (b"", b"not a pickle", good[: len(good) // 2], b"N.", b"P5\n.")
    ):
        file = tmp_path / f"{index}.pkl"
        file.write_bytes(content)
        with pytest.raises(InputError, match=str(file.name)):
            load_smpl("smpl", "neutral", file)
    archive = save(tmp_path / "good.npz", arrays).read_bytes()
    for index, content in enumerate((b"", b"not an archive", archive[: len(archive) // 2])):
        file = tmp_path / f"{index}.npz"
        file.write_bytes(content)
        with pytest.raises(InputError, match="no readable NPZ"):
            load_smpl("smpl", "neutral", file)


def test_a_truncated_array_in_a_pickle_is_named(tmp_path: Path, arrays) -> None:
    class Short:
        def __reduce__(self):
            array = np.zeros(3)
            make, arguments, state = array.__reduce__()
            return make, arguments, (*state[:1], (1000, 3), *state[2:])

    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(dict(arrays) | {"v_template": Short()}, protocol=2))
    with pytest.raises(InputError, match="v_template of the body model"):
        load_smpl("smpl", "neutral", file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"posedirs": None}, "lacks posedirs; a SMPL file has"),
        ({"v_template": np.zeros((100, 3))}, r"v_template .* has shape \(100, 3\), expected"),
        ({"posedirs": np.zeros((6890, 3, 9))}, r"posedirs .* expected \(6890, 3, 207\)"),
        ({"weights": np.zeros((6890, 24))}, "weights .* do not sum to 1"),
        ({"v_template": np.full((6890, 3), np.nan)}, "values that are no numbers"),
        ({"f": np.full((5, 3), 7000)}, "name vertices that it lacks"),
        ({"kintree_table": np.zeros((2, 24), np.uint32)}, "hang together otherwise"),
    ],
)
def test_wrong_contents_are_named(tmp_path: Path, arrays, change, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_smpl("smpl", "neutral", save(tmp_path / "model.npz", arrays, **change))


def test_a_file_of_another_model_is_named(tmp_path: Path, arrays) -> None:
    file = save(tmp_path / "SMPLX_NEUTRAL.npz", arrays)
    with pytest.raises(InputError, match=r"holds SMPL \(24 joints, 6890 vertices\), not SMPL-X"):
        load_smpl("smplx", "neutral", file)


@pytest.mark.parametrize(
    "name",
    [
        "smplh/SMPLH_FEMALE.npz",
        "smplh/female/model.npz",
        "SMPLH_FEMALE.pkl",
    ],
)
def test_places_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    assert find_smpl_file("smplh", "female") == file
    assert find_smpl_file("smplh", "female", file) == file


def test_the_official_name_of_smpl_is_found(tmp_path: Path) -> None:
    file = tmp_path / "smpl" / "models" / "basicmodel_m_lbs_10_207_0_v1.1.0.pkl"
    file.parent.mkdir(parents=True)
    file.touch()
    assert find_smpl_file("smpl", "male", tmp_path) == file


def test_a_missing_file_says_where_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(MODELS_VARIABLE, raising=False)
    with pytest.raises(InputError, match=rf"{MODELS_VARIABLE}.*https://smpl-x.is.tue.mpg.de"):
        find_smpl_file("smplx", "neutral")
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match=r"Register at .*smplx/SMPLX_NEUTRAL.npz"):
        find_smpl_file("smplx", "neutral")
    (tmp_path / "smplx").mkdir()
    (tmp_path / "smplx" / "SMPLX_MALE.npz").touch()
    with pytest.raises(InputError, match="there is male: choose it by --gender"):
        find_smpl_file("smplx", "neutral")
    with pytest.raises(InputError, match="no file or folder of body models"):
        find_smpl_file("smplx", "neutral", tmp_path / "absent")
    with pytest.raises(InputError, match="no gender 'x'"):
        find_smpl_file("smplx", "x", tmp_path)
    with pytest.raises(InputError, match="no model 'star'"):
        find_smpl_file("star", "neutral", tmp_path)


def test_the_cache_notices_a_new_file(tmp_path: Path) -> None:
    file = write_stand_in(tmp_path, "smpl")
    first = load_smpl("smpl", "neutral", tmp_path)
    assert load_smpl("smpl", "neutral", tmp_path) is first
    write_stand_in(tmp_path, "smpl", girth=1.5)
    assert load_smpl("smpl", "neutral", file) is not first
