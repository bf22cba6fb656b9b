"""The two frames that tables and figures read."""

from __future__ import annotations

from pathlib import Path

import pytest

from dst_repro.errors import UserError
from dst_repro.records import frames
from tests.small import SMALL
from tests.small import frames as small


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    written = small(*SMALL)
    frames.write(written, tmp_path)
    assert frames.read(tmp_path).runs["id"].tolist() == written.runs["id"].tolist()
    for name in ("history", "runs"):
        path = tmp_path / f"{name}.parquet"
        path.unlink()
        with pytest.raises(UserError) as told:
            frames.read(tmp_path)
        assert str(told.value) == f"{path}: no such file; run `python -m dst_repro aggregate` first"
