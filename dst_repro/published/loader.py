"""The numbers as printed: `published/*.csv`, one row a number, checked on reading. See `published/README.md`."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from dst_repro.errors import ConfigError, did_you_mean, shown
from dst_repro.plan.config import first_finding

METRICS = ("top1", "top5", "error", "remaining_percent", "layer_remaining")
UNIQUE = ("paper", "item", "dataset", "model", "method", "density_percent", "metric", "setting")
METHODS = {"random": "static", "static-erk": "static", "lth": "imp", "prune-from-dense": "gmp",
           "magnitude-init": "one-shot"}  # fmt: skip
"""Slug of a published method -> that of the suite; others have one name in both. See also `compare.answering`."""
EVIDENCE = ("read", "derived", "second-hand")  # the best first

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)


def _printed(value: Any) -> Any:
    """Python reads more as a number than papers print: `9_8`, `nan`, digits of other scripts."""
    if isinstance(value, str) and not NUMBER.fullmatch(value):
        raise ValueError("must be a number")
    return value


Number = Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(_printed)]
Percent = Annotated[Number, Field(le=100)]


class Published(BaseModel):
    """One printed number, in percent."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    paper: Slug
    """Where the number stands: the paper."""
    item: Annotated[str, Field(min_length=1)]
    """Its table, figure, README or result file."""
    dataset: Slug
    """Slug of the data set, as are `model` and `method`; see `published/README.md` for how they map to the suite's."""
    model: Slug
    """Of the network."""
    method: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*(\+tost)?$")]
    """Of the method; `+tost` with the tricks of ToST."""
    density_percent: Annotated[Percent, Field(gt=0)]
    """Weights kept of the prunable ones, in percent; 100 for a dense net. For DST the density reached."""
    metric: Literal["top1", "top5", "error", "remaining_percent", "layer_remaining"]
    """What the number is."""
    value: Percent
    """The number, in percent whatever the metric."""
    spread: Number | None
    """The printed ±; empty if none is printed."""
    spread_kind: Literal["", "std", "se", "unknown"]
    """What it is; unknown where the source does not say."""
    n_seeds: Annotated[int, Field(ge=1, lt=2**31), BeforeValidator(_printed)] | None
    """Seeds behind the number; empty if not stated."""
    status: Literal["read", "second-hand", "derived"]
    """How it is known: read in the paper, its code or result files; printed by another paper; digitised or computed."""
    setting: Annotated[str, Field(pattern=r"^([a-z_]+=[^;=]+(;[a-z_]+=[^;=]+)*)?$")]
    """Pairs of key and value, parted by semicolons: of the training, as alpha, or of the number, as layer."""
    note: str
    """What a reader should know."""

    @field_validator("spread", "n_seeds", mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("setting")
    @classmethod
    def _once_and_finite(cls, value: str) -> str:
        pairs = [pair.split("=") for pair in value.split(";") if pair]
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("must have each key once")
        for key, text in pairs:
            number = _number(text)
            if text.lower().lstrip("+-") in ("nan", "inf", "infinity") or number in (math.inf, -math.inf):
                raise ValueError(f"must have a finite {key}")
        return value

    @model_validator(mode="after")
    def _agree(self) -> Published:
        if (self.spread is None) != (self.spread_kind == ""):
            raise ValueError("a spread has a kind (std, se or unknown), and no spread has none")
        if self.metric == "remaining_percent" and self.value != self.density_percent:
            raise ValueError("remaining_percent is the density itself, so both columns hold one number")
        return self


def parse_setting(text: str) -> dict[str, str | float]:
    """`alpha=5e-6;dist=erk` as {"alpha": 5e-06, "dist": "erk"}; what reads as a number is one."""
    return {key: _number(value) for key, _, value in (pair.partition("=") for pair in text.split(";") if pair)}


def _number(text: str) -> str | float:
    return float(text) if NUMBER.fullmatch(text) else text


def read_csv(file: Traversable) -> Iterator[dict[str, Any]]:
    """The checked rows of one file. `ConfigError` names the file, the line and the column."""
    try:
        text = file.read_bytes().decode()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"not UTF-8 text (byte {shown(error.object[error.start : error.end])})", file.name, f"line {line}"
        ) from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    expected = list(Published.model_fields)
    read = 0
    try:
        if reader.fieldnames != expected:
            raise ConfigError(f"the header must be {','.join(expected)}", file.name, "line 1")
        for row in reader:
            place = f"line {reader.line_num}"
            if None in row or None in row.values():
                raise ConfigError(f"must have {len(expected)} columns", file.name, place)
            try:
                number = Published.model_validate(row)
            except ValidationError as error:
                raise first_finding(error, Published).within(file.name, place) from None
            yield number.model_dump() | {"file": file.name, "line": reader.line_num}
            read = reader.line_num
    except csv.Error as error:  # a quote that is never closed is found at the end of the file: say where it opened
        raise ConfigError(f"not valid CSV: {error}", file.name, f"line {max(read, 1) + 1}") from None


