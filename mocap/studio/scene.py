"""What is in a scene, and the TOML file that says so."""

from __future__ import annotations

import dataclasses
import math
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from mocap.errors import StudioError, valid_choices
from mocap.files import check_input
from mocap.studio.board_clip import BoardConfig
from mocap.studio.bodies import PersonConfig
from mocap.studio.instant import RendererKind
from mocap.studio.motion_config import MotionConfig
from mocap.studio.rigs import RigConfig
from mocap.studio.room import RoomConfig

MAX_DURATION_S = 3600.0


@dataclass(frozen=True)
class SceneConfig:
    """A scene of the studio.

    Attributes:
        people: who is in the room. Nobody is possible: the videos then show the empty room and
            the truth has no rows, which shows what a detector sees where there is nobody.
        rig: the cameras.
        room: the room.
        duration_s: how long the cameras film.
        seed: of everything that is random and has no seed of its own.
        renderer: how people are drawn: "raycast" casts rays, on the processor; "raster" draws
            triangles with OpenGL, on a graphics card where there is one.
        board: the calibration clip beside the scene; None for none.
    """

    people: tuple[PersonConfig, ...] = field(default_factory=lambda: example_people(1))
    rig: RigConfig = field(default_factory=RigConfig)
    room: RoomConfig = field(default_factory=RoomConfig)
    duration_s: float = 4.0
    seed: int = 0
    renderer: RendererKind = "raycast"
    board: BoardConfig | None = None

    def __post_init__(self) -> None:
        if self.renderer not in get_args(RendererKind):
            choices = valid_choices(get_args(RendererKind))
            raise StudioError(f"a renderer {self.renderer!r}; choose one of {choices}")
        if not (math.isfinite(self.duration_s) and 0 < self.duration_s <= MAX_DURATION_S):
            raise StudioError(
                f"duration_s of the scene is {self.duration_s:g}, expected more than 0 and up to "
                f"{MAX_DURATION_S:g}"
            )
        if self.duration_s * self.rig.fps < 1:
            raise StudioError(
                f"{self.duration_s:g} s at {self.rig.fps:g} frames per second hold no frame; make "
                f"the scene longer or the frame rate higher"
            )
        if self.seed < 0:
            raise StudioError(f"seed of the scene is {self.seed}; give 0 or more")


def example_people(count: int) -> tuple[PersonConfig, ...]:
    """People who do something: one who walks and turns, or two who meet and shake hands.

    Raises:
        StudioError: `count` is neither 1 nor 2.
    """
    if count == 1:
        # A round of 0.75 m radius, which ends where it began.
        turns = [math.tau * (k + 1) / 10 for k in range(11)]
        walk = MotionConfig(
            kind="walk_path",
            place_m=(0.0, -0.75),
            path_m=tuple((0.75 * math.sin(a), 0.75 * (1 - math.cos(a))) for a in turns),
        )
        return (PersonConfig(motion=walk),)
    if count == 2:
        meet = [MotionConfig(kind="cross_and_shake", heading_deg=75.0 + h) for h in (0.0, 180.0)]
        tall = PersonConfig(height_m=1.83, age=42.0, build=0.6, outfit="office", motion=meet[0])
        small = PersonConfig(
            height_m=1.65, age=27.0, sex=0.0, build=0.35, outfit="sport", seed=3, motion=meet[1]
        )
        return tall, small
    raise StudioError(
        f"an example with {count} people; there are examples with 1 and 2, describe others in a "
        f"scene file"
    )


def load_scene(path: Path) -> SceneConfig:
    """Reads a scene file.

    Its keys are the attributes of `SceneConfig` and of what it holds: `duration_s`, `seed`,
    `[[people]]` with `[people.motion]`, `[rig]`, `[room]`, `[board]`. What is missing has its
    default; paths are relative to the file.

    Raises:
        InputError: the file cannot be read.
        StudioError: it is no TOML, a key is unknown or of another type, or the scene is not
            possible.
    """
    check_input(path, "scene file")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudioError(f"{path} is not valid TOML: {error}; correct it") from error
    try:
        return cast(SceneConfig, _built(SceneConfig, table, "", path.parent))
    except StudioError as error:
        raise StudioError(f"{path}: {error}") from error


def scene_toml(config: SceneConfig) -> str:
    """The file from which `load_scene` makes an equal scene; all defaults are written out."""
    lines = ["# A scene of 'mocap studio'.", *_table_lines(config, "")]
    return "\n".join(lines) + "\n"


def _built(kind: type[Any], table: Mapping[str, Any], where: str, folder: Path) -> object:
    """Makes a dataclass of a table, checking names and types of its keys."""
    hints = typing.get_type_hints(kind)
    names = [f.name for f in dataclasses.fields(kind)]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in names:
            place = f" in [{where}]" if where else ""
            raise StudioError(f"unknown key {key!r}{place}; keys are {valid_choices(names, 40)}")
        inner = f"{where}.{key}" if where else key
        values[key] = _converted(hints[key], value, inner, folder)
    return kind(**values)


def _converted(hint: Any, value: Any, where: str, folder: Path) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        (inner,) = [a for a in arguments if a is not type(None)]
        return _converted(inner, value, where, folder)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise StudioError(f"{where} is {value!r}, expected a section [{where}]")
        return _built(cast(type[Any], hint), cast(dict[str, Any], value), where, folder)
    if origin is tuple:
        if not isinstance(value, list):
            raise StudioError(f"{where} is {value!r}, expected a list")
        items = cast(list[Any], value)
        kinds = [arguments[0]] * len(items) if arguments[-1] is Ellipsis else list(arguments)
        if len(kinds) != len(items):
            raise StudioError(f"{where} has {len(items)} values, expected {len(kinds)}")
        return tuple(
            _converted(k, item, f"{where}[{i}]", folder)
            for i, (k, item) in enumerate(zip(kinds, items, strict=True))
        )
    if origin is typing.Literal:
        if value not in arguments:
            raise StudioError(f"{where} is {value!r}; choose one of {valid_choices(arguments)}")
        return value
    if hint is Path:
        if not isinstance(value, str):
            raise StudioError(f"{where} is {value!r}, expected a path in quotes")
        return folder / value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise StudioError(f"{where} is {value!r}, expected {_TYPE_NAMES.get(hint, str(hint))}")
    return value


_TYPE_NAMES: dict[Any, str] = {
    float: "a number",
    int: "a whole number",
    str: "a text in quotes",
    bool: "true or false",
}


def _table_lines(config: Any, section: str) -> list[str]:
    lines: list[str] = []
    inner: list[str] = []
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        name = f"{section}.{item.name}" if section else item.name
        if value is None:
            continue
        if dataclasses.is_dataclass(value):
            inner += ["", f"[{name}]", *_table_lines(value, name)]
        elif isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            for element in cast(tuple[Any, ...], value):
                inner += ["", f"[[{name}]]", *_table_lines(element, name)]
        else:
            lines.append(f"{item.name} = {_toml_value(value)}")
    return lines + inner


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml_value(v) for v in cast(tuple[Any, ...], value)) + "]"
    if isinstance(value, Path):
        value = str(value.resolve())
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
    return repr(value)
