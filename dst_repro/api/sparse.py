"""A method of the suite in its user's own loop: in the place of `optimizer.step()`, and of nothing else."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, cast
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from dst_repro.api.beside import Beside, Group, common_group, decay, group_of
from dst_repro.api.network import check, check_own, say_unmasked, untouched
from dst_repro.api.samples import NoData, OwnData, Source
from dst_repro.api.scaling import Scaled, check_scaled
from dst_repro.api.settings import OwnContext, Settings
from dst_repro.api.summary import Summary
from dst_repro.api.tricks import OwnTricks
from dst_repro.errors import ConfigError
from dst_repro.methods.base import Method
from dst_repro.methods.masked import Masked
from dst_repro.methods.scored import Scored
from dst_repro.models.slots import close, multiplying, open_parameters, without_slots
from dst_repro.registry import methods
from dst_repro.sparsity.unmasked import unmasked


def sparsify(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    method: str,
    density: float | None = None,
    *,
    steps: int,
    data: Source | None = None,
    steps_per_epoch: int | None = None,
    tricks: Mapping[str, Mapping[str, Any] | None] | None = None,
    also: Sequence[str] = (),
    fidelity: str = "paper",
    seed: int = 0,
    **params: Any,
) -> Sparse:
    """Make `model` sparse by a method of the suite, which from now on changes its masks in `Sparse.step`.

    `steps` are the optimiser's steps of the whole training. `data` is what the loop trains on: pairs (inputs, labels)
    in a DataLoader, any iterable, or a function that returns one; needed by what looks at samples before the first
    step, and its length is that of an epoch unless `steps_per_epoch` is given. `tricks` are slugs with their
    parameters, `params` those of the method. Masked are linear layers, convolutions, attention, and the parameters that
    `also` names. Raises `ConfigError`, one line, for what can't be.
    """
    if steps_per_epoch is None and isinstance(data, Sized):
        with contextlib.suppress(TypeError):  # a loader of a stream has no length
            steps_per_epoch = len(data) or None  # where there are none, whoever needs them says so
    given: dict[str, Any] = {
        "method": method,
        "method_params": params,
        "density": density,
        "tricks": dict(tricks) if isinstance(tricks, Mapping) else tricks or {},
        "also": tuple(also) if isinstance(also, list | tuple) else also,
        "fidelity": fidelity,
        "seed": seed,
        "steps": steps,
        "steps_per_epoch": steps_per_epoch,
    }
    try:
        return Sparse(model, optimizer, given, data)
    except ConfigError as error:
        where = (_ARGUMENTS.get(part, part.removeprefix("method_params.")) for part in error.where)
        raise ConfigError(error.message, "sparsify", *where) from None


_ARGUMENTS = {"optimizer_params.momentum": "optimizer", "method_params": ""}
"""What a setting of a run is called here."""


_TAKEN: WeakSet[nn.Module] = WeakSet()
"""Networks that have a method: two of them would undo each other's masks."""


