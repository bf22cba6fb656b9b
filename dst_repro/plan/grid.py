"""From YAML to runs: a suite selects items of papers, items name experiments, experiments are grids of runs."""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from dst_repro import plugins
from dst_repro.errors import ConfigError, did_you_mean, shown
from dst_repro.files import read_yaml
from dst_repro.plan.catalogue import catalogue, check_params
from dst_repro.plan.config import SHARED, RunConfig, first_finding
from dst_repro.plan.feasible import refuse_idle
from dst_repro.plan.schema import Block, Claim, Experiment, Item, Paper, SuiteFile
from dst_repro.reading import from_yaml, plain

__all__ = ["Experiment", "Item", "Paper", "Suite", "SuiteFile", "expand", "load_experiment", "load_paper", "load_suite",
           "one_run", "plan", "size", "suite_values"]  # fmt: skip

ROUNDS = 100
"""Of a chain at most: each run stands in the configuration of all that come after it."""

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Suite:
    """A suite with everything it names: papers' items, experiments, and the runs of each."""

    file: SuiteFile
    items: Mapping[str, Item]  # "paper/item" -> item
    papers: Mapping[str, Paper]
    experiments: Mapping[str, Experiment]
    runs: Mapping[str, RunConfig]  # id -> run; a run that two experiments share stands here once, parents too
    members: Mapping[str, tuple[str, ...]]  # experiment -> ids

    @property
    def claims(self) -> dict[str, Claim]:
        """ "paper/claim" -> claim, of all papers that the suite has items of."""
        return {f"{slug}/{name}": claim for slug, paper in self.papers.items() for name, claim in paper.claims.items()}

    @functools.cached_property
    def experiments_of(self) -> dict[str, list[str]]:
        """Run id -> the experiments that it belongs to: none, if it is only there for others to start from."""
        found: dict[str, list[str]] = {run: [] for run in self.runs}
        for slug, ids in self.members.items():
            for run in ids:
                found[run].append(slug)
        return found

    @property
    def cells(self) -> dict[str, list[RunConfig]]:
        """Cell -> its runs, by seed."""
        cells: dict[str, list[RunConfig]] = {}
        for run in self.runs.values():
            cells.setdefault(run.cell, []).append(run)
        return {cell: sorted(runs, key=lambda r: r.seed) for cell, runs in cells.items()}

    @functools.cached_property
    def parents(self) -> frozenset[str]:
        """Ids of runs whose final network others begin with."""
        return frozenset(parent.id for run in self.runs.values() for parent, moment in run.needs if moment is None)

    def files(self, kind: Literal["table", "figure"]) -> dict[str, str]:
        """File name without suffix -> "paper/item", for every item of a kind."""
        return {key.replace("/", "-"): key for key, item in self.items.items() if item.kind == kind}

    @property
    def seed_sets(self) -> list[tuple[tuple[int, ...], list[str]]]:
        """(seeds, the cells that have exactly these seeds), the commonest set first."""
        sets: dict[tuple[int, ...], list[str]] = {}
        for cell, runs in self.cells.items():
            sets.setdefault(tuple(run.seed for run in runs), []).append(cell)
        return sorted(sets.items(), key=lambda entry: (-len(entry[1]), entry[0]))

    @property
    def digest(self) -> str:
        """Changes when the runs, or what experiments say of them, change."""
        said = {slug: (e.protocol, e.reduced, self.members[slug]) for slug, e in self.experiments.items()}
        return hashlib.sha256(json.dumps([said, sorted(self.runs)], sort_keys=True).encode()).hexdigest()[:16]


def _model(kind: type[M], values: Mapping[str, Any], source: str) -> M:
    try:
        return kind.model_validate(plain(values))
    except ValidationError as error:
        raise first_finding(error, kind).within(source) from None
    except ConfigError as error:
        raise error.within(source) from None


