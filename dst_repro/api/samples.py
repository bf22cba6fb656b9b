"""The samples that a method or trick reads before the first step, out of what its user's loop trains on.

`Samples` and `OwnData` stand where the suite has `data.base.Part` and `Data`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler

from dst_repro.errors import ConfigError, shown
from dst_repro.seeding import derive, generator

Batches = Iterable[Any]
Source = Batches | Callable[[], Batches]


class Samples:
    """All samples by their number, on `device`. Random transforms draw from streams of `seed`.

    A DataLoader that goes over the whole of a data set with numbered items is asked for single ones; anything else is
    read once, whole, into memory, when it is first needed.
    """

    def __init__(self, source: Source, device: torch.device, seed: int) -> None:
        if isinstance(source, Iterator):
            raise ConfigError("is an iterator, which reading would use up: give the loader, or a function", "data")
        if not (isinstance(source, Iterable) or callable(source)):
            raise ConfigError(f"must be a loader, an iterable or a function, not {shown(source)}", "data")
        self._source, self._device, self._seed = source, device, seed

    def __len__(self) -> int:
        loader = self._numbered
        return len(self._pool[1]) if loader is None else len(loader.dataset)  # type: ignore[arg-type]

    def batches(self, size: int, order: Tensor | None = None, augmentation: object = None) -> Iterator[Any]:
        """(inputs, labels) of `size` samples, all once, in `order` if given."""
        order = torch.arange(len(self)) if order is None else order
        for number, index in enumerate(order.split(size)):
            inputs, labels = self._take(index, number)
            yield inputs.to(self._device), labels.to(self._device)

    @functools.cached_property
    def shape(self) -> tuple[int, ...]:
        """Of one input. Raises `ConfigError` for inputs that are no numbers to compute with, such as tokens."""
        inputs, _ = self._take(torch.zeros(1, dtype=torch.int64), 0)
        if not inputs.is_floating_point():
            raise ConfigError(f"inputs are {inputs.dtype}, where floating-point numbers are needed", "data")
        return tuple(inputs.shape[1:])

    def _take(self, index: Tensor, number: int) -> tuple[Tensor, Tensor]:
        loader = self._numbered
        if loader is None:
            return self._pool[0][index], self._pool[1][index]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(self._seed, "samples", number, int(index[0])))
            return _checked(loader.collate_fn([loader.dataset[i] for i in index.tolist()]))

    @property
    def _numbered(self) -> DataLoader[Any] | None:
        """The loader, if its samples can be had by number, and its sampler leaves none of them out."""
        loader = self._source
        if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
            return None
        whole = isinstance(loader.sampler, RandomSampler | SequentialSampler)
        return loader if whole and loader.batch_size is not None else None

    @functools.cached_property
    def _pool(self) -> tuple[Tensor, Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(self._seed, "samples"))
            read = [_checked(batch) for batch in (self._source() if callable(self._source) else self._source)]
        if not read:
            raise ConfigError("gives no samples", "data")
        inputs, labels = zip(*read, strict=True)
        return torch.cat(inputs), torch.cat(labels)


def _checked(batch: Any) -> tuple[Tensor, Tensor]:
    if isinstance(batch, list | tuple) and len(batch) == 2 and all(isinstance(part, Tensor) for part in batch):
        return batch[0], batch[1]
    raise ConfigError(f"must give pairs of tensors, inputs and labels, not {type(batch).__name__}", "data")


class OwnData:
    """What methods and tricks ask of the data of a run, answered by an own loop's samples and network."""

    def __init__(self, source: Source, model: nn.Module, seed: int) -> None:
        self._model = model
        self.train = Samples(source, next(model.parameters()).device, seed)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.train.shape

    @functools.cached_property
    def classes(self) -> int:
        """As many as the network has outputs."""
        inputs, _ = next(self.train.batches(2))
        modes = {module: module.training for module in self._model.modules()}
        try:
            with torch.no_grad():
                logits = self._model.eval()(inputs)
        finally:
            for module, mode in modes.items():
                module.training = mode
        if not isinstance(logits, Tensor) or logits.dim() != 2:
            raise ConfigError("the network must put out logits (b, classes) for this method or trick", "model")
        return int(logits.shape[1])

    def batch(self, inputs: Tensor) -> Tensor:
        """Own samples come as the network takes them."""
        return inputs

    def train_batches(self, size: int, seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass, in an order of its own."""
        yield from self.train.batches(size, torch.randperm(len(self.train), generator=generator(seed, "order", epoch)))


class NoData:
    """Where none was given: whatever asks for it is refused in one line."""

    def __init__(self, method: str) -> None:
        self._method = method

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ConfigError(
            f"this method or trick ({self._method}) looks at training samples, and none are given", "data"
        )
