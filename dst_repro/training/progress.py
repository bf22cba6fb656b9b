"""What a run says while it trains: a bar on a terminal, a line an epoch in a log."""

from __future__ import annotations

import sys

from tqdm import tqdm


class Progress:
    """Progress of one run on standard error."""

    def __init__(self, name: str, epochs: int, done: int = 0) -> None:
        self.name, self.epochs = name, epochs
        self._bar = tqdm(total=epochs, initial=done, desc=name, unit="epoch") if sys.stderr.isatty() else None

    def epoch(self, number: int, values: dict[str, float]) -> None:
        text = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        if self._bar is not None:
            self._bar.set_postfix_str(text)
            self._bar.update()
        else:
            self.say(f"epoch {number}/{self.epochs}  {text}")

    def say(self, text: str) -> None:
        tqdm.write(f"{self.name}  {text}", file=sys.stderr)
        sys.stderr.flush()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
