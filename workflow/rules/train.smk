# One job trains all seeds of a cell: importing torch costs as much as a short run. A rule's outputs are fixed, so there
# is one rule for each set of seeds that occurs; the commonest has no constraint, and the others come before it.
CELLS = SUITE.cells
RETRAIN = SUITE.file.on_source_change == "retrain"


def cell_params(wildcards):
    runs = CELLS[f"{wildcards.stem}-{wildcards.hash}"]
    return [run.json_text() for run in runs]


def cell_source(wildcards):
    """Changed source is a reason to train again only where the suite says so."""
    runs = CELLS[f"{wildcards.stem}-{wildcards.hash}"]
    return fingerprint(runs[0]) if RETRAIN else "any"


def cell_data(wildcards):
    dataset = CELLS[f"{wildcards.stem}-{wildcards.hash}"][0].dataset
    return f"{RESULTS}/data/{dataset}.json"


for number, (seeds, cells) in enumerate(SUITE.seed_sets):

    rule:
        name:
            f"train_{number}" if number else "train"
        input:
            data=ancient(cell_data),
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
        params:
            runs=cell_params,
            source=cell_source,
            policy=SUITE.file.on_source_change,
            results=lambda wildcards, output: Path(output[0]).parents[2],
        message:
            "Training {wildcards.stem} ({wildcards.hash})"
        shell:
            "python -m dst_repro train {params.runs:q} --results {params.results} --on-source-change {params.policy} 2> {log}"

    if number:
        workflow.ruleorder(f"train_{number}", "train")
