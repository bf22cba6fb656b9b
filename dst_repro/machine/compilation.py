"""Functions that long runs compile: once for each network, kept between processes, eager where there is no compiler."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

import torch

from dst_repro.files import cache_folder

LONG = 2_000
"""Steps from which a run compiles. It takes 2 to 20 s, as much as some thousand steps of the smallest network gain."""

P = ParamSpec("P")
R = TypeVar("R")


class Compiled(Generic[P, R]):
    """A function that is compiled when it is first called, if `wanted`; `active` then says that it is.

    Where nothing can be compiled it stays as it is, and says so in one line.
    """

    def __init__(self, function: Callable[P, R], wanted: bool) -> None:
        self.function, self.active = function, False
        self._call: Callable[P, R] | None = None if wanted else function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if self._call is None:
            return self._first(*args, **kwargs)
        return self._call(*args, **kwargs)

    def _first(self, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            _prepare()
            compiled = torch.compile(self.function, dynamic=False)
            result = compiled(*args, **kwargs)
        except Exception as error:  # no C++ compiler, no Triton, a torch built without either, no place for its cache
            self._call = self.function
            reason = str(error).strip().splitlines() or [type(error).__name__]
            print(f"not compiled, slower: {reason[0]}", file=sys.stderr, flush=True)
            return self.function(*args, **kwargs)
        self._call, self.active = compiled, True
        return result


def _prepare() -> None:
    """Raises OSError if the compiler's cache can't be written: torch looks for it wherever it is imported."""
    folder = os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "compiled"))
    os.makedirs(folder, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()
    if not torch.cuda.is_available():  # a pool of processes costs more than the few functions of a CPU run
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
    config: Any = importlib.import_module("torch._dynamo.config")
    config.recompile_limit = max(config.recompile_limit, 64)  # one process may train many networks
