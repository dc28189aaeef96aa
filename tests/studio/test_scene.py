from pathlib import Path

import pytest

from mocap.errors import InputError, StudioError
from mocap.studio.board_clip import BoardConfig
from mocap.studio.bodies import PersonConfig
from mocap.studio.motion_config import MotionConfig
from mocap.studio.rigs import RigConfig
from mocap.studio.room import RoomConfig
from mocap.studio.scene import SceneConfig, example_people, load_scene, scene_toml

ODD = SceneConfig(
    people=(
        PersonConfig(
            height_m=1.6,
            motion=MotionConfig(kind="walk_path", path_m=((1.0, 0.0), (1.0, 1.5))),
        ),
        PersonConfig(
            outfit="sport", motion=MotionConfig(kind="squat", period_s=1.7, place_m=(1.0, -1.0))
        ),
    ),
    rig=RigConfig(
        kind="free",
        positions_m=((2.0, 0.0, 1.0), (0.0, 2.0, 1.0)),
        time_offset_s=(0.0, 1.0 / 3.0),
        lens="fisheye",
        distortions=(0.01, 0.0, 0.0, 0.0),
    ),
    room=RoomConfig(floor="checker", decorated=False),
    duration_s=2.25,
    seed=11,
    board=BoardConfig(legacy_pattern=True),
)


@pytest.mark.parametrize("config", [SceneConfig(), SceneConfig(people=()), ODD])
def test_file_there_and_back(config: SceneConfig, tmp_path: Path) -> None:
    path = tmp_path / "scene.toml"
    path.write_text(scene_toml(config), encoding="utf-8")
    assert load_scene(path) == config


def load(text: str, folder: Path) -> SceneConfig:
    path = folder / "scene.toml"
    path.write_text(text, encoding="utf-8")
    return load_scene(path)


def test_what_is_missing_has_its_default(tmp_path: Path) -> None:
    config = load("duration_s = 2\n[rig]\ncameras = 3\n", tmp_path)
    assert config == SceneConfig(duration_s=2.0, rig=RigConfig(cameras=3))


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    text = '[[people]]\n[people.motion]\nkind = "bvh"\nbvh = "dance.bvh"\n'
    assert load(text, tmp_path).people[0].motion.bvh == tmp_path / "dance.bvh"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("duration_s = ", "not valid TOML"),
        ("seconds = 3", "unknown key 'seconds'; keys are people"),
        ("[rig]\nnumber = 3", r"unknown key 'number' in \[rig\]"),
        ("rig = 3", r"expected a section \[rig\]"),
        ("[rig]\ncameras = 3.5", "expected a whole number"),
        ("[rig]\ncameras = true", "expected a whole number"),
        ('duration_s = "long"', "expected a number"),
        ("[rig]\nsize = [640]", "expected 2"),
        ("[rig]\nsize = 640", "expected a list"),
        ('[rig]\nkind = "heap"', "choose one of ring"),
        ("[room]\ndecorated = 1", "true or false"),
        ("people = 2", "expected a list"),
        ("[[people]]\nheight_m = 3.0", "height_m"),
        ('[[people]]\noutfit = "toga"', "toga"),
        ("duration_s = 0", "duration_s"),
        ("duration_s = nan", "duration_s"),
        ("duration_s = 0.01", "hold no frame"),
        ("seed = -1", "seed"),
        ('[room]\nfloor = "lava"', "lava"),
        ("[room]\nsize_m = [8.0, 8.0, 0.5]", "size_m"),
        ("[board]\nmarker_m = 0.5", "marker_m"),
        ('[board]\ndictionary = "DICT_9X9"', "DICT_9X9"),
        ("[board]\nsquares = [20, 20]", "200 markers"),
        ("[board]\nheights_m = [0.1, 1.0]", "heights_m"),
    ],
)
def test_bad_files_are_refused_by_name(text: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=what) as caught:
        load(text, tmp_path)
    assert str(tmp_path / "scene.toml") in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_scene(tmp_path / "none.toml")


def test_examples() -> None:
    assert len(example_people(1)) == 1
    assert len(example_people(2)) == 2
    with pytest.raises(StudioError, match="3 people"):
        example_people(3)
