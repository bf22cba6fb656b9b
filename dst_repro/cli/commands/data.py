"""Find, verify or download a data set."""

from __future__ import annotations

import argparse
from pathlib import Path

from dst_repro.cli.arguments import takes_plugins


def arguments(parser: argparse.ArgumentParser) -> None:
    takes_plugins(parser)
    parser.add_argument("name")
    parser.add_argument("out", help="where to write what was found, as JSON")
    parser.add_argument("--params", default="{}", help="its parameters as JSON, such as a path")


def run(args: argparse.Namespace) -> int:
    from dst_repro import plugins
    from dst_repro.data.base import source
    from dst_repro.errors import ConfigError, UserError
    from dst_repro.files import write_json
    from dst_repro.plan.catalogue import check_params
    from dst_repro.reading import from_json

    plugins.use(args.plugin)
    if Path(args.out).is_dir():
        raise UserError(f"{args.out}: is a folder, where a file is to be written")
    given = from_json(args.params)
    if not isinstance(given, dict):
        raise ConfigError('must be a mapping, such as {"path": "mine.npz"}', "--params")
    settings = check_params("dataset", args.name, given, "--params")
    found = source(args.name, settings)
    parts = {"train": found.train, "test": found.test}
    write_json(
        Path(args.out),
        {
            "name": found.name,
            "note": found.note,
            "images": {name: len(part) for name, part in parts.items()},
            "sha256": {name: part.sha256() for name, part in parts.items()},
        },
    )
    return 0
