"""What the files of a configuration hold: suites, papers with their items, experiments with their grids."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=100)]
"""A name that files are called by, in every file system."""
Values = Annotated[list[Any], Field(min_length=1)]
TAKEN = ("data", "logs", "runs", "states", "train")
"""Folders of `results` and `results/logs` that are no suite's."""


def _wrong(said: str) -> PydanticCustomError:
    return PydanticCustomError("name", "{said}", {"said": said})


def _folder(path: str) -> str:
    """A path that the shell and Snakemake read alike, in its shortest form."""
    if found := re.search(r"[^\w ./+=@,:~()-]", path):
        raise _wrong(f"must have no {found[0]!r} in it")
    if not path or path[0] in "-~ " or path[-1] == " ":
        raise _wrong("must be a folder's name that begins with no -, ~ or space, and ends with none")
    if len(path) > 1000 or any(len(part.encode()) > 255 for part in path.split("/")):
        raise _wrong("must be shorter")
    return str(PurePosixPath(path))


def _suite(name: str) -> str:
    if name in TAKEN or re.search(r"\.(csv|html|json|log|md|parquet|pdf|png|svg|tex)$", name):
        raise _wrong("must be the name of no other file or folder beside the suite's")
    return name


def _listed(value: Any) -> Any:
    return [_folder(value)] if isinstance(value, str) else value


def _pattern(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,99}/[a-z0-9.*?!\[\]-]{1,200}", text):
        raise _wrong("must be `paper/item`, shell patterns allowed for the item")
    return text


Folder = Annotated[str, AfterValidator(_folder)]
Title = Annotated[str, Field(min_length=1, max_length=1000)]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Then(_File):
    """One more run after each round that takes one of the values: the round's settings, but for those in `set`."""

    after: Annotated[dict[str, Values], Field(min_length=1)]
    set: Annotated[dict[str, Any], Field(min_length=1)]


class Block(_File):
    """One product of a grid: `set` is the same in all runs, each key of `sweep` takes every value of its list."""

    set: dict[str, Any] = {}
    sweep: dict[str, Values] = {}
    rounds: dict[str, Values] = {}
    """A chain of runs: the k-th takes the k-th value of each list and starts from the one before, the first from what
    stands in `through`, if there is one."""
    through: Literal["weights_from", "mask_from"] = "weights_from"
    """The field by which a round names the one before."""
    then: list[Then] = []
    """Runs that come after some of the rounds and are no rounds themselves."""


class Experiment(_File):
    """A grid of runs (config/experiments/*.yaml)."""

    experiment: Slug
    title: Title
    protocol: Slug | None = None
    """The paper whose training protocol these runs follow to the letter: only they are compared with its numbers."""
    reduced: str | None = None
    """What was reduced against the protocol (epochs, width, images); shown wherever the runs are."""
    base: dict[str, Any] = {}
    sweep: dict[str, Values] = {}
    blocks: Annotated[list[Block], Field(min_length=1)]


class Item(_File):
    """One table or figure of a paper."""

    kind: Literal["table", "figure"]
    builder: str
    """Slug of a table or plot; see `python -m dst_repro list`."""
    experiments: Annotated[list[Slug], Field(min_length=1)]
    title: Title
    caption: str
    reproduces: str | None = None
    """The published item that it stands beside, as `published/*.csv` spells it."""
    headline: bool = False
    """Whether the figure is among those that the report shows first: it is drawn for one of three places in a row."""
    params: dict[str, Any] = {}


class Claim(_File):
    """Something that a paper says, and the rule that answers it."""

    states: Title
    """The claim, in one sentence."""
    source: str
    """Where the paper says so, or what makes it a claim that follows from the paper."""
    rule: str
    """Slug of a rule; see `python -m dst_repro list`."""
    experiments: Annotated[list[Slug], Field(min_length=1)]
    """Whose runs answer. Those that a suite doesn't have are not trained for the claim's sake."""
    params: dict[str, Any] = {}


class Paper(_File):
    """The items of one article (config/papers/*.yaml)."""

    paper: Slug
    title: Title
    citation: str
    items: dict[Slug, Item]
    claims: dict[Slug, Claim] = {}


class SuiteFile(_File):
    """A suite (config/*.yaml): what one call of snakemake does."""

    suite: Annotated[Slug, AfterValidator(_suite)]
    title: Title
    on_source_change: Literal["keep", "retrain"] = "keep"
    train: bool = True
    """False: it takes the records that are there and trains nothing; runs without one are shown as missing."""
    items: list[Annotated[str, AfterValidator(_pattern)]] = []
    """`paper/item`, shell patterns allowed."""
    experiments: list[Slug] = []
    """Grids to train beside those of the items."""
    plans: list[Folder] = []
    """Files of other suites: where no run of this one answers a published number, the comparison says which of them
    plans one, and what it would cost."""
    limit: Annotated[int, Field(ge=1)] = 100_000
    """Runs that the grids may have at most, those that two share counted twice."""
    plugins: list[Folder] = []
    """Files (`my_method.py`) and importable modules that register methods, models, data sets, criteria, tricks, tables,
    plots or claim rules. Paths are from the working directory."""
    config_dir: Annotated[list[Folder], BeforeValidator(_listed), Field(min_length=1)] = ["config"]
    """Where `experiments/` and `papers/` lie; of several folders the first that has the file is read."""
    results_dir: Folder = "results"
    figures_dir: Folder = "figures"
