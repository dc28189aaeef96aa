"""What each key does in the window, as pure functions of the window's state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from viewer.playback import Playback

SKIP_S = 1.0

KEY_SPACE = 32
KEY_ESCAPE, KEY_RIGHT, KEY_LEFT, KEY_DOWN, KEY_UP = 256, 262, 263, 264, 265
KEY_HOME, KEY_END = 268, 269


@dataclass(frozen=True, eq=False)
class WindowState:
    """All that the keys change.

    Attributes:
        playback: where playback stands.
        layers: the layers of the session.
        layer: the layer shown.
        cameras: whether cameras are shown.
        floor: whether the floor is shown.
        labels: whether ids, names of cameras and the state are written.
        help: whether the keys are listed.
        view_resets: how often the first view was asked for.
        closed: whether the window is to be closed.
    """

    playback: Playback
    layers: tuple[str, ...]
    layer: str
    cameras: bool = True
    floor: bool = True
    labels: bool = True
    help: bool = False
    view_resets: int = 0
    closed: bool = False

    def pressed(self, key: int) -> WindowState:
        """The state after a key; the same for a key that means nothing."""
        for binding in BINDINGS:
            if key in binding.keys:
                return binding.action(self, key)
        return self


@dataclass(frozen=True)
class Binding:
    """Keys that do the same thing.

    Attributes:
        keys: key codes of GLFW.
        shown: how the keys are called.
        meaning: what they do.
        action: gives the next state for the state and the key.
    """

    keys: tuple[int, ...]
    shown: str
    meaning: str
    action: Callable[[WindowState, int], WindowState]


def _playback(
    change: Callable[[Playback, int], Playback],
) -> Callable[[WindowState, int], WindowState]:
    return lambda state, key: replace(state, playback=change(state.playback, key))


def _next_layer(state: WindowState, key: int) -> WindowState:
    del key
    if state.layer not in state.layers:
        return state
    place = state.layers.index(state.layer) + 1
    return replace(state, layer=state.layers[place % len(state.layers)])


BINDINGS = (
    Binding((KEY_SPACE,), "space", "play or pause", _playback(lambda p, _: p.toggled())),
    Binding(
        (KEY_LEFT, KEY_RIGHT),
        "left, right",
        "one frame back or on",
        _playback(lambda p, key: p.stepped(1 if key == KEY_RIGHT else -1)),
    ),
    Binding(
        (KEY_DOWN, KEY_UP),
        "down, up",
        "one second back or on",
        _playback(lambda p, key: p.skipped(SKIP_S if key == KEY_UP else -SKIP_S)),
    ),
    Binding((KEY_HOME,), "home", "to the first frame", _playback(lambda p, _: p.at_fraction(0))),
    Binding((KEY_END,), "end", "to the last frame", _playback(lambda p, _: p.at_fraction(1))),
    Binding(
        tuple(range(ord("0"), ord("9") + 1)),
        "0 to 9",
        "to that tenth of the session",
        _playback(lambda p, key: p.at_fraction((key - ord("0")) / 10)),
    ),
    Binding((ord("["),), "[", "slower", _playback(lambda p, _: p.slower())),
    Binding((ord("]"),), "]", "faster", _playback(lambda p, _: p.faster())),
    Binding(
        (ord("O"),),
        "O",
        "play once or over and over",
        _playback(lambda p, _: replace(p, loop=not p.loop)),
    ),
    Binding((ord("L"),), "L", "raw or smooth layer", _next_layer),
    Binding((ord("C"),), "C", "cameras", lambda s, _: replace(s, cameras=not s.cameras)),
    Binding((ord("G"),), "G", "floor", lambda s, _: replace(s, floor=not s.floor)),
    Binding((ord("T"),), "T", "text", lambda s, _: replace(s, labels=not s.labels)),
    Binding((ord("R"),), "R", "first view", lambda s, _: replace(s, view_resets=s.view_resets + 1)),
    Binding((ord("H"),), "H", "list the keys", lambda s, _: replace(s, help=not s.help)),
    Binding((ord("Q"), KEY_ESCAPE), "Q, escape", "close", lambda s, _: replace(s, closed=True)),
)
"""All keys, in the order in which they are listed."""

MOUSE_HELP = (
    ("drag", "turn the view"),
    ("ctrl + drag", "move the view"),
    ("wheel", "nearer or farther"),
)
"""What the mouse does, which Open3D sees to."""


def help_lines() -> list[tuple[str, str]]:
    """Keys and mouse with their meaning, for listing."""
    return [(b.shown, b.meaning) for b in BINDINGS] + list(MOUSE_HELP)
