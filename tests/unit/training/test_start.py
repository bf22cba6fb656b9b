"""What a training job loads before it trains: short runs take no longer than this."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from dst_repro.data.base import Data
from tests.conftest import RunFactory

TRAIN = """
import gc, json, sys
from dst_repro.cli import main
assert main(["train", sys.argv[1], "--results", sys.argv[2]]) == 0
print(json.dumps({"modules": sorted(sys.modules), "frozen": gc.get_freeze_count(), "collects": gc.isenabled()}))
"""


def test_a_job_loads_nothing_that_it_does_not_need(tiny: RunFactory, digits: Data, results: Path) -> None:
    """`digits` and `tiny` fill the caches of the data and of the catalogue, as the jobs before this one did."""
    run = tiny("rigl", density=0.1, epochs=1, method_params={"update_period": 5})
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, run.json_text(), str(results)], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert (results / "runs" / run.id / "history.parquet").is_file()
    heavy = {"pandas", "scipy", "sklearn", "matplotlib", "seaborn", "torchvision", "snakemake"}
    assert heavy & set(found["modules"]) == set()
    assert {"torch", "pyarrow"} <= set(found["modules"])
    assert found["frozen"] > 100_000
    assert found["collects"]
