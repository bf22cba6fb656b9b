"""Write the JSON schemas of the config files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", default="workflow/schemas")


def run(args: argparse.Namespace) -> int:
    from dst_repro.files import write_text
    from dst_repro.plan import grid

    for name, model in (("suite", grid.SuiteFile), ("experiment", grid.Experiment), ("paper", grid.Paper)):
        text = json.dumps(model.model_json_schema(), indent=2, sort_keys=True) + "\n"
        write_text(Path(args.out) / f"{name}.schema.json", text)
    return 0