class Sparse:
    """Network, optimiser and method of one training. `sparsify` makes it."""

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, given: Mapping[str, Any], data: Source | None
    ) -> None:
        if model in _TAKEN:
            raise ConfigError("has a method already: make the network anew for another", "model")
        if isinstance(optimizer, torch.optim.LBFGS):
            raise ConfigError("LBFGS computes gradients by itself, several a step", "optimizer")
        Settings.parse(given)  # what is wrong with the arguments comes first
        check_own(model)
        self._build = untouched(model)
        self._opened = open_parameters(model, [*multiplying(model), *given["also"]])
        try:
            self._make(model, optimizer, given, data)
        except BaseException:
            close(model, self._opened)
            raise
        _TAKEN.add(model)

    def _make(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, given: Mapping[str, Any], data: Source | None
    ) -> None:
        layers = check(model, optimizer, self._opened)
        self.model, self.optimizer = model, optimizer
        self._groups = {name: _group(optimizer, layer.weight) for name, layer in layers.items()}
        like = next(iter(self._groups.values()))
        self.settings = Settings.parse({**given, "batch_size": _batch_size(data), "weight_decay": decay(like)})
        self._unmasked = unmasked(model)
        self._beside = Beside(optimizer)
        self._scaled = Scaled(optimizer, self._beside, self._step)
        self.steps_done = 0
        say_unmasked(model)
        self._data = None if data is None else OwnData(data, model, self.settings.seed)
        own = NoData(given["method"]) if self._data is None else self._data
        config: Any = self.settings  # has the fields of a run that methods and tricks read
        epoch = self.settings.steps_per_epoch or self.settings.steps
        context = OwnContext(config, epoch, cast(Any, own), steps=self.settings.steps)
        self._begin(context, like)

    def _begin(self, context: OwnContext, like: Group) -> None:
        """In the order of the suite's own loop (`training.steps.Steps`)."""
        entry = methods[self.settings.method]
        self.method: Method = entry.object(entry.params(**self.settings.method_params), context)
        self._check_momentum()
        self.tricks = OwnTricks(context, self._beside, like, self._build_opened)
        own = {id(parameter) for parameter in self.model.parameters()}
        with sdpa_kernel(SDPBackend.MATH):  # scores differentiate twice, which other kernels of attention don't
            self.method.initialise(self.model)
            self.tricks.before_masks(self.model)
            self.method.prepare(self.model)
            self.tricks.begin(self.model, self.method)
        self._train_beside(own)
        self._hand_over_gradients()
        self.tricks.at(0)

    def _build_opened(self, state: dict[str, Tensor]) -> nn.Module:
        """The plain network with this state, its weights in slots as in the one that is trained."""
        made = self._build(without_slots(state, self._opened))
        open_parameters(made, self._opened.values())
        return made

    def _check_momentum(self) -> None:
        """Before anything is changed; `Scored.bind` asks after the masks are made, and not for other optimisers."""
        if isinstance(self.method, Scored):
            params, groups = self.method.params, self._groups.values()
            reads = "momentum" in (params.grow, params.redistribution)
            if reads and not all(group.get("momentum") or "betas" in group for group in groups):
                raise ConfigError(f"{self.settings.method} needs one with momentum, SGD or Adam for one", "optimizer")

    def _train_beside(self, own: set[int]) -> None:
        """What the method trains and the network did not have; what it takes over gets no gradient any more."""
        layers = self.method.modules
        new = {id(p): p for p in self._wanted(0.0)[1] if id(p) not in own}
        for name, layer in layers.items():
            there = [new.pop(id(p)) for p in layer.parameters(recurse=False) if id(p) in new]
            self._add(there, self._groups[name])
        if new:
            self._add(list(new.values()), common_group(list(self._groups.values()), self.settings.method))
        trained = {id(p) for p in self._wanted(0.0)[1]}
        taken_over = any(isinstance(m.weight, nn.Parameter) and id(m.weight) not in trained for m in layers.values())
        bound = self._beside.optimizer if taken_over else self.optimizer
        self.method.bind(bound)
        if (
            isinstance(self.method, Masked) and self.optimizer.state
        ):  # of earlier steps: pruned weights would move by it
            self.method.set_masks(self.method.masks())

    def _wanted(self, weight_decay: float) -> tuple[list[float], list[nn.Parameter]]:
        """The weight decays and the parameters that the method would have in an optimiser, one by one."""
        groups = self.method.param_groups(self.model, weight_decay)
        pairs = [(group["weight_decay"], p) for group in groups for p in group["params"]]
        return [value for value, _ in pairs], [parameter for _, parameter in pairs]

    def _add(self, params: list[nn.Parameter], like: Group) -> None:
        decays, wanted = self._wanted(decay(like))
        of = {id(parameter): value for value, parameter in zip(decays, wanted, strict=True)}
        for parameter in params:
            self._beside.add("method", [parameter], like, of[id(parameter)])

    def _hand_over_gradients(self) -> None:
        """Where a layer computes with a tensor made of its weight, that one's gradient waits at the weight: there
        accumulation, clipping, unscaling and `zero_grad` find it.
        """
        self._made: list[tuple[Tensor, nn.Parameter]] = []
        for layer in self.method.modules.values():
            if not isinstance(layer.weight, nn.Parameter):
                pair = layer.weight, layer.get_parameter("weight_orig")
                pair[0].register_post_accumulate_grad_hook(_to(pair[1]))
                self._made.append(pair)

    # In the loop

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy, or what a trick trains by instead."""
        return self.tricks.loss(logits, labels)

    def penalty(self) -> Tensor | float:
        """What the method adds to the loss, once a step; 0 for most."""
        found = self.method.penalty()
        return 0.0 if found is None else found

    def step(self, scaler: torch.amp.GradScaler | None = None, max_norm: float | None = None) -> bool:
        """In the place of `optimizer.step()`: the optimiser's step and the method's.

        `scaler` unscales gradients and leaves out a step whose gradients overflowed, which does not count. `max_norm`
        clips gradients as the optimiser sees them, masked where the method masks them. Returns whether it was taken.
        """
        if scaler is None:
            return self._step(max_norm)
        check_scaled(scaler, self.optimizer)
        done = bool(scaler.step(self._scaled, max_norm=max_norm))  # type: ignore[arg-type]
        if not done:
            self._beside.zero_grad()
        return done

    def _step(self, max_norm: float | None) -> bool:
        for made, weight in self._made:
            made.grad, weight.grad = weight.grad, None
        self._beside.follow()
        if not self.method.after_backward(self.steps_done):
            if max_norm is not None:
                trained = [p for group in self.optimizer.param_groups for p in group["params"]]
                nn.utils.clip_grad_norm_([*trained, *self._beside.parameters()], max_norm)
            self.optimizer.step()
            self._beside.step()
            self.method.after_step(self.steps_done)
        self._beside.zero_grad()
        self.steps_done += 1
        self.tricks.at(self.steps_done)
        return True

    def zero_grad(self) -> None:
        """`optimizer.zero_grad()`, for what is trained beside it, too: a batch is thrown away before its step."""
        self.optimizer.zero_grad()
        self._beside.zero_grad()

    # What it is

    @property
    def density(self) -> float:
        """Share of the masked layers' weights that is kept now."""
        return self.summary().density

    def masks(self) -> dict[str, Tensor]:
        """Layer -> boolean mask, as the next forward pass applies it; a weight of no layer goes by its own name."""
        return {self._opened.get(name, name): mask.clone() for name, mask in self.method.masks().items()}

    def summary(self) -> Summary:
        """The density, of all and layer by layer; `str` makes a table of it."""
        settings = self.settings
        layers = {self._opened.get(name, name): layer for name, layer in self.method.layers().items()}
        return Summary(settings.method, self.steps_done, settings.steps, layers, self._unmasked)

    def plain_state(self) -> dict[str, Tensor]:
        """The state of the network by its original names, pruned weights zero: an untouched copy of it loads this."""
        state = without_slots(self.method.network(self.model), self._opened)
        return {name: tensor.detach().clone() for name, tensor in state.items()}

    def plain_model(self) -> nn.Module:
        """The network as it was before `sparsify`, with `plain_state`."""
        return self._build(self.plain_state())

    def export(self, folder: str | Path, sample: Tensor | None = None) -> list[str]:
        """Write the network as it is now in every form, and measure it, see `export.write`; returns what to tell.

        `sample` are inputs to measure with, by default some of `data`.
        """
        from dst_repro.export import write

        if sample is None:
            if self._data is None:
                raise ConfigError("give some inputs to measure with", "export", "sample")
            sample = next(self._data.train.batches(self.settings.batch_size))[0]
        return write(self.plain_model(), self.masks(), sample, Path(folder))

    # Between two lives of the loop

    def state_dict(self) -> dict[str, Any]:
        """What the next step depends on beside the states of network and optimiser."""
        state = {
            "settings": self.settings.model_dump(mode="json"),
            "steps_done": self.steps_done,
            "method": self.method.state_dict(),
            "tricks": self.tricks.state_dict(),
            "beside": self._beside.optimizer.state_dict(),
        }
        return copy.deepcopy(state)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned, of a `sparsify` with the same arguments."""
        here = self.settings.model_dump(mode="json")
        for key, value in state["settings"].items():
            if here.get(key) != value:
                raise ConfigError(f"this state is of {key} {value}, not {here.get(key)}", "load_state_dict", key)
        state = copy.deepcopy(dict(state))
        self.steps_done = state["steps_done"]
        self.tricks.at(self.steps_done)
        self.tricks.load_state_dict(state["tricks"])
        self._beside.optimizer.load_state_dict(state["beside"])
        self.method.load_state_dict(state["method"])


def _to(weight: nn.Parameter) -> Any:
    def hand_over(made: Tensor) -> None:
        found, made.grad = made.grad, None
        weight.grad = found if weight.grad is None or found is None else weight.grad.add_(found)

    return hand_over


def _group(optimizer: torch.optim.Optimizer, weight: Any) -> Group:
    found = group_of(optimizer, weight)
    if found is None:
        raise LookupError("the network was checked")
    return found


def _batch_size(data: Any) -> int:
    """As the loader says; what goes without saying elsewhere."""
    return getattr(data, "batch_size", None) or 64
