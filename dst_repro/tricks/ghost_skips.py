"""Skip connections around convolutions, for a while."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context, Method
from dst_repro.registry import Params, tricks
from dst_repro.seeding import generator
from dst_repro.tricks.around import Place, places
from dst_repro.tricks.base import Fidelity, Trick
from dst_repro.tricks.first import first_step


class GhostSkipsParams(Params):
    form: Literal["projection", "identity"] = "projection"
    """A 1x1 convolution of the block's stride with batch normalisation; or the input itself, averaged where the image
    shrinks, with channels left out or filled with zeros: that has no parameters."""
    weight: Annotated[float, Field(gt=0, le=1)] = 1.0
    """By which a skip counts at the start."""
    anneal: Literal["linear", "cosine"] = "linear"
    """How it falls to zero."""
    until: Annotated[float, Field(gt=0, le=1)] | None = 0.5
    """Share of the training after which there are no skips; null, and `fidelity: released`: they stay."""
    fidelity: Fidelity | None = None
    """By default that of the run."""


class Projection(nn.Module):
    """A 1x1 convolution, of as many groups as that which it goes around, and batch normalisation."""

    def __init__(self, conv: nn.Conv2d, rng: torch.Generator, released: bool) -> None:
        super().__init__()
        stride: Any = conv.stride
        self.conv = nn.utils.skip_init(nn.Conv2d, conv.in_channels, conv.out_channels, 1, stride, groups=conv.groups,
                                       bias=False)  # fmt: skip
        with torch.no_grad():
            if released:
                self.conv.weight.fill_(1e-4)
            else:
                self.conv.weight.normal_(std=math.sqrt(2 / self.conv.weight[0].numel()), generator=rng)
        self.bn = nn.BatchNorm2d(conv.out_channels)
        whole: Any = self
        whole.to(conv.weight.device, memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.bn(self.conv(x))
        return found


class Identity(nn.Module):
    """The input, in the shape of what the convolution puts out (He et al. 2016, option A)."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.stride, self.channels = conv.stride, conv.out_channels

    def forward(self, x: Tensor) -> Tensor:
        stride: Any = self.stride
        if max(stride) > 1:
            x = functional.avg_pool2d(x, stride, stride, ceil_mode=True)
        missing = self.channels - x.shape[1]
        return functional.pad(x, (0, 0, 0, 0, 0, missing)) if missing > 0 else x[:, : self.channels]


@dataclass
class Ghost:
    """One skip: what it computes, and where it hangs."""

    place: Place
    branch: nn.Module
    value: Tensor | None = None


@tricks.register("ghost-skips", GhostSkipsParams)
class GhostSkips(Trick):
    """ghost skips: skip connections around convolutions, fading away (Jaiswal et al. 2022)

    y = BN(conv(x)) + w * s(x) for each convolution that keeps the image or shrinks it by its stride, but for the first
    one, for shortcuts, and for gates, which see a single pixel and have no normalisation; w falls to zero and the skip
    is gone: what is left is the plain network. It hangs on the network from outside, is no part of its state, and no
    method masks it. ToST's abstract has ghosts "at the early stage of training"; their weight, its schedule and its end
    are ours, as none is known. The released code has skips in basic blocks alone, never removes them, and starts them
    from weights of 1e-4, all alike: so are then all channels that batch normalisation makes of them. It trains them
    with the weight decay of the run, as is done here.
    """

    order = 2
    params: GhostSkipsParams

    def __init__(self, params: GhostSkipsParams, context: Context) -> None:
        super().__init__(params, context)
        self._ends = params.until is not None and not self.released
        self.weight = params.weight
        self._places: list[Place] = []
        self._model = nn.Module()
        self.ghosts: dict[str, Ghost] = {}
        self._handles: list[RemovableHandle] = []

    def before_masks(self, model: nn.Module) -> None:
        data = self.context.data
        if data is None:
            raise RuntimeError("skips need to know the shape of the data")
        self._places = places(model, data.shape)
        if self.released:
            blocks = {name for name, module in model.named_modules() if type(module).__name__ == "BasicBlock"}
            self._places = [place for place in self._places if place.conv.rpartition(".")[0] in blocks]
        if not self._places:
            where = "in a basic block, where the authors' code has them" if self.released else "to skip"
            raise ConfigError(f"the network has no convolution {where}", "tricks.ghost-skips")

    def begin(self, model: nn.Module, method: Method, others: Sequence[Trick]) -> None:
        self._model = model
        for place in self._places:
            conv: Any = model.get_submodule(place.conv)
            if self.params.form == "identity":
                branch: nn.Module = Identity(conv)
            else:
                rng = generator(self.context.config.seed, "tricks", "ghost-skips", place.conv)
                branch = Projection(conv, rng, self.released)
            self.ghosts[place.conv] = Ghost(place, branch)
        self.at(first_step(self.context))

    def at(self, step: int) -> None:
        until = self.params.until
        passed = self.share(until, step) if self._ends and until is not None else 0.0
        fall = 1 - passed if self.params.anneal == "linear" else (1 + math.cos(math.pi * passed)) / 2
        self.weight = self.params.weight * fall if passed < 1 else 0.0
        if self.weight > 0 and not self._handles:
            for ghost in self.ghosts.values():
                self._hang(ghost)
        if self.weight == 0 and self._handles:
            for handle in self._handles:
                handle.remove()
            self._handles = []

    def _hang(self, ghost: Ghost) -> None:
        def compute(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            ghost.branch.train(module.training)
            ghost.value = ghost.branch(inputs[0])

        def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            value, ghost.value = ghost.value, None
            if value is None:
                raise RuntimeError(f"'{ghost.place.norm}' came before '{ghost.place.conv}'")
            return torch.add(output, value, alpha=self.weight)

        conv, norm = (self._model.get_submodule(name) for name in (ghost.place.conv, ghost.place.norm))
        self._handles += [conv.register_forward_pre_hook(compute), norm.register_forward_hook(add)]

    @property
    def settled(self) -> bool:
        return not self._handles or not self._ends

    def parameters(self) -> list[nn.Parameter]:
        return [p for ghost in self.ghosts.values() for p in ghost.branch.parameters()] if self._handles else []

    def values(self) -> dict[str, float]:
        return {"skip_weight": self.weight}

    def state_dict(self) -> dict[str, Any]:
        ghosts = self.ghosts.items() if self._handles else ()
        return {name: ghost.branch.state_dict() for name, ghost in ghosts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, tensors in state.items():
            self.ghosts[name].branch.load_state_dict(tensors)
