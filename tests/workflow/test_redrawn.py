"""Every committed table and figure is what the committed records give, to the byte.

With the versions of `constraints.txt`; others may draw otherwise. Of records that are stale the files say how many they
were when they were drawn, which changes with the source: here the records are taken for today's.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dst_repro import compare
from dst_repro.claims import write as claims
from dst_repro.claims.answering import answers
from dst_repro.cli import drawing
from dst_repro.compare import plans
from dst_repro.plan.grid import load_suite
from dst_repro.records.frames import Frames, aggregate
from dst_repro.report import scorecard
from tests.workflow.conftest import ROOT


def committed() -> dict[str, list[str]]:
    """Suite -> its files, by `results/<suite>/` and `figures/<suite>/`."""
    command = ["git", "ls-files", "results", "figures"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()
    found: dict[str, list[str]] = {}
    for name in listed:
        _, suite, *file = name.split("/")
        if len(file) == 1 and suite not in ("runs", "data"):
            found.setdefault(suite, []).append(name)
    return found


FILES = committed()


def test_the_suites_with_committed_files_are_found() -> None:
    if not FILES:
        pytest.skip("not a git checkout")
    assert {"mnist", "mnist-masks", "fashion-small", "cifar10-small"} <= set(FILES)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_committed_files_are_what_committed_records_give(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    suite = load_suite(ROOT / "config" / f"{name}.yaml")
    found = aggregate(suite, ROOT / "results")
    frames = Frames(found.runs.assign(stale=False, trained_at=None), found.history)
    results, figures = tmp_path / "results" / name, tmp_path / "figures" / name
    for kind, folder in (("table", results), ("figure", figures)):
        for file, item in suite.files(kind).items():  # type: ignore[arg-type]
            if any(Path(path).stem == file for path in FILES[name]):  # of `all` no item is kept
                drawing.item(frames, suite.items[item], folder, file)
    compared = compare.comparison(frames, plan=plans.of_suites(suite, frames))
    compare.write(compared, results)
    answered = answers(suite, frames)
    claims.write(answered, results)
    card = scorecard.scorecard(compared, answered)
    scorecard.write(card, results, scorecard.caveats(card, compared, answered, frames.runs))
    made = {file: (tmp_path / file) for file in FILES[name]}
    gone = [file for file, path in made.items() if not path.is_file()]
    other = [f for f, path in made.items() if f not in gone and path.read_bytes() != (ROOT / f).read_bytes()]
    assert (gone, other) == ([], []), f"draw {name} again: {len(gone)} files of no item, {len(other)} that differ"
