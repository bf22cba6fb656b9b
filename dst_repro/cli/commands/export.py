"""Write the final network of a run: weights, masks, CSR, ONNX; and its speed."""

from __future__ import annotations

import argparse
from pathlib import Path

from dst_repro.cli import suites
from dst_repro.cli.arguments import takes_suite


def arguments(parser: argparse.ArgumentParser) -> None:
    takes_suite(parser)
    parser.add_argument("run", help="id of a run whose network was kept")
    parser.add_argument("--out", help="folder to write to [RESULTS/states/export-RUN]")


def run(args: argparse.Namespace) -> int:
    from dst_repro.cli import exporting

    suite = suites.load(args)
    for line in exporting.export(suites.known(suite, args.run), Path(suite.file.results_dir), args.out):
        print(line)
    return 0
