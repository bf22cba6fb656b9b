"""Write the histories of the suite's runs for TensorBoard."""

from __future__ import annotations

import argparse
from pathlib import Path

from dst_repro.cli import suites
from dst_repro.cli.arguments import takes_suite


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exit code: 1 if a record was refused."
    takes_suite(parser)
    parser.add_argument("--out", help="folder to write to [RESULTS/logs/tensorboard/SUITE]")


def run(args: argparse.Namespace) -> int:
    from dst_repro.errors import UserError, one_line
    from dst_repro.records import record

    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UserError("this needs the package tensorboard: `pip install tensorboard`") from None

    suite = suites.load(args)
    results = Path(suite.file.results_dir)
    out = Path(args.out or results / "logs/tensorboard" / suite.file.suite)
    written = refused = 0
    for run in suite.runs.values():
        try:
            if record.read(results, run.id, record.refuse) is None:
                continue
            rows = _history(record.folder(results, run.id) / "history.parquet")
        except (UserError, OSError) as error:
            print(f"{run.id}  refused: {one_line(str(error))}")
            refused += 1
            continue
        for old in (out / run.id).glob("events.out.tfevents.*"):  # else every value would be shown twice
            old.unlink()
        with SummaryWriter(out / run.id) as writer:
            writer.add_text("configuration", f"```\n{run.json_text()}\n```")
            for step, layer, name, value in rows:
                writer.add_scalar(f"{name}/{layer or 'network'}", value, step)
        written += 1
    print(f"{written:,} of {len(suite.runs):,} runs; `tensorboard --logdir {out}` shows them")
    return 1 if refused else 0


def _history(path: Path) -> list[tuple[int, str, str, float]]:
    """(step, layer, name, value). Raises `UserError` for a file that has no such rows."""
    import pyarrow.parquet as pq

    from dst_repro.errors import UserError

    try:
        rows = pq.read_table(path, columns=["step", "layer", "name", "value"]).to_pylist()
        return [(int(row["step"]), str(row["layer"]), str(row["name"]), float(row["value"])) for row in rows]
    except (OSError, ValueError, TypeError) as error:  # pyarrow's are of the first two kinds
        raise UserError(f"{path}: not a history ({error})") from None
