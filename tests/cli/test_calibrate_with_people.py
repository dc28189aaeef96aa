"""`mocap calibrate --people`: a board cannot know its own size, people can."""

import json

import numpy as np
import pytest
from people_files import write_people
from people_scene import HEIGHT_M, people_tracks

from mocap.cli.people_source import people_at
from mocap.errors import InputError
from mocap.storage.rig_file import load_rig


@pytest.fixture(scope="module")
def walker(films, tmp_path_factory):
    """A file of somebody who walks before the cameras that filmed the board.

    The cameras are near, so that it takes a while until two of them have seen him whole.
    """
    path = tmp_path_factory.mktemp("people") / "people.npz"
    write_people(path, people_tracks(films.rig, 1, seconds=8.0))
    return path


def _call(films, target, out, *more):
    return (
        *("calibrate", "--target", target, "--videos", films.folder / "videos"),
        *("--intrinsics", films.folder / "rig.toml", "--out", out, *more),
    )


def test_a_wrong_square_size_is_told_by_people(films, walker, tmp_path, mocap):
    half = tmp_path / "half.toml"
    text = (films.folder / "board.toml").read_text()
    half.write_text(text.replace("0.16", "0.08").replace("0.12", "0.06"))
    answer = mocap(*_call(films, half, tmp_path / "rig.toml", "--people", walker))
    assert answer.code == 5, answer.out
    words = " ".join(answer.out.split())
    assert "people come out 0." in words, words
    assert "Measure a square of the print: 80 mm is described" in words
    figures = json.loads((tmp_path / "rig.report.json").read_text())
    (finding,) = [f for f in figures["findings"] if f["check"] == "square_size"]
    assert finding["severity"] == "fail"
    # Without a height an adult is meant, which is good to a tenth.
    assert finding["figures"]["true_by_measured"] == pytest.approx(2.0, rel=0.1)
    stated = mocap(
        *_call(films, half, tmp_path / "s.toml", "--people", walker, "--height-m", HEIGHT_M)
    )
    assert stated.code == 5
    (finding,) = [
        f
        for f in json.loads((tmp_path / "s.report.json").read_text())["findings"]
        if f["check"] == "square_size"
    ]
    assert finding["figures"]["true_by_measured"] == pytest.approx(2.0, rel=0.03)
    assert f"are said to be {HEIGHT_M:.2f} m" in finding["seen"]


def test_people_of_the_right_height_add_no_word(films, walker, tmp_path, mocap):
    right = films.folder / "board.toml"
    answer = mocap(
        *_call(films, right, tmp_path / "rig.toml", "--people", walker, "--height-m", HEIGHT_M)
    )
    assert answer.code == 0, answer.out
    figures = json.loads((tmp_path / "rig.report.json").read_text())
    assert not {"square_size", "floor", "floor_flipped"} & {f["check"] for f in figures["findings"]}
    assert load_rig(tmp_path / "rig.toml").names == films.rig.names


def test_people_that_say_nothing_are_reported(films, walker, tmp_path, mocap):
    with np.load(walker) as archive:
        content = dict(archive)
    alone = tmp_path / "alone.npz"
    content["camera"] = np.zeros_like(content["camera"])
    keep = np.unique(content["frame"], return_index=True)[1]
    for name in ("camera", "frame", "keypoints"):
        content[name] = content[name][keep]
    np.savez(alone, **content)
    out = tmp_path / "rig.toml"
    answer = mocap(*_call(films, films.folder / "board.toml", out, "--people", alone))
    assert answer.code == 0
    assert "nobody was seen whole by two cameras at once" in " ".join(answer.out.split())
    others = tmp_path / "others.npz"
    np.savez(others, **{**content, "camera_names": np.array(["left", "right", "top"])})
    answer = mocap(
        *_call(films, films.folder / "board.toml", tmp_path / "b.toml", "--people", others)
    )
    assert answer.code == 2
    assert "--people has cameras left, right, top" in answer.error()


def test_options_of_people_need_people(films, walker, tmp_path, mocap):
    board, out = films.folder / "board.toml", tmp_path / "rig.toml"
    for more, words in (
        (("--height-m", 1.8), "--height-m needs --people"),
        (("--fps", 25), "--fps needs --people"),
        (("--people", tmp_path / "none.npz"), "none.npz does not exist"),
        (("--people", walker, "--height-m", 178), "height in metres"),
        (("--people", films.folder / "videos", "--fps", 30), "--fps is for"),
    ):
        answer = mocap(*_call(films, board, out, *more))
        assert answer.code == 2 and words in answer.error()
        assert not out.exists()


def test_kinds_of_people_are_told_by_their_paths(films, walker, tmp_path):
    assert people_at((walker,), 25.0, "x").observations == walker
    assert people_at((films.folder / "videos",), None, "x").videos == (films.folder / "videos",)
    session = tmp_path / "take.h5"
    session.touch()
    assert people_at((session,), None, "x").session == session
    films_of = tuple(sorted((films.folder / "videos").iterdir()))
    assert people_at(films_of, None, "x").videos == films_of
    with pytest.raises(InputError, match="is no video"):
        people_at((walker, session), None, "x")
