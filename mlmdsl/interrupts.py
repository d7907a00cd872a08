"""Being asked to stop: Ctrl-C, SIGTERM and SIGHUP end a run where it can be ended, and what was drawn is kept.

Raised wherever Python happens to be, KeyboardInterrupt can come in a place that ignores exceptions and be lost, or cut a step
in half. So a signal waits for the next report of the sampler. Before the first report, and asked for again, it comes at once.
Once it has come, what was drawn is being saved: one more is refused, with a word, and only the next gives it up.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupted(KeyboardInterrupt):
    """A process was asked to stop, by a signal of this number."""

    def __init__(self, message: str = "", number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.number = int(number)


class Interrupts:
    """A context in which signals wait, and what the sampler calls between its steps."""

    def __init__(self) -> None:
        self.number = int(signal.SIGINT)
        self._begun = self._asked = self._stopped = self._keeping = self._refused = False
        self._before: dict[int, Any] = {}

    def check(self, drawn: bool = False) -> None:
        """Raise Interrupted if a signal waits; where all is `drawn` there is nothing left to end, only to keep."""
        self._begun = True
        if self._stopped:
            return
        self._keeping = drawn
        if (self._asked or self._refused) and not drawn:
            self._raise()

    def take(self, number: int, *_: object) -> None:
        """Take note of a signal."""
        if self._keeping and not self._refused:
            self._refused = True
            self.number = self.number if self._asked else int(number)
            with suppress(OSError):  # printing from a signal handler could come in the middle of printing
                os.write(2, b"what was drawn is being kept; once more gives it up\n")
            return
        if not self._asked:
            self.number = int(number)
        if self._asked or self._keeping or not self._begun:
            self._raise()
        self._asked = True

    def _raise(self) -> None:
        self._keeping = self._stopped = self._begun
        raise Interrupted(number=self.number)

    def __enter__(self) -> Interrupts:
        """Signals that are ignored, as SIGHUP is under nohup, stay so."""
        if threading.current_thread() is threading.main_thread():
            heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self.take) for number in heeded}
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