def _patch(base: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of `base` with `value` at the dotted key."""
    head, dot, rest = key.partition(".")
    if not dot:
        return base | {head: value}
    inner = base.get(head)
    if inner is not None and not isinstance(inner, dict):
        raise ConfigError(f"there is nothing inside {shown(inner)}", key)
    return base | {head: _patch(inner or {}, rest, value)}


def _set(base: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in values.items():
        base = _patch(base, key, value)
    return base


def size(experiment: Experiment) -> int:
    """How many runs `expand` gives at most."""
    total = 0
    for block in experiment.blocks:
        product = math.prod(len(values) for values in (experiment.sweep | block.sweep).values())
        total += product * max(map(len, block.rounds.values()), default=1) * (1 + len(block.then))
    return total


def expand(experiment: Experiment, source: str) -> Iterator[RunConfig]:
    """All runs of a grid, in the order of the file. Raises `ConfigError` naming `source` and the block."""
    for number, block in enumerate(experiment.blocks, start=1):
        axes = experiment.sweep | block.sweep
        for values in itertools.product(*axes.values()):
            try:
                fields = _set(_set(_set({}, experiment.base), block.set), dict(zip(axes, values, strict=True)))
                for run in _chain(fields, block) if block.rounds else [RunConfig.parse(fields)]:
                    refuse_idle(run)
                    yield run
            except ConfigError as error:
                raise error.within(source, f"block {number}") from None


def _chain(fields: dict[str, Any], block: Block) -> Iterator[RunConfig]:
    """One run a round, each from the one before, and what comes after it."""
    if len({len(values) for values in block.rounds.values()}) > 1:
        raise ConfigError("all lists must be of the same length", "rounds")
    if any(len(values) > ROUNDS for values in block.rounds.values()):
        raise ConfigError(f"at most {ROUNDS} rounds", "rounds")
    for then in block.then:
        for key, allowed in then.after.items():
            if missing := [value for value in allowed if value not in block.rounds.get(key, [])]:
                raise ConfigError(f"no round has {key} {missing[0]}", "then.after")
    for values in zip(*block.rounds.values(), strict=True):
        chosen = dict(zip(block.rounds, values, strict=True))
        fields = _set(fields, chosen)
        yield RunConfig.parse(fields)
        fields = fields | {block.through: {key: value for key, value in fields.items() if key not in SHARED}}
        for then in block.then:
            if all(chosen[key] in allowed for key, allowed in then.after.items()):
                yield RunConfig.parse(_set(fields, then.set))


def _file(kind: Literal["experiments", "papers"], slug: str, config_dirs: Sequence[Path]) -> Path:
    """The first of these files that is there; of none the first, for the message that it is not."""
    paths = [folder / kind / f"{slug}.yaml" for folder in config_dirs]
    return next((path for path in paths if path.is_file()), paths[0])


def load_experiment(slug: str, *config_dirs: Path, room: int | None = None) -> tuple[Experiment, list[RunConfig]]:
    """The grid of that name and its runs, of which there may be `room`."""
    path = _file("experiments", slug, config_dirs)
    experiment = _model(Experiment, read_yaml(path), str(path))
    _check_name(experiment.experiment, path, "experiment")
    if room is not None and size(experiment) > room:
        raise ConfigError(f"{size(experiment):,} runs, where the suite's `limit` leaves room for {room:,}", str(path))
    return experiment, list(expand(experiment, str(path)))


def _check_name(name: str, path: Path, key: str) -> None:
    if name != path.stem:
        raise ConfigError(f"is '{name}', but the file is called {path.name}", str(path), key)


def load_paper(slug: str, *config_dirs: Path) -> Paper:
    path = _file("papers", slug, config_dirs)
    paper = _model(Paper, read_yaml(path), str(path))
    _check_name(paper.paper, path, "paper")
    for name, item in paper.items.items():
        try:
            check_params("plot" if item.kind == "figure" else "table", item.builder, item.params, "params")
        except ConfigError as error:
            raise error.within(str(path), f"items.{name}") from None
    for name, claim in paper.claims.items():
        try:
            check_params("claim rule", claim.rule, claim.params, "params")
        except ConfigError as error:
            raise error.within(str(path), f"claims.{name}") from None
    return paper


def select_items(file: SuiteFile, source: str) -> tuple[dict[str, Paper], dict[str, Item]]:
    """The papers and items that the patterns of a suite name; a pattern that matches nothing is an error."""
    papers: dict[str, Paper] = {}
    items: dict[str, Item] = {}
    for pattern in file.items:
        slug, _, name = pattern.partition("/")
        if slug not in papers:
            papers[slug] = load_paper(slug, *map(Path, file.config_dir))
        matches = fnmatch.filter(papers[slug].items, name)
        if not matches:
            hint = did_you_mean(name, papers[slug].items)
            raise ConfigError(f"paper '{slug}' has no item '{name}'{hint}", source, "items")
        items |= {f"{slug}/{match}": papers[slug].items[match] for match in matches}
    named: dict[str, str] = {}
    for key in items:
        other = named.setdefault(key.replace("/", "-"), key)
        if other != key:
            raise ConfigError(f"'{other}' and '{key}' would have the same files", source, "items")
    return papers, items


def _check_folder(key: str, path: Path, source: str) -> None:
    for folder in (path, *path.parents):
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder} is a file, not a folder", source, key)


def plan(config: Mapping[str, Any], source: str = "config") -> Suite:
    """The suite in a loaded config file. `source` is the name of that file, for messages.

    Raises `ConfigError`: file, key, what is wrong, what would be right.
    """
    file = _model(SuiteFile, config, source)
    if not file.train and file.on_source_change == "retrain":
        raise ConfigError("must be keep, as `train: false` trains nothing", source, "on_source_change")
    for key, folders in (("config_dir", file.config_dir), ("results_dir", [file.results_dir]),
                         ("figures_dir", [file.figures_dir])):  # fmt: skip
        for folder in folders:
            _check_folder(key, Path(folder), source)
    try:
        plugins.use(file.plugins)
        catalogue()  # loads them: what is wrong with one is told of the suite, not of whoever asks first
    except ConfigError as error:
        raise error.within(source) from None
    papers, items = select_items(file, source)
    experiments: dict[str, Experiment] = {}
    runs: dict[str, RunConfig] = {}
    members: dict[str, tuple[str, ...]] = {}
    named = itertools.chain(*(item.experiments for item in items.values()), file.experiments)
    room = file.limit
    for slug in dict.fromkeys(named):
        experiments[slug], found = load_experiment(slug, *map(Path, file.config_dir), room=room)
        room -= len(found)
        runs |= {run.id: run for run in found}
        members[slug] = tuple(dict.fromkeys(run.id for run in found))
        runs |= {parent.id: parent for run in found for parent in run.ancestors}
    if not runs:
        raise ConfigError("the suite selects no run: give it items or experiments", source)
    return Suite(file, items, papers, experiments, runs, members)


def load_suite(path: Path) -> Suite:
    """The suite in a YAML file."""
    return plan(read_yaml(path), str(path))


def one_run(settings: Sequence[str]) -> RunConfig:
    """The run of settings such as `method_params.alpha=1.0e-3`: dotted keys, values as in YAML; its seed is 0 unless
    they say another. Raises `ConfigError`.
    """
    fields: dict[str, Any] = {"seed": 0}
    said = set[str]()
    for setting in settings:
        key, equals, text = setting.partition("=")
        try:
            if not (key and equals):
                raise ConfigError("must be key=value, such as density=0.05")
            if key in said:
                raise ConfigError("is said twice", key)
            said.add(key)
            fields = _patch(fields, key, from_yaml(text))
        except ConfigError as error:
            raise error.within(shown(setting)) from None
    run = RunConfig.parse(fields)
    refuse_idle(run)
    return run


def suite_values(files: Sequence[Path], settings: Sequence[str] = ()) -> dict[str, Any]:
    """The mapping in some YAML files, the later ones on top, and on top of all settings such as `title=Short runs`."""
    values: dict[str, Any] = {}
    for path in files:
        values |= read_yaml(path)
    for setting in settings:
        key, _, text = setting.partition("=")
        try:
            values[key] = from_yaml(text)
        except ConfigError as error:
            raise error.within("--config", key) from None
    return values
