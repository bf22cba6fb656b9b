# The suite, its folders, and how rules call the package. All logic is in dst_repro, where tests reach it.
import hashlib
import json
import os
import shlex
import sys
from pathlib import Path

from dst_repro.cli.drawing import paths
from dst_repro.data.today import Today
from dst_repro.errors import UserError
from dst_repro.plan.catalogue import labels, look_up, required
from dst_repro.plan.fingerprint import source_of
from dst_repro.plan.grid import plan, suite_values
from dst_repro.records.standing import source
from dst_repro.machine.lease import offered
from dst_repro.report import embedded

FILES = list(map(os.path.relpath, workflow.overwrite_configfiles)) or [
    "config/config.yaml"
]
SOURCE = ", ".join(FILES)

try:
    # Snakemake has read these, too, but `off` as false, and of a key that stands twice the last.
    values = suite_values(list(map(Path, FILES)), workflow.config_settings.config_args)
    config.clear()
    config.update(values)
    SUITE = plan(config, SOURCE)
    GPU_RUNS = offered()  # that the GPUs take at a time; 0 where there is none
except UserError as error:
    sys.exit(f"dst_repro: {error}")

# `python` in a rule is the interpreter that runs Snakemake, whether its environment is activated or not.
shell.prefix(f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; ")

ENVIRONMENT = f"{workflow.basedir}/environment.yml"
RESULTS = SUITE.file.results_dir
SUITE_RESULTS = f"{RESULTS}/{SUITE.file.suite}"
SUITE_FIGURES = f"{SUITE.file.figures_dir}/{SUITE.file.suite}"
TABLES, FIGURES = SUITE.files("table"), SUITE.files("figure")  # file name -> item
DRAWN = [
    str(path)
    for folder, items in ((SUITE_RESULTS, TABLES), (SUITE_FIGURES, FIGURES))
    for name, item in items.items()
    for path in paths(SUITE.items[item], Path(folder), name)
]  # every file of every table and figure
RECORDS = [
    f"{RESULTS}/runs/{run}/{name}"
    for run in SUITE.runs
    if SUITE.file.train or os.path.exists(f"{RESULTS}/runs/{run}/record.json")
    for name in ("record.json", "history.parquet")
    if SUITE.file.train or os.path.exists(f"{RESULTS}/runs/{run}/{name}")
]  # of all runs; where nothing is trained, of those that are there
TODAY = Today()
# For commands that get no suite. Nothing where nothing is plugged in, so that no finished job is started for it.
PLUGINS = [word for name in SUITE.file.plugins for word in ("--plugin", name)]
SUITE_TEXT = embedded.as_json(json.dumps(config, sort_keys=True))


def SUITE_JSON(wildcards):
    """What commands get as --suite. A function, as Snakemake fills in the braces of texts, which titles may have."""
    return SUITE_TEXT


# what readers see of every slug: in docstrings, which are no source
LABELS = hashlib.sha256(json.dumps(labels(), sort_keys=True).encode()).hexdigest()[:8]


def drawn_by(item):
    """What draws an item: its source, the published numbers where it reads them, and labels."""
    kind = "plot" if item.kind == "figure" else "table"
    made_by = source_of("dst_repro.cli.drawing", look_up(kind, item.builder)["module"])
    return f"{made_by} {LABELS}"


def own_data(run):
    """Of a data set that lies where its parameters say: the name of its file; nothing for others."""
    where = required("dataset", run.dataset, run.dataset_params)
    text = json.dumps(where, sort_keys=True)
    sum_of_it = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{run.dataset}/{sum_of_it}" if where else None


OWN_DATA = {own_data(run): run for run in SUITE.runs.values()}


def own_data_words(wildcards):
    run = OWN_DATA[f"{wildcards.dataset}/{wildcards.where}"]
    where = required("dataset", run.dataset, run.dataset_params)
    return shlex.join(["--params", json.dumps(where, sort_keys=True), *PLUGINS])


wildcard_constraints:
    stem=r"[a-z0-9.-]+",
    hash=r"[0-9a-f]{10}",
    dataset=r"[a-z0-9-]+",
    item=r"[a-z0-9.-]+",
