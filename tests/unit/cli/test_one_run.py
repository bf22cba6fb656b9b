"""One run from the command line, without a file: settings as `key=value`."""

from __future__ import annotations

from pathlib import Path

import pytest

from dst_repro import cli
from dst_repro.errors import ConfigError
from dst_repro.plan.config import RunConfig
from dst_repro.plan.grid import one_run

ROOT = Path(__file__).parents[3]
SHORT = ["dataset=digits", "dataset_params.size=8", "model=lenet-300-100", "learning_rate=0.05", "epochs=1"]


def test_settings_are_those_of_a_configuration() -> None:
    found = one_run([*SHORT, "method=dst", "method_params.alpha=1.0e-3", "weight_decay=1e-4", "compile=off"])
    assert found == RunConfig.parse({
        "dataset": "digits", "dataset_params": {"size": 8}, "model": "lenet-300-100", "learning_rate": 0.05,
        "epochs": 1, "method": "dst", "method_params": {"alpha": 0.001}, "weight_decay": 1e-4, "compile": "off",
        "seed": 0,
    })  # fmt: skip
    assert one_run([*SHORT, "method=dense", "seed=3"]).seed == 3


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["method=rigll"], "unknown method 'rigll'; did you mean 'rigl'?"),
        (["method=rigl"], "density: method 'rigl' needs a density in (0, 1]"),
        (["method=dense", "lr=0.1"], "lr: unknown key"),
        (["method=dense", "seed="], "seed"),
        (["method=dense", "=3"], "'=3': must be key=value, such as density=0.05"),
        (["method=dense", "seed=1", "seed=2"], "'seed=2': seed: is said twice"),
        (["method=dense", "epochs.more=3"], "'epochs.more=3': epochs.more: there is nothing inside 1"),
    ],
)
def test_wrong_settings_are_refused_by_their_key(settings: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        one_run([*SHORT, *settings])
    assert said in str(caught.value)


def test_a_run_of_no_suite_is_trained_shown_and_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").symlink_to(ROOT / "config")
    command = ["train", *SHORT, "method=rigl", "density=0.1", "method_params.update_period=5"]
    assert cli.main(command) == 0
    line = capsys.readouterr().out.strip()
    run = line.partition(":")[0]
    assert "finished; test accuracy" in line
    assert "density 10.00 %" in line
    assert cli.main(["explain", run]) == 0
    said = capsys.readouterr().out
    assert "experiments: none of this suite" in said
    assert "update_period" in said
    assert cli.main(command) == 0  # trained once, shown again
    assert capsys.readouterr().out.strip() == line
