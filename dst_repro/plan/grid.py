"""From YAML to runs: a suite selects items of papers, items name experiments, experiments are grids of runs."""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dst_repro.errors import ConfigError, did_you_mean
from dst_repro.files import read_yaml, refuse_number_as_text
from dst_repro.plan.catalogue import check_params
from dst_repro.plan.config import SHARED, RunConfig, first_finding

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Then(_File):
    """One more run after each round that takes one of the values: the round's settings, but for those in `set`."""

    after: Annotated[dict[str, list[Any]], Field(min_length=1)]
    set: Annotated[dict[str, Any], Field(min_length=1)]


class Block(_File):
    """One product of a grid: `set` is the same in all runs, each key of `sweep` takes every value of its list."""

    set: dict[str, Any] = {}
    sweep: dict[str, list[Any]] = {}
    rounds: dict[str, list[Any]] = {}
    """A chain of runs: the k-th takes the k-th value of each list and starts from the one before, the first from what
    stands in `through`, if there is one."""
    through: Literal["weights_from", "mask_from"] = "weights_from"
    """The field by which a round names the one before."""
    then: list[Then] = []
    """Runs that come after some of the rounds and are no rounds themselves."""


class Experiment(_File):
    """A grid of runs (config/experiments/*.yaml)."""

    experiment: Slug
    title: str
    protocol: Slug | None = None
    """The paper whose training protocol these runs follow to the letter: only they are compared with its numbers."""
    reduced: str | None = None
    """What was reduced against the protocol (epochs, width, images); shown wherever the runs are."""
    base: dict[str, Any] = {}
    sweep: dict[str, list[Any]] = {}
    blocks: list[Block]


class Item(_File):
    """One table or figure of a paper."""

    kind: Literal["table", "figure"]
    builder: str
    """Slug of a table or plot; see `python -m dst_repro list`."""
    experiments: list[Slug]
    title: str
    caption: str
    reproduces: str | None = None
    """The published item that it stands beside, as `published/*.csv` spells it."""
    params: dict[str, Any] = {}


class Paper(_File):
    """The items of one article (config/papers/*.yaml)."""

    paper: Slug
    title: str
    citation: str
    items: dict[Slug, Item]


class SuiteFile(_File):
    """A suite (config/*.yaml): what one call of snakemake does."""

    suite: Slug
    title: str
    on_source_change: Literal["keep", "retrain"] = "keep"
    items: list[str] = []
    """`paper/item`, shell patterns allowed."""
    experiments: list[Slug] = []
    """Grids to train beside those of the items."""
    config_dir: str = "config"
    results_dir: str = "results"
    figures_dir: str = "figures"


@dataclass(frozen=True)
class Suite:
    """A suite with everything it names: papers' items, experiments, and the runs of each."""

    file: SuiteFile
    items: Mapping[str, Item]  # "paper/item" -> item
    papers: Mapping[str, Paper]
    experiments: Mapping[str, Experiment]
    runs: Mapping[str, RunConfig]  # id -> run; a run that two experiments share stands here once, parents too
    members: Mapping[str, tuple[str, ...]]  # experiment -> ids

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


def _model(kind: type[_File], values: Mapping[str, Any], source: str) -> Any:
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        raise first_finding(error, kind).within(source) from None


def _patch(base: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of `base` with `value` at the dotted key."""
    head, _, rest = key.partition(".")
    return base | {head: _patch(base.get(head) or {}, rest, value) if rest else value}


def _set(base: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in values.items():
        base = _patch(base, key, value)
    return base


def expand(experiment: Experiment, source: str) -> Iterator[RunConfig]:
    """All runs of a grid, in the order of the file. Raises `ConfigError` naming `source` and the block."""
    for number, block in enumerate(experiment.blocks, start=1):
        axes = experiment.sweep | block.sweep
        for values in itertools.product(*axes.values()):
            fields = _set(_set(_set({}, experiment.base), block.set), dict(zip(axes, values, strict=True)))
            try:
                yield from _chain(fields, block) if block.rounds else [RunConfig.parse(fields)]
            except ConfigError as error:
                raise error.within(source, f"block {number}") from None


def _chain(fields: dict[str, Any], block: Block) -> Iterator[RunConfig]:
    """One run a round, each from the one before, and what comes after it."""
    if len({len(values) for values in block.rounds.values()}) > 1:
        raise ConfigError("all lists must be of the same length", "rounds")
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


def load_experiment(slug: str, config_dir: Path) -> tuple[Experiment, list[RunConfig]]:
    path = config_dir / "experiments" / f"{slug}.yaml"
    experiment: Experiment = _model(Experiment, read_yaml(path), str(path))
    if experiment.experiment != slug:
        raise ConfigError(f"is '{experiment.experiment}', but the file is called {slug}.yaml", str(path), "experiment")
    return experiment, list(expand(experiment, str(path)))


def load_paper(slug: str, config_dir: Path) -> Paper:
    path = config_dir / "papers" / f"{slug}.yaml"
    paper: Paper = _model(Paper, read_yaml(path), str(path))
    for name, item in paper.items.items():
        try:
            check_params("plot" if item.kind == "figure" else "table", item.builder, item.params, "params")
        except ConfigError as error:
            raise error.within(str(path), f"items.{name}") from None
    return paper


def select_items(file: SuiteFile, source: str, config_dir: Path) -> tuple[dict[str, Paper], dict[str, Item]]:
    """The papers and items that the patterns of a suite name; a pattern that matches nothing is an error."""
    papers: dict[str, Paper] = {}
    items: dict[str, Item] = {}
    for pattern in file.items:
        slug, _, name = pattern.partition("/")
        if slug not in papers:
            papers[slug] = load_paper(slug, config_dir)
        matches = fnmatch.filter(papers[slug].items, name)
        if not matches:
            hint = did_you_mean(name, papers[slug].items)
            raise ConfigError(f"paper '{slug}' has no item '{name}'{hint}", source, "items")
        items |= {f"{slug}/{match}": papers[slug].items[match] for match in matches}
    return papers, items


def plan(config: Mapping[str, Any], source: str = "config") -> Suite:
    """The suite in a loaded config file. `source` is the name of that file, for messages.

    Raises `ConfigError`: file, key, what is wrong, what would be right.
    """
    try:
        refuse_number_as_text(dict(config))
    except ConfigError as error:
        raise error.within(source) from None
    file: SuiteFile = _model(SuiteFile, config, source)
    config_dir = Path(file.config_dir)
    papers, items = select_items(file, source, config_dir)
    experiments: dict[str, Experiment] = {}
    runs: dict[str, RunConfig] = {}
    members: dict[str, tuple[str, ...]] = {}
    named = itertools.chain(*(item.experiments for item in items.values()), file.experiments)
    for slug in dict.fromkeys(named):
        experiments[slug], found = load_experiment(slug, config_dir)
        runs |= {run.id: run for run in found}
        members[slug] = tuple(dict.fromkeys(run.id for run in found))
        runs |= {parent.id: parent for run in found for parent in run.ancestors}
    if not runs:
        raise ConfigError("the suite selects no run: give it items or experiments", source)
    return Suite(file, items, papers, experiments, runs, members)


def load_suite(path: Path) -> Suite:
    """The suite in a YAML file."""
    return plan(read_yaml(path), str(path))
