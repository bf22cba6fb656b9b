"""What a run says while it trains: a bar on a terminal, a line an epoch in a log, a small file for `status`."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from tqdm import tqdm

SECONDS = 1.0
"""Between two writes of the file at least."""

_FOLDER: ContextVar[Path | None] = ContextVar("folder", default=None)


@contextlib.contextmanager
def noted(results: Path) -> Iterator[None]:
    """Within it, runs say in a file beside their checkpoints how far they are."""
    before = _FOLDER.set(results / ".checkpoints")
    try:
        yield
    finally:
        _FOLDER.reset(before)


class Progress:
    """Progress of one run on standard error, and in `.checkpoints/RUN.progress` where that is asked for.

    The file is JSON: `epoch` n of `epochs`, and `seconds`, what an epoch has taken on average in this process.
    """

    def __init__(self, name: str, epochs: int, done: int = 0) -> None:
        self.name, self.epochs = name, epochs
        self._bar = tqdm(total=epochs, initial=done, desc=name, unit="epoch") if sys.stderr.isatty() else None
        folder = _FOLDER.get()
        self._file = folder and folder / f"{name}.progress"
        self._began, self._done, self._last = time.monotonic(), done, -SECONDS
        self._remove()  # what a process left that was killed

    def epoch(self, number: int, values: dict[str, float]) -> None:
        text = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        if self._bar is not None:
            self._bar.set_postfix_str(text)
            self._bar.update()
        else:
            self.say(f"epoch {number}/{self.epochs}  {text}")
        self._note(number)

    def say(self, text: str) -> None:
        tqdm.write(f"{self.name}  {text}", file=sys.stderr)
        sys.stderr.flush()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._remove()

    def _note(self, number: int) -> None:
        now = time.monotonic()
        if self._file is None or now - self._last < SECONDS or number <= self._done:
            return
        self._last = now
        about = {"epoch": number, "epochs": self.epochs, "seconds": (now - self._began) / (number - self._done)}
        with contextlib.suppress(OSError):  # no training ends for it; nor is it worth waiting for the disk
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(about), encoding="utf-8")

    def _remove(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)
