# One job trains all seeds of a cell: importing torch costs as much as a short run. A rule's outputs are fixed, so there
# is one rule for each set of seeds that occurs; the commonest has no constraint, and the others come before it.
CELLS = SUITE.cells


def cell_params(wildcards):
    runs = CELLS[f"{wildcards.stem}-{wildcards.hash}"]
    return [run.json_text() for run in runs]


def cell_source(wildcards):
    """Changed source or data is a reason to train again only where the suite says so."""
    runs = CELLS[f"{wildcards.stem}-{wildcards.hash}"]
    policy = SUITE.file.on_source_change
    return [source(run, Path(RESULTS), policy, TODAY) for run in runs]


def cell_data(wildcards):
    run = CELLS[f"{wildcards.stem}-{wildcards.hash}"][0]
    return f"{RESULTS}/data/{own_data(run) or run.dataset}.json"


def cell_parents(wildcards):
    """Runs start from the final networks of these; where a network is missing, the job makes it again."""
    runs = CELLS[f"{wildcards.stem}-{wildcards.hash}"]
    return [
        f"{RESULTS}/runs/{parent.id}/record.json"
        for run in runs
        for parent in run.parents.values()
    ]


def cell_options(wildcards):
    """Whether finished runs are trained again, and whether others begin with the final networks of these."""
    cell = f"{wildcards.stem}-{wildcards.hash}"
    records = {f"{RESULTS}/runs/{run.id}/record.json" for run in CELLS[cell]}
    settings = workflow.dag_settings
    again = (
        settings.forceall
        or any(rule.startswith("train") for rule in settings.forcerun)
        or records & settings.forcerun
    )
    keep = any(run.id in SUITE.parents for run in CELLS[cell])
    return " ".join(["--again"] * bool(again) + ["--keep-state"] * keep)


# What holds for all runs stands in the command, what for some in a resource: a change of a parameter would start a job
# for each finished cell.
TRAIN_OPTIONS = shlex.join(
    ["--results", RESULTS, "--on-source-change", SUITE.file.on_source_change] + PLUGINS
)


for number, (seeds, cells) in enumerate(SUITE.seed_sets):

    rule:
        name:
            f"train_{number}" if number else "train"
        input:
            data=ancient(cell_data),
            parents=ancient(cell_parents),
        output:
            [
                update(f"{RESULTS}/runs/{{stem}}-s{seed}-{{hash}}/{name}")
                for seed in seeds
                for name in ("record.json", "history.parquet")
            ],
        log:
            f"{RESULTS}/logs/train/{{stem}}-{{hash}}.log",
        wildcard_constraints:
            hash="|".join(cell[-10:] for cell in cells) if number else r"[0-9a-f]{10}",
        conda:
            ENVIRONMENT
        resources:
            **DEMAND,
            options=cell_options,
        params:
            runs=cell_params,
            source=cell_source,
        message:
            "Training {wildcards.stem} ({wildcards.hash})"
        shell:
            f"python -m dst_repro train {{params.runs:q}} {TRAIN_OPTIONS} {{resources.options}} 2> {{log:q}}"

    if number:
        workflow.ruleorder(f"train_{number}", "train")
