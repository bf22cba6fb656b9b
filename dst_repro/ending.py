"""How a call ends that somebody ends: with one line, the conventional exit code, and its children ended before."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Ended(BaseException):
    """SIGTERM, raised where it finds the program, so that what is to be tidied up is."""


CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""128 and the number of the signal, as a shell counts."""

KEPT = "what is finished is kept, and the next call goes on from there"


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """SIGINT and SIGTERM wait until the block is through; only the main thread can see to it."""
    before = {number: signal.getsignal(number) for number in CODES}
    if threading.current_thread() is not threading.main_thread() or None in before.values():
        yield
        return
    came: list[int] = []
    for number in before:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for waiting in came:
            signal.raise_signal(waiting)


@contextlib.contextmanager
def raising_on_sigterm() -> Iterator[None]:
    """SIGTERM raises `Ended`, as SIGINT does KeyboardInterrupt; only the main thread can see to it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise Ended

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