def load(folder: Traversable | None = None) -> pd.DataFrame:
    """All published numbers, in the order of the files: the columns of the CSVs, and

    `settings` (dict, from `setting`), `reprint_of` (the row that this one only repeats, or ""), `file`, `line`.
    Raises `ConfigError` for a row that breaks the schema or stands twice.
    """
    folder = folder or resources.files("dst_repro") / "published"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".csv")), key=lambda f: f.name)
    rows = [row for file in files for row in read_csv(file)]
    if not rows:
        raise ConfigError("no published numbers", str(folder))
    seen: dict[tuple[Any, ...], str] = {}
    for row in rows:
        key, place = tuple(row[column] for column in UNIQUE), f"{row['file']}: line {row['line']}"
        if key in seen:
            raise ConfigError(f"the same number as in {seen[key]} ({', '.join(UNIQUE)} agree)", place)
        seen[key] = place
        row["settings"] = parse_setting(row["setting"])
    for row, source in zip(rows, _reprints(rows), strict=True):
        row["reprint_of"] = source
    frame = pd.DataFrame(rows)
    frame["spread"] = frame["spread"].astype("float64")
    frame["n_seeds"] = frame["n_seeds"].astype("Int64")
    return frame


def items(names: Iterable[str]) -> pd.DataFrame:
    """The numbers of some published items, each named `paper/item` ("dst/Table 1"), in that order.

    Columns as of `load`. Raises `ConfigError` for an item that there is not.
    """
    numbers = load()
    place = {name: number for number, name in enumerate(names)}
    known = numbers["paper"] + "/" + numbers["item"]
    for name in place:
        if name not in set(known):
            raise ConfigError(f"no published item '{name}'{did_you_mean(name, known.unique())}", "published")
    chosen = numbers[known.isin(place)]
    return chosen.iloc[known[known.isin(place)].map(place).argsort(kind="stable")].reset_index(drop=True)


def sparse_accuracies(names: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The sparse accuracies of published items, errors as accuracies; `dense` is the dense number of the same net.

    Of several it is the one of the method's own pipeline, else the paper's; None where the items print none.
    """
    numbers = items(names)
    numbers = numbers[numbers["metric"].isin(["top1", "error"])]
    accuracy = numbers["value"].where(numbers["metric"] == "top1", 100 - numbers["value"])
    rows = [{str(k): v for k, v in row.items()} for row in numbers.assign(value=accuracy).to_dict("records")]
    for row in rows:
        if row["method"] != "dense":
            yield row | {"dense": _dense_of(row, rows)}


def _dense_of(row: Mapping[str, Any], rows: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    net = ("paper", "dataset", "model")
    same = [r for r in rows if r["method"] == "dense" and all(r[key] == row[key] for key in net)]
    owners = [r["settings"].get("baseline_of", r["paper"]) for r in same]
    for owner in (row["method"], row["paper"]):
        if owner in owners:
            return same[owners.index(owner)]
    return None


def _reprints(rows: list[dict[str, Any]]) -> list[str]:
    """For each row `<paper> <item>` of the number that it repeats, or "": a reprinted number counts once.

    Within a paper the setting must agree, but for alpha and epochs, which one place states and another does not. A
    second-hand number repeats any equal number of the same net, whatever is said about its setting.
    """
    first: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    found = [""] * len(rows)
    for index in sorted(range(len(rows)), key=lambda i: EVIDENCE.index(rows[i]["status"])):
        row = rows[index]
        same = tuple(row[c] for c in ("dataset", "model", "method", "density_percent", "metric", "value"))
        same += tuple(row["settings"].get(key, "") for key in ("layer", "run_set"))
        rest = tuple(sorted((k, v) for k, v in row["settings"].items() if k not in ("alpha", "epochs")))
        source = first.setdefault((row["paper"], same, rest), row)
        if row["status"] == "second-hand":
            source = first.setdefault(same, row) if source is row else source
        else:
            first.setdefault(same, row)
        if source is not row and (source["item"] != row["item"] or row["status"] == "second-hand"):
            found[index] = f"{source['paper']} {source['item']}"
    return found


def decimals(value: float) -> str:
    """A published number as text, without the tail of its binary form."""
    return "" if math.isnan(value) else f"{value:.6g}"
