"""The training loop: epochs, what they are judged by, and the state between two of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from dst_repro.data.base import Data, Part
from dst_repro.errors import ConfigError
from dst_repro.methods.base import Given
from dst_repro.plan.config import RunConfig
from dst_repro.records.record import Metrics, Selection
from dst_repro.training.divergence import Diverged, of_loss, snapshot
from dst_repro.training.evaluation import Score, density, evaluate, select
from dst_repro.training.history import History
from dst_repro.training.optimisation import learning_rate
from dst_repro.training.steps import Steps


class Trainer(Steps):
    """One run between its start and its end. All randomness comes from streams of the run's seed and the epoch."""

    def __init__(
        self,
        config: RunConfig,
        data: Data,
        device: torch.device,
        start: dict[str, torch.Tensor] | None = None,
        given: Given | None = None,
    ) -> None:
        super().__init__(config, data, device, start, given)
        self.epochs: list[tuple[Metrics, bool]] = []

    @property
    def epoch(self) -> int:
        """How many epochs of its schedule the run has behind it."""
        return self.begin // self.steps_per_epoch + len(self.epochs)

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
        step = (epoch + 1) * self.steps_per_epoch
        train_loss = self._train(epoch)
        self.at(step)
        test = self._judge(self.data.test, step)
        held_out = self._judge(self.data.validation, step) if self.data.validation is not None else None
        metrics = Metrics(
            epoch=epoch + 1,
            density=density(self.method),
            test_accuracy=test.accuracy,
            validation_accuracy=held_out.accuracy if held_out else None,
            train_loss=train_loss,
            test_loss=test.loss,
            test_top5=test.top5,
        )
        values = metrics.model_dump(exclude={"epoch"}) | {
            "validation_loss": held_out.loss if held_out else None,
            "learning_rate": learning_rate(self.config, step - 1, self.steps_per_epoch),
            **self.tricks.values(self.method),
        }
        self.history.network(step, epoch + 1, values)
        self.history.layers(step, epoch + 1, self.method)
        self.epochs.append((metrics, self.method.at_target()))
        return metrics

    def _train(self, epoch: int, stop: int | None = None) -> float:
        """One pass over the training images, or its first steps; the mean loss, without penalties.

        Raises `Diverged`, everything then being as it was before the first loss that isn't finite had any effect. A
        pass that doesn't look at each loss goes on too far: it is undone, and gone through again up to there.
        """
        if self.looks_at_each_loss:
            return self._pass(epoch, stop)
        before = snapshot(self.state_dict())
        try:
            return self._pass(epoch, stop)
        except Diverged:
            self.load_state_dict(before)
            self.looks_at_each_loss = True
            return self._pass(epoch, stop)

    def evaluate(self, part: Part) -> Score:
        """Over all images of a part."""
        return evaluate(self.model, self.data, part, self.device, self.config.precision)

    def _judge(self, part: Part, step: int) -> Score:
        score = self.evaluate(part)
        if not math.isfinite(score.loss):  # the epoch's last step broke the weights
            raise of_loss(step, score.loss)
        return score

    def selection(self) -> Selection:
        """The epochs that the run may be judged by."""
        return select(self.epochs)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "method": self.method.state_dict(),
            "tricks": self.tricks.state_dict(),
            "history": self.history.rows,
            "epochs": [(metrics.model_dump(), eligible) for metrics, eligible in self.epochs],
            "seconds_in_steps": self.seconds_in_steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epochs = [(Metrics(**metrics), eligible) for metrics, eligible in state["epochs"]]
        self.at(max(self.begin, self.epoch * self.steps_per_epoch))
        self.model.load_state_dict(state["model"])
        self.tricks.load_state_dict(state["tricks"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.method.load_state_dict(state["method"])
        self.history = History(list(map(tuple, state["history"])))
        self.seconds_in_steps = state["seconds_in_steps"]
