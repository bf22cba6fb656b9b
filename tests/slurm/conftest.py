"""One node for all tests: scenes share it, as they would a cluster."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from tests.slurm.node import Node
from tests.slurm.packages import obstacle


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """A running Slurm; a second session on this machine waits."""
    lock = FileLock(Path(tempfile.gettempdir(), "dst_repro-slurm-test.lock"))
    with lock, tempfile.TemporaryDirectory(prefix="dst_repro-slurm-") as folder:
        reason = obstacle()
        if reason:
            pytest.skip(reason)
        node = Node(Path(folder))  # not below pytest's folder, which nobody else may enter: munged refuses that
        try:
            node.start()
            yield node
        finally:
            node.stop()
