"""What Snakemake costs: a job that does nothing, and a start with nothing to do but to plan."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import interleaved, run, say, seconds, summed_up
from benchmarks.result import Result

JOBS = 50
SNAKEFILE = """\
rule all:
    input:
        expand("{n}.txt", n=range(int(config["jobs"]))),


rule job:
    output:
        "{n}.txt",
    shell:
        "touch {output}"
"""
SNAKEMAKE = (sys.executable, "-m", "snakemake")


def trivial(jobs: int) -> float:
    """Seconds of a call of Snakemake that runs `jobs` jobs one after the other, in a new folder."""
    with tempfile.TemporaryDirectory(prefix="dst_repro-bench-") as folder:
        Path(folder, "Snakefile").write_text(SNAKEFILE)
        command = [*SNAKEMAKE, "--cores", "1", "--scheduler", "greedy", "--config", f"jobs={jobs}"]
        return seconds(lambda: run(command, Path(folder)))


def dry_run() -> float:
    """Seconds of `snakemake -n` on a quickstart of which nothing is trained yet."""
    with tempfile.TemporaryDirectory(prefix="dst_repro-bench-") as folder:
        elsewhere = [f"{kind}_dir={folder}/{kind}" for kind in ("results", "figures")]
        return seconds(lambda: run([*SNAKEMAKE, "--cores", "1", "--dry-run", "--quiet", "--config", *elsewhere]))


def measure(quick: bool) -> Iterator[Result]:
    rounds = 1 if quick else 5
    say(f"scheduling: {rounds} rounds of {JOBS} trivial jobs, and of a dry run of the quickstart")
    actions = {"many": lambda: trivial(JOBS), "one": lambda: trivial(1), "dry run": dry_run}
    dry_run()  # fills the cache of the catalogue
    found = interleaved(rounds, actions, warm_up=False)
    overhead = [1000 * (many - one) / (JOBS - 1) for many, one in zip(found["many"], found["one"], strict=True)]
    yield summed_up("scheduling, overhead of a job", overhead, "ms")
    yield summed_up("start-up, snakemake with one job", found["one"], "s")
    yield summed_up("start-up, snakemake -n on the quickstart", found["dry run"], "s")
