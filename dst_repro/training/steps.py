"""A run as it is built, and its steps: one update, and one pass over the training images."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dst_repro.data.base import Data
from dst_repro.errors import ConfigError
from dst_repro.machine.precision import autocast
from dst_repro.methods.base import Context, Given, Method
from dst_repro.plan.config import RunConfig
from dst_repro.registry import methods
from dst_repro.seeding import derive
from dst_repro.training.divergence import Diverged, not_finite, of_loss
from dst_repro.training.history import History
from dst_repro.training.network import compile_forward, initialised
from dst_repro.training.optimisation import build_optimizer, learning_rate, set_learning_rate
from dst_repro.tricks.base import Tricks


class Steps:
    """Network, method and optimiser of one run, and the steps that train them.

    `start` is the state of the network to begin with, by default the model's own initialisation; `given` is what
    `mask_from` names.
    """

    def __init__(
        self,
        config: RunConfig,
        data: Data,
        device: torch.device,
        start: dict[str, Tensor] | None = None,
        given: Given | None = None,
    ) -> None:
        self.config, self.data, self.device = config, data.to(device), device
        self.steps_per_epoch = math.ceil(len(data.train) / config.batch_size)
        network: Any = initialised(config, data, start)
        entry = methods[config.method]
        context = Context(config, self.steps_per_epoch, self.data, given)
        self.method: Method = entry.object(entry.params(**config.method_params), context)
        self.method.initialise(network)
        self.model: torch.nn.Module = network.to(device, memory_format=torch.channels_last)
        self.parameters = sum(p.numel() for p in self.model.parameters())
        self.tricks = Tricks(context)
        self.tricks.before_masks(self.model)
        self.method.prepare(self.model)
        self.tricks.begin(self.model, self.method)
        self.optimizer = build_optimizer(config, self.method.param_groups(self.model, config.weight_decay))
        self.method.bind(self.optimizer)
        self.tricks.bind(self.optimizer)
        self.compiled_forward = False
        self.begin = 0 if config.begin_at is None else self._steps(config.begin_at, "begin_at")
        self.history = History()
        self.history.layers(self.begin, self.begin // self.steps_per_epoch, self.method)
        for name, layer, value in self.tricks.started():
            self.history.add(self.begin, self.begin // self.steps_per_epoch, layer, name, value)
        self.at(self.begin)
        self.seconds_in_steps = 0.0
        self.looks_at_each_loss = device.type == "cpu"  # a GPU would have to be waited for

    def at(self, step: int) -> None:
        """Have the network as it is after so many steps of the schedule; its weights are not touched."""
        self.tricks.at(step)
        usual = self.method.context.compiles and self.device.type == "cuda"  # on a CPU it gains nothing (measured)
        if (wanted := usual and self.tricks.settled) != self.compiled_forward:
            if wanted:
                compile_forward(self.model, self.method.context)
            else:
                del self.model.forward
            self.compiled_forward = wanted

    def _steps(self, moment: Mapping[str, int], field: str) -> int:
        steps = moment["step"] if "step" in moment else moment["epoch"] * self.steps_per_epoch
        whole = self.config.epochs * self.steps_per_epoch
        if steps > whole:
            raise ConfigError(f"the training has {whole} steps, not {steps}", field)
        return steps

    def _pass(self, epoch: int, stop: int | None) -> float:
        """The steps of an epoch, or its first ones; their mean loss, without penalties. Raises `Diverged`."""
        started = time.perf_counter()
        torch.manual_seed(derive(self.config.seed, "layers", epoch))  # for dropout and the like
        skipped = max(0, self.begin - epoch * self.steps_per_epoch)
        first = epoch * self.steps_per_epoch + skipped
        losses = torch.empty((stop or self.steps_per_epoch) - skipped, device=self.device)
        self.model.train()
        if first < self.config.step_history:
            self.history.begin_steps(self.method)
        batches = self.data.train_batches(self.config.batch_size, self.config.seed, epoch)
        for i, batch in enumerate(itertools.islice(batches, skipped, stop)):
            step = first + i
            if self.tricks:
                self.at(step)
            set_learning_rate(self.optimizer, learning_rate(self.config, step, self.steps_per_epoch))
            losses[i] = self._step(step, *batch)
            if step < self.config.step_history:
                self.history.step(step + 1, epoch + 1, self.method)
        broken = (~losses.isfinite()).nonzero()
        if len(broken):
            i = int(broken[0])
            raise of_loss(first + i + 1, float(losses[i]))
        mean = float(losses.mean())
        if not math.isfinite(mean):  # their sum can be too large for float32
            mean = float(losses.double().mean())
        self.seconds_in_steps += time.perf_counter() - started
        return mean

    def _step(self, step: int, images: Tensor, labels: Tensor) -> Tensor:
        """One update; the loss before it. Raises `Diverged` for any error that comes of numbers that aren't finite."""
        loss: Tensor | None = None
        try:
            self.optimizer.zero_grad(set_to_none=True)
            with autocast(self.device, self.config.precision):
                loss = self.tricks.loss(self.model(images), labels)
            if self.looks_at_each_loss and not math.isfinite(found := float(loss.detach())):
                raise of_loss(step + 1, found)
            self._update(step, loss)
        except Diverged:
            raise
        except Exception as error:
            what = not_finite(loss, self.model, self.method, self.optimizer)
            if what is None:
                raise
            raise Diverged(step + 1, what, error) from error
        return loss.detach()

    def _update(self, step: int, loss: Tensor) -> None:
        penalty = self.method.penalty()
        (loss if penalty is None else loss + penalty).backward()
        if not self.method.after_backward(step):
            self.optimizer.step()
            self.method.after_step(step)
