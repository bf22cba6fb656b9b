"""Dynamic Sparse Training as research code is usually released: readable, and without a thought for speed.

Written from the equations of Liu et al. (2020), to be compared with, never to be trained with. Images are converted
one by one in a DataLoader; every layer computes its mask in its own forward pass, and autograd does the rest.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from dst_repro.machine.vision import torchvision_datasets

LEAST = 0.01  # a layer that keeps no more than this share gets its thresholds set to zero


class ImagesThroughPIL(Dataset[tuple[Tensor, int]]):
    """uint8 images (n, height, width) and their labels, by way of PIL and torchvision's ToTensor, as torchvision does.

    No normalisation: the LeNets are trained on pixels in [0, 1].
    """

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        torchvision_datasets()  # makes torchvision importable
        self.images, self.labels = images, labels
        transforms = importlib.import_module("torchvision.transforms")
        self.transform = transforms.Compose([transforms.ToTensor()])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.images[index].numpy())
        return self.transform(image), int(self.labels[index])


class UnitStep(torch.autograd.Function):
    """S(x), 1 from zero on (eq. 2); its derivative is taken to be the long-tailed H(x) (eq. 3)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        size = torch.abs(x)
        near, far = 2 - 4 * size, torch.full_like(size, 0.4)
        estimate = torch.where(size <= 0.4, near, torch.where(size <= 1, far, torch.zeros_like(size)))
        return gradient * estimate


class Masked(nn.Module):
    """A matrix W that is used as W * S(|W| - t), with one trainable threshold t a row."""

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight
        self.threshold = nn.Parameter(torch.zeros(len(weight)))

    def mask(self) -> Tensor:
        mask: Tensor = UnitStep.apply(self.weight.abs() - self.threshold.view(-1, 1))  # type: ignore[no-untyped-call]
        return mask


class MaskedLinear(Masked):
    """A linear layer whose weight is masked."""

    def __init__(self, inputs: int, outputs: int) -> None:
        dense = nn.Linear(inputs, outputs)
        super().__init__(dense.get_parameter("weight"))
        self.bias = dense.bias

    def forward(self, x: Tensor) -> Tensor:
        mask = self.mask()
        if mask.sum().item() / mask.numel() <= LEAST:
            self.threshold.data.zero_()
            mask = self.mask()
        return functional.linear(x, self.weight * mask, self.bias)


class LeNet(nn.Module):
    """784-300-100-10 with ReLU, of masked layers, or of dense ones."""

    def __init__(self, layer: Callable[[int, int], nn.Module] = MaskedLinear) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = layer(784, 300), layer(300, 100), layer(100, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.fc1(x.flatten(1)))
        x = torch.relu(self.fc2(x))
        output: Tensor = self.fc3(x)
        return output


class Training:
    """Training with the sparse regularisation; by SGD with the settings of the LeNets unless `optimizer` is given."""

    def __init__(self, model: nn.Module, alpha: float, optimizer: torch.optim.Optimizer | None = None) -> None:
        self.model, self.alpha = model, alpha
        self.optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def epoch(self, loader: Iterable[tuple[Tensor, Tensor]]) -> float:
        """One pass over the loader; the mean over its steps of the loss with the regularisation."""
        self.model.train()
        losses = []
        for images, labels in loader:
            self.optimizer.zero_grad()
            loss = functional.cross_entropy(self.model(images), labels)
            for module in self.model.modules():
                if isinstance(module, Masked):
                    loss = loss + self.alpha * torch.exp(-module.threshold).sum()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return sum(losses) / len(losses)


def loader(images: Tensor, labels: Tensor, batch: int, order: list[int] | None = None) -> DataLoader[Any]:
    """Batches of images (n, height, width) in random order, or in the order given."""
    dataset = ImagesThroughPIL(images, labels)
    return DataLoader(dataset, batch_size=batch, shuffle=order is None, sampler=order, num_workers=0)
