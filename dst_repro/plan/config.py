"""One training, as data. `RunConfig` holds everything that can change a number, and nothing else."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from dst_repro.errors import ConfigError, did_you_mean, shown
from dst_repro.plan.catalogue import catalogue, check_params, defaults, look_up
from dst_repro.plan.optimisation import OPTIMIZERS, SCHEDULES
from dst_repro.plan.sizes import steps_per_epoch
from dst_repro.reading import from_json, plain

SHARED = ("dataset", "dataset_params", "validation", "model", "model_params", "seed")
"""Fields in which a run and its parents are always equal."""
PARENTS = ("weights_from", "mask_from")
"""Fields that name another run, given by what differs from this one."""
OWN = (
    "method",
    "method_params",
    "density",
    "tricks",
    "initialisation",
    *PARENTS,
    "weights_at",
    "begin_at",
    "step_history",
)
"""Fields that a parent has by itself; all others it has in common with its child unless it says otherwise."""


def _moment(value: dict[str, int]) -> dict[str, int]:
    if list(value) not in (["epoch"], ["step"]):
        raise ValueError("must be `{epoch: n}` or `{step: n}`")
    return {"epoch": 0} if value == {"step": 0} else value


Moment = Annotated[dict[str, Annotated[int, Field(ge=0)]], AfterValidator(_moment)]
"""`{epoch: n}` or `{step: n}`: after so many of a training; 0 is its start."""

CHAIN = 200
"""Runs in runs in a configuration at most, each that one which the outer one begins with, and their parameters."""

PLUGGED = ("dataset", "model", "method")  # fields whose value is a slug of a registry, with `..._params` beside it


def checked_tricks(given: Mapping[str, Mapping[str, Any] | None]) -> dict[str, dict[str, Any]]:
    """Slug -> the parameters that differ from their default."""
    for slug in given:
        if slug not in (known := catalogue()["trick"]):
            raise ConfigError(f"unknown trick{did_you_mean(slug, known)}", f"tricks.{slug}")
    return {slug: check_params("trick", slug, params or {}, f"tricks.{slug}") for slug, params in given.items()}


def full_tricks(given: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Slug -> all parameters, those that differ from their default given."""
    return {slug: {**defaults("trick", slug), **params} for slug, params in given.items()}


def check_density(method: str, density: float | None) -> None:
    """Raises `ConfigError` where a method that takes a density has none, or has one and takes none."""
    takes_density = look_up("method", method)["facts"].get("density", False)
    if takes_density and density is None:
        raise ConfigError(f"method '{method}' needs a density in (0, 1]", "density")
    if not takes_density and density is not None:
        raise ConfigError(f"method '{method}' takes no density: it has no target", "density")


