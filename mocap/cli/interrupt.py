"""Ctrl-C and SIGTERM as a request to end in order."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, NoReturn

from mocap.cli.progress import errors

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""What a user, a service manager and a closed terminal send. Not every system has all."""


def _raise(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    raise KeyboardInterrupt


class _Handlers:
    """Signal handlers that are in place while the block runs; elsewhere than in the main thread,
    where Python allows none, nothing happens.
    """

    def __init__(self) -> None:
        self._previous: dict[signal.Signals, Any] = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        _raise(number, frame)

    def __enter__(self) -> Any:
        if threading.current_thread() is threading.main_thread():
            for name in _NAMES:
                which = getattr(signal, name, None)
                # What the caller has it ignore (as nohup does) stays ignored.
                if which is not None and signal.getsignal(which) != signal.SIG_IGN:
                    self._previous[which] = signal.signal(which, self._handle)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for which, handler in self._previous.items():
            signal.signal(which, handler)
        self._previous.clear()


class EndAtOnce(_Handlers):
    """While active, all of these signals raise KeyboardInterrupt, so that everything is closed."""


class Interruption(_Handlers):
    """While active, the first signal is noted; a second one raises KeyboardInterrupt."""

    def __init__(self) -> None:
        super().__init__()
        self._noted = False

    def requested(self) -> bool:
        """Whether the program was asked to end."""
        return self._noted

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._noted:
            _raise(number, frame)
        self._noted = True
        errors.print("Ending in order; what was done so far is kept. Once more to end at once.")
