"""The training loop: one epoch, one evaluation, and the state between two epochs."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch.nn import functional

from dst_repro.data.base import Data, Part
from dst_repro.errors import ConfigError
from dst_repro.machine.precision import autocast
from dst_repro.methods.base import Context, Given, Method
from dst_repro.plan.config import RunConfig
from dst_repro.records.record import Metrics, Selection
from dst_repro.registry import methods, models
from dst_repro.seeding import derive
from dst_repro.training.history import History
from dst_repro.training.optimisation import build_optimizer, learning_rate, set_learning_rate

EVALUATION_BATCH = 1000
EVALUATION_VALUES = 16_000_000  # in the images of a batch at most: fewer of large ones


class Diverged(Exception):  # noqa: N818 - an outcome of a run, not an error
    """The loss became infinite or not a number. `step` counts from 1."""

    def __init__(self, step: int, loss: float) -> None:
        self.step = step
        super().__init__(f"the loss became {loss} at step {step}")


class MissedTarget(Exception):  # noqa: N818 - an outcome of a run, not an error
    """The network has not the density that was asked for."""


class Trainer:
    """One run between its start and its end. All randomness comes from streams of the run's seed and the epoch.

    `start` is the state of the network to begin with, by default the model's own initialisation; `given` is what
    `mask_from` names.
    """

    def __init__(
        self,
        config: RunConfig,
        data: Data,
        device: torch.device,
        start: dict[str, torch.Tensor] | None = None,
        given: Given | None = None,
    ) -> None:
        self.config, self.data, self.device = config, data.to(device), device
        self.steps_per_epoch = math.ceil(len(data.train) / config.batch_size)
        redrawn = ("redrawn",) if config.initialisation == "redrawn" else ()
        torch.manual_seed(derive(config.seed, "initialisation", *redrawn))
        network: Any = self.plain_network()
        if start is not None:
            network.load_state_dict(start)
        self.model: torch.nn.Module = network.to(device, memory_format=torch.channels_last)
        self.parameters = sum(p.numel() for p in self.model.parameters())
        entry = methods[config.method]
        context = Context(config, self.steps_per_epoch, self.data, given)
        self.method: Method = entry.object(entry.params(**config.method_params), context)
        self.method.prepare(self.model)
        if context.compiles and device.type == "cuda":  # on a CPU it gains nothing (measured)
            self._compile(context)
        self.optimizer = build_optimizer(config, self.method.param_groups(self.model, config.weight_decay))
        self.method.bind(self.optimizer)
        self.begin = 0 if config.begin_at is None else self._steps(config.begin_at, "begin_at")
        self.history = History()
        self.history.layers(self.begin, self.begin // self.steps_per_epoch, self.method)
        self.epochs: list[tuple[Metrics, bool]] = []
        self.seconds_in_steps = 0.0

    def plain_network(self) -> torch.nn.Module:
        """The network of the run, newly initialised, on the CPU, as no method has touched it."""
        entry = models[self.config.model]
        made: torch.nn.Module = entry.object(
            self.data.shape, self.data.classes, entry.params(**self.config.model_params)
        )
        return made

    @property
    def epoch(self) -> int:
        """How many epochs of its schedule the run has behind it."""
        return self.begin // self.steps_per_epoch + len(self.epochs)

    def _steps(self, moment: Mapping[str, int], field: str) -> int:
        steps = moment["step"] if "step" in moment else moment["epoch"] * self.steps_per_epoch
        whole = self.config.epochs * self.steps_per_epoch
        if steps > whole:
            raise ConfigError(f"the training has {whole} steps, not {steps}", field)
        return steps

    def advance(self, moment: Mapping[str, int]) -> None:
        """Train from the start up to a moment, as the run itself does. Raises `Diverged`, `ConfigError`."""
        steps = self._steps(moment, "weights_at")
        if steps < self.begin:
            raise ConfigError(f"that training begins at step {self.begin}", "weights_at")
        while self.epoch < steps // self.steps_per_epoch:
            self.run_epoch()
        if steps % self.steps_per_epoch:
            self._train(self.epoch, steps % self.steps_per_epoch)

    def run_epoch(self) -> Metrics:
        """Train one epoch, evaluate, and add both to the history. Raises `Diverged`."""
        epoch = self.epoch
        train_loss = self._train(epoch)
        test_accuracy, test_loss = self.evaluate(self.data.test)
        held_out = self.evaluate(self.data.validation) if self.data.validation is not None else (None, None)
        step = (epoch + 1) * self.steps_per_epoch
        for loss in (test_loss, held_out[1]):
            if loss is not None and not math.isfinite(loss):  # the epoch's last step broke the weights
                raise Diverged(step, loss)
        layers = self.method.layers().values()
        metrics = Metrics(
            epoch=epoch + 1,
            density=sum(layer.kept for layer in layers) / sum(layer.numel for layer in layers),
            test_accuracy=test_accuracy,
            validation_accuracy=held_out[0],
            train_loss=train_loss,
            test_loss=test_loss,
        )
        values = metrics.model_dump(exclude={"epoch"}) | {
            "validation_loss": held_out[1],
            "learning_rate": learning_rate(self.config, step - 1, self.steps_per_epoch),
        }
        self.history.network(step, epoch + 1, values)
        self.history.layers(step, epoch + 1, self.method)
        self.epochs.append((metrics, self.method.at_target()))
        return metrics

    def _train(self, epoch: int, stop: int | None = None) -> float:
        """One pass over the training images, or its first steps; the mean cross-entropy, without penalties."""
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
            set_learning_rate(self.optimizer, learning_rate(self.config, step, self.steps_per_epoch))
            losses[i] = self._step(step, *batch)
            if step < self.config.step_history:
                self.history.step(step + 1, epoch + 1, self.method)
        broken = (~losses.isfinite()).nonzero()
        if len(broken):
            i = int(broken[0])
            raise Diverged(first + i + 1, float(losses[i]))
        mean = float(losses.mean())
        self.seconds_in_steps += time.perf_counter() - started
        return mean

    def _step(self, step: int, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self.device, self.config.precision):
            loss = functional.cross_entropy(self.model(images), labels)
        penalty = self.method.penalty()
        (loss if penalty is None else loss + penalty).backward()
        if not self.method.after_backward(step):
            self.optimizer.step()
            self.method.after_step(step)
        return loss.detach()

    def _compile(self, context: Context) -> None:
        """Training batches go through a compiled forward pass; evaluation and a last, smaller batch do not."""
        eager = self.model.forward
        compiled = context.compile(eager)

        def forward(images: torch.Tensor) -> torch.Tensor:
            usual = self.model.training and len(images) == self.config.batch_size
            logits: torch.Tensor = (compiled if usual else eager)(images)
            return logits

        self.model.forward = forward

    @torch.no_grad()
    def evaluate(self, part: Part) -> tuple[float, float]:
        """(accuracy, mean cross-entropy) over all images of a part."""
        self.model.eval()
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        loss = torch.zeros((), dtype=torch.float64, device=self.device)
        size = max(1, min(EVALUATION_BATCH, EVALUATION_VALUES // math.prod(self.data.shape)))
        for images, labels in self.data.batches(part, size):
            with autocast(self.device, self.config.precision):
                logits = self.model(images)
            correct += (logits.argmax(1) == labels).sum()
            loss += functional.cross_entropy(logits.float(), labels, reduction="sum")
        return int(correct) / len(part), float(loss) / len(part)

    def check_target(self) -> None:
        """Raises `MissedTarget` if the network has another density than asked for."""
        layers, wanted = self.method.layers().values(), self.method.wanted()
        kept, numel = sum(layer.kept for layer in layers), sum(layer.numel for layer in layers)
        if wanted is not None and kept not in wanted:
            asked = f"{wanted[0]}" if len(wanted) == 1 else f"{wanted[0]} to {wanted[-1]}"
            raise MissedTarget(f"it ends with {kept} of {numel} weights; asked for were {asked}")

    def selection(self) -> Selection:
        """Last epoch, best on validation, best on test: the earliest best of the epochs that are as sparse as asked."""
        at_target = [metrics for metrics, eligible in self.epochs if eligible]
        held_out = [m for m in at_target if m.validation_accuracy is not None]
        return Selection(
            last=self.epochs[-1][0],
            best_on_validation=max(held_out, key=lambda m: m.validation_accuracy or 0.0, default=None),
            best_on_test=max(at_target, key=lambda m: m.test_accuracy, default=None),
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "method": self.method.state_dict(),
            "history": self.history.rows,
            "epochs": [(metrics.model_dump(), eligible) for metrics, eligible in self.epochs],
            "seconds_in_steps": self.seconds_in_steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.method.load_state_dict(state["method"])
        self.history = History(list(map(tuple, state["history"])))
        self.epochs = [(Metrics(**metrics), eligible) for metrics, eligible in state["epochs"]]
        self.seconds_in_steps = state["seconds_in_steps"]
