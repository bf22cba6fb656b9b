"""torch's optimisers without torch's compiler.

Their methods are wrapped for the sake of torch.compile, and the wrappers import `torch._dynamo` when they are first
called: as long as importing torch itself, in every run that compiles nothing.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, TypeVar

import torch

Optimizer = TypeVar("Optimizer", bound=torch.optim.Optimizer)

WRAPPED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


@functools.cache
def eager(kind: type[Optimizer]) -> type[Optimizer]:
    """The same optimiser, its functions as they are written. `step` is without gradients, as its wrapper sees to."""
    bare: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in WRAPPED}
    bare["step"] = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), bare)
