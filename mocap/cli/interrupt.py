"""Ctrl-C and SIGTERM as a request to end in order."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from mocap.cli.progress import errors


class Interruption:
    """While active, the first Ctrl-C or SIGTERM is noted; a second one interrupts at once."""

    def __init__(self) -> None:
        self._noted = False
        self._previous: dict[signal.Signals, Any] = {}

    def requested(self) -> bool:
        """Whether the program was asked to end."""
        return self._noted

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._noted:
            raise KeyboardInterrupt
        self._noted = True
        errors.print("Ending in order; what was done so far is kept. Once more to end at once.")

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for which in (signal.SIGINT, signal.SIGTERM):
                self._previous[which] = signal.signal(which, self._note)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for which, handler in self._previous.items():
            signal.signal(which, handler)