class RunConfig(BaseModel):
    """Everything that determines the numbers of one run. A default, once released, never changes: ids depend on it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    dataset: str
    """Slug of the data set."""
    dataset_params: dict[str, Any] = {}
    """Its parameters."""
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the training images held out for model selection. 0 is the protocol of the papers."""
    augmentation: Literal["none", "flip", "crop-flip", "reflect-crop-flip", "resized-crop-flip"] = "none"
    """Of training images: flip; padding by zeros or reflection, random crop, flip; a random part of any size, flip."""
    model: str
    """Slug of the network."""
    model_params: dict[str, Any] = {}
    """Its parameters."""
    method: str
    """Slug of the method."""
    method_params: dict[str, Any] = {}
    """Its parameters."""
    density: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the maskable weights to keep, for methods that take one."""
    tricks: dict[str, dict[str, Any] | None] = {}
    """What helps the network to train, whatever its method: slug -> parameters."""
    fidelity: Literal["paper", "released"] = "paper"
    """Which is followed where a paper and its authors' code differ."""
    optimizer: Literal["sgd", "adam"] = "sgd"
    """The optimiser."""
    optimizer_params: dict[str, Any] = {}
    """Its parameters."""
    learning_rate: Annotated[float, Field(gt=0)]
    """At the first step."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Of all parameters that the method does not exempt."""
    schedule: Literal["constant", "step", "multi-step", "cosine"] = "constant"
    """Of the learning rate."""
    schedule_params: dict[str, Any] = {}
    """Its parameters."""
    epochs: Annotated[int, Field(ge=1)]
    """Passes over the training images."""
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Images a step."""
    precision: Literal["float32", "tf32", "bf16"] = "float32"
    """Of matrix products and convolutions. bf16 is autocast; masks, thresholds and statistics stay float32."""
    compile: Literal["auto", "off"] = "auto"
    """Whether a long run is compiled, which can change the order of a sum, and so the last bits."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Torch threads on a CPU. Their number can change the order of a sum, hence a field of the run."""
    initialisation: Literal["original", "redrawn"] = "original"
    """The draw of the initial weights: the seed's first, which all runs of this model and seed share, or another."""
    weights_from: dict[str, Any] | None = None
    """The run whose network this one starts from, given by what differs from this one; see `parents`."""
    weights_at: Moment | None = None
    """When in that run's training its network is taken (rewinding), as it computes then: of methods that mask in the
    forward pass the masked weights. By default at the end."""
    begin_at: Moment | None = None
    """When in the schedule and the data order of the run its training begins: what is before is left out, its first
    steps, not its last ones. By default at their start, whatever the weights are."""
    mask_from: dict[str, Any] | None = None
    """The run whose final mask and network the method makes its mask from, given by what differs from this one."""
    step_history: Annotated[int, Field(ge=0)] = 0
    """How many of the first steps are recorded one by one (kept counts and mask transitions of every layer)."""
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    """Of initialisation, data order and masks, each a stream of its own."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, values: Any) -> Any:
        return plain(values, CHAIN)  # tuples and lists are one thing here

    @model_validator(mode="after")
    def _check(self) -> RunConfig:
        for kind in PLUGGED:
            look_up(kind, getattr(self, kind))
            key = f"{kind}_params"
            object.__setattr__(self, key, check_params(kind, getattr(self, kind), getattr(self, key), key))
        object.__setattr__(self, "tricks", checked_tricks(self.tricks))
        for key, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            checked = check_model(known[getattr(self, key)], getattr(self, f"{key}_params"), f"{key}_params")
            object.__setattr__(self, f"{key}_params", checked.model_dump(exclude_defaults=True, mode="json"))
        check_density(self.method, self.density)
        self._check_parents()
        return self

    def _check_parents(self) -> None:
        for key in PARENTS:
            if getattr(self, key) is not None:
                object.__setattr__(self, key, self._canonical_parent(key))
        mask = look_up("method", self.method)["facts"].get("mask_from")
        if self.mask_from is not None and mask is None:
            raise ConfigError(f"method '{self.method}' makes its mask from no other run", "mask_from")
        if self.mask_from is None and mask == "required":
            raise ConfigError(f"method '{self.method}' needs the run whose mask it takes", "mask_from")
        if mask == "or weights_from" and not self.parents:
            raise ConfigError(f"method '{self.method}' needs the run before, here or in `weights_from`", "mask_from")
        start = self.parents.get("weights_from")
        if start is None and self.weights_at is not None:
            raise ConfigError("needs `weights_from`, the run whose weights are taken", "weights_at")
        if start is not None and self.initialisation != "original":
            raise ConfigError("has no part in a run that starts from another's weights", "initialisation")
        if start is not None and self.weights_at is not None:
            _check_moment("weights_at", self.weights_at, start, "that run", end=True)
            if self.weights_at == {"epoch": start.epochs}:
                object.__setattr__(self, "weights_at", None)
        if self.begin_at is not None:
            _check_moment("begin_at", self.begin_at, self, "the run", end=False)
        if self.begin_at == {"epoch": 0}:
            object.__setattr__(self, "begin_at", None)

    def _inherited(self) -> dict[str, Any]:
        return {key: value for key, value in self.model_dump(mode="json").items() if key not in OWN}

    def _canonical_parent(self, field: str) -> dict[str, Any]:
        """What is left of `weights_from` or `mask_from` when everything that goes without saying is taken away."""
        given: dict[str, Any] = getattr(self, field)
        for key in given:
            if key in SHARED:
                raise ConfigError("a run has this in common with the one it starts from", f"{field}.{key}")
        inherited = self._inherited()
        try:
            parent = _parsed(json.dumps(inherited | given, sort_keys=True))
        except ConfigError as error:
            raise error.within(field) from None
        usual = inherited | {key: RunConfig.model_fields[key].default for key in OWN if key != "method"}
        return {key: value for key, value in parent.model_dump(mode="json").items() if usual.get(key, ...) != value}

    @functools.cached_property
    def parents(self) -> dict[str, RunConfig]:
        """Field -> the run that it names. What the field leaves unsaid is as in this run, but for `OWN`."""
        named = {key: getattr(self, key) for key in PARENTS if getattr(self, key) is not None}
        return {key: _parsed(json.dumps(self._inherited() | given, sort_keys=True)) for key, given in named.items()}

    @functools.cached_property
    def ancestors(self) -> list[RunConfig]:
        """Parents, their parents, ..., each after those that it needs."""
        found: dict[str, RunConfig] = {}
        for parent in self.parents.values():
            found |= {run.id: run for run in (*parent.ancestors, parent) if run.id not in found}
        return list(found.values())

    @property
    def needs(self) -> list[tuple[RunConfig, dict[str, int] | None]]:
        """The networks that training begins with: whose, and when in its training, None for its end."""
        return [(run, self.weights_at if key == "weights_from" else None) for key, run in self.parents.items()]

    @functools.cached_property
    def nondefault(self) -> dict[str, Any]:
        """The fields that differ from their default, in canonical form: what the id is made of."""
        return self.model_dump(exclude_defaults=True, mode="json")

    @functools.cached_property
    def cell(self) -> str:
        """The run without its seed: `<dataset>-<model>-<method>[-d<density>]-<10 hex>`."""
        return "-".join((self._stem, self._hash))

    @functools.cached_property
    def id(self) -> str:
        """`<dataset>-<model>-<method>[-d<density>]-s<seed>-<10 hex>`; the hex is that of the cell."""
        return "-".join((self._stem, f"s{self.seed}", self._hash))

    @property
    def _stem(self) -> str:
        density = [] if self.density is None else [f"d{self.density:g}"]
        return "-".join([self.dataset, self.model, self.method, *density])

    @functools.cached_property
    def _hash(self) -> str:
        fields = {key: value for key, value in self.nondefault.items() if key != "seed"}
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def json_text(self) -> str:
        """Canonical JSON of the fields that differ from their default; `RunConfig.parse` reads it back."""
        return json.dumps(self.nondefault, sort_keys=True, separators=(",", ":"))

    def full(self) -> dict[str, Any]:
        """Every field, parameters with their defaults filled in, as plain JSON values. Not to be written to."""
        return self._full

    @functools.cached_property
    def _full(self) -> dict[str, Any]:
        out = self.model_dump(mode="json")
        for kind in PLUGGED:
            out[f"{kind}_params"] = defaults(kind, out[kind]) | out[f"{kind}_params"]
        out["tricks"] = full_tricks(out["tricks"])
        for key, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            out[f"{key}_params"] = known[out[key]](**out[f"{key}_params"]).model_dump(mode="json")
        return out

    @classmethod
    def parse(cls, values: Mapping[str, Any] | str) -> RunConfig:
        """A run from a mapping or from JSON text. `ConfigError` names the key."""
        given = from_json(values, CHAIN) if isinstance(values, str) else values
        if not isinstance(given, Mapping):
            raise ConfigError(f"a run is a mapping, not {shown(given)}")
        return check_model(cls, given)


@functools.lru_cache(4096)
def _parsed(text: str) -> RunConfig:
    """A run from JSON text. Cached: in a chain of runs, each stands in all that come after it."""
    return RunConfig.parse(text)


def _check_moment(key: str, moment: dict[str, int], run: RunConfig, name: str, end: bool) -> None:
    """That `moment` lies in the training of `run`, its end included or not. Steps are checked where they are known."""
    for unit, number in moment.items():
        an_epoch = 1 if unit == "epoch" else steps_per_epoch(run)
        if an_epoch is not None and number >= run.epochs * an_epoch + end:
            raise ConfigError(f"{name} has {run.epochs * an_epoch} {unit}s", f"{key}.{unit}")


M = TypeVar("M", bound=BaseModel)

_ADVICE = {
    "extra_forbidden": "unknown key",
    "missing": "this key is missing",
    "finite_number": "must be finite",
    "bool_type": "must be true or false",  # where YAML 1.1 had yes, no, on and off, too
}


def check_model(model: type[M], values: Mapping[str, Any], *where: str) -> M:
    """Validate, and turn the first of pydantic's findings into one `ConfigError`."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise first_finding(error, model, *where) from None


def first_finding(error: ValidationError, model: type[BaseModel], *where: str) -> ConfigError:
    """One line out of pydantic's report: the key, what is wrong with its value, what would be right."""
    every = error.errors()
    found = next((one for one in every if one["type"] == "extra_forbidden"), every[0])  # what is missing is misspelt
    path = [str(p) for p in found["loc"] if not re.fullmatch(r"(function|tagged|list|float|int)\b.*", str(p))]
    kind = found["type"]
    message = _ADVICE.get(kind) or found["msg"]
    if kind not in ("extra_forbidden", "missing"):
        message += f", not {shown(found['input'])}"
    if kind == "extra_forbidden" and len(path) == 1:
        message += did_you_mean(path[0], model.model_fields)
    return ConfigError(message, ".".join([*where, *path]))
