"""`python -m tests.slurm`, as root: a Slurm of one node, to try things on, until Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
from pathlib import Path

from tests.slurm.node import Node
from tests.slurm.packages import obstacle


def main() -> str | None:
    reason = obstacle()
    if reason:
        return reason
    with tempfile.TemporaryDirectory(prefix="dst_repro-slurm-") as folder, contextlib.suppress(KeyboardInterrupt):
        node = Node(Path(folder))
        try:
            node.start()
            print(f"Slurm is up, below {folder}; Ctrl-C ends it", flush=True)
            signal.pause()
        finally:
            node.stop()
    return None


if __name__ == "__main__":
    sys.exit(main())
