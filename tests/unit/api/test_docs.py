"""The example of the page runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

PAGE = Path(__file__).parents[3] / "docs" / "api.md"


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(PAGE), "exec"), {})
    assert "rigl, after 40 of 40 steps" in capsys.readouterr().out
    state = torch.load(tmp_path / "sparse.pt", weights_only=True)
    plain = nn.Sequential(nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10))
    plain.load_state_dict(state)
    kept = sum(int((tensor != 0).sum()) for name, tensor in state.items() if name.endswith("weight"))
    assert 0.99 < kept / (0.1 * (784 * 300 + 300 * 100 + 100 * 10)) <= 1  # one just grown may still be zero
