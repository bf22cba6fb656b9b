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


_heard: list[int] = []
"""What came within `raising_on_sigterm`."""


def end_if_asked() -> None:
    """Raise again what was raised and did not arrive: what is imported or called back by a library in C may lose it.

    What goes on may then lack half a module. To be called before anything is kept.
    """
    if _heard:
        raise (KeyboardInterrupt if _heard[0] == signal.SIGINT else Ended)


@contextlib.contextmanager
def raising_on_sigterm() -> Iterator[None]:
    """SIGTERM raises `Ended`, as SIGINT does KeyboardInterrupt; only the main thread can see to it.

    Either is remembered: an error that comes of one that got lost is not told, but that it was to end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        _heard.append(number)
        end_if_asked()

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, end)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, as in the background
        before[signal.SIGINT] = signal.signal(signal.SIGINT, end)
    try:
        yield
    except Exception:
        end_if_asked()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _heard.clear()
