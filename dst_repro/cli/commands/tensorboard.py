"""Write the histories of the suite's runs for TensorBoard."""

from __future__ import annotations

import argparse
from pathlib import Path

from dst_repro.cli import suites
from dst_repro.cli.arguments import takes_suite


def arguments(parser: argparse.ArgumentParser) -> None:
    takes_suite(parser)
    parser.add_argument("--out", help="folder to write to [RESULTS/logs/tensorboard/SUITE]")


def run(args: argparse.Namespace) -> int:
    import pyarrow.parquet as pq

    from dst_repro.errors import UserError
    from dst_repro.records import record

    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UserError("this needs the package tensorboard: `pip install tensorboard`") from None

    suite = suites.load(args)
    results = Path(suite.file.results_dir)
    out = Path(args.out or results / "logs/tensorboard" / suite.file.suite)
    written = 0
    for run in suite.runs.values():
        if record.read(results, run.id, record.refuse) is None:
            continue
        for old in (out / run.id).glob("events.out.tfevents.*"):  # else every value would be shown twice
            old.unlink()
        columns = pq.read_table(record.folder(results, run.id) / "history.parquet").to_pydict()
        rows = zip(*(columns[name] for name in ("step", "layer", "name", "value")), strict=True)
        with SummaryWriter(out / run.id) as writer:
            writer.add_text("configuration", f"```\n{run.json_text()}\n```")
            for step, layer, name, value in rows:
                writer.add_scalar(f"{name}/{layer or 'network'}", value, step)
        written += 1
    print(f"{written:,} of {len(suite.runs):,} runs; `tensorboard --logdir {out}` shows them")
    return 0
