# What a training job asks a cluster for. On one machine, as ever, a GPU where there is one.
from dst_repro.records.demand import Demands

# `--jobs` is for another executor than the local one, where it means `--cores`; the jobs of one are given it, too
CLUSTER = workflow.resource_settings.nodes is not None
# the machine of this call is not the one that trains: whoever calls says what that has
GPUS = int(os.environ.get("DST_DEVICE", "").startswith("cuda")) if CLUSTER else GPU_RUNS
DEMAND = {"gpu": min(GPUS, 1)}

# Snakemake counts a resource only if there is a limit of it; `--resources gpu=N` sets another.
if GPUS and not CLUSTER and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", GPUS)


def runs_of(wildcards):
    return SUITE.cells[f"{wildcards.stem}-{wildcards.hash}"]


if CLUSTER:
    DEMAND["cpus_per_task"] = lambda wildcards: max(
        r.threads for r in runs_of(wildcards)
    )

# estimates take seconds: only where they are asked for, not in each job, which has got what it asked for
if CLUSTER and workflow.is_main_process:
    DEMANDS = Demands(Path(RESULTS), "gpu" if GPUS else "cpu")
    DEMAND["runtime"] = lambda wildcards, attempt: DEMANDS.minutes(
        runs_of(wildcards), attempt
    )
    DEMAND["mem_mb"] = lambda wildcards, attempt: DEMANDS.mebibytes(
        runs_of(wildcards), attempt
    )
