"""The recipes of CONTRIBUTING.md are whole plug-ins: together they are a suite that is trained, drawn and answered."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), flags=re.S)
COMMANDS = [["train", "RUNS"], ["aggregate"], ["table", "mine/times"], ["figure", "mine/bars"], ["claims"]]
FILES = {
    "suite.yaml": """
suite: mine
title: All recipes
config_dir: [.]
plugins: [PLUGINS]
items: [mine/*]
results_dir: results
figures_dir: figures
""",
    "experiments/mine.yaml": """
experiment: mine
title: All recipes
base: {dataset: my-data, model: my-net, learning_rate: 0.05, epochs: 2, density: 0.5}
blocks:
  - set: {method: my-method, method_params: {update_period: 5}, tricks: {my-trick: {}}}
  - set: {method: my-score-at-init}
  - set: {method: drop-and-grow, method_params: {update_period: 5, drop: my-score, grow: my-growth}}
sweep: {seed: [0]}
""",
    "papers/mine.yaml": """
paper: mine
title: All recipes
citation: none
items:
  times: {kind: table, builder: my-table, experiments: [mine], title: Times, caption: In seconds.}
  bars: {kind: figure, builder: my-plot, experiments: [mine], title: Bars, caption: In percent.}
claims:
  c1: {states: Nothing diverges, source: nowhere, rule: my-rule, experiments: [mine]}
""",
}
RUN = """
import sys
from pathlib import Path
from dst_repro import cli
from dst_repro.plan.grid import load_suite

runs = list(load_suite(Path("suite.yaml")).runs)
assert len(runs) == 3
for command in {commands}:
    words = [word for name in command for word in (runs if name == "RUNS" else [name])]
    assert cli.main([*words, "--suite", "suite.yaml"]) == 0, command
"""


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_recipe_is_a_whole_file(number: int) -> None:
    compile(BLOCKS[number], f"recipe {number}", "exec")
    assert BLOCKS[number].startswith(("import ", "from "))


def test_the_recipes_work(tmp_path: Path) -> None:
    names = [f"recipe_{number}.py" for number in range(len(BLOCKS))]
    for name, block in zip(names, BLOCKS, strict=True):
        (tmp_path / name).write_text(block, encoding="utf-8")
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text.replace("PLUGINS", ", ".join(names)), encoding="utf-8")
    done = subprocess.run(  # plug-ins stay in a process
        [sys.executable, "-c", RUN.format(commands=json.dumps(COMMANDS))],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/mine/*")}
    assert {"results/mine/mine-times.md", "figures/mine/mine-bars.svg", "results/mine/claims.md"} <= made, made
    assert "| c1 | Nothing diverges" in (tmp_path / "results/mine/claims.md").read_text(encoding="utf-8")
