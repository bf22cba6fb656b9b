"""The history of a run: long rows (step, epoch, layer, name, value)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from dst_repro.files import write_with
from dst_repro.methods.base import Method

SCHEMA = pa.schema(
    [
        pa.field("step", pa.int64(), nullable=False),  # optimiser steps taken so far
        pa.field("epoch", pa.int64(), nullable=False),  # epochs finished; for rows of a single step, epochs begun
        pa.field("layer", pa.string(), nullable=False),  # empty for the whole network
        pa.field("name", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
    ]
)

Row = tuple[int, int, str, str, float]


class History:
    """Rows of one run. Names that begin with `step_` are those of single steps, the others of whole epochs."""

    def __init__(self, rows: list[Row] | None = None) -> None:
        self.rows: list[Row] = rows or []
        self._previous: dict[str, Tensor] | None = None

    def add(self, step: int, epoch: int, layer: str, name: str, value: float) -> None:
        self.rows.append((step, epoch, layer, name, float(value)))

    def network(self, step: int, epoch: int, values: dict[str, float | None]) -> None:
        """Values of the whole network; a None leaves no row."""
        for name, value in values.items():
            if value is not None:
                self.add(step, epoch, "", name, value)

    def layers(self, step: int, epoch: int, method: Method) -> None:
        """Kept weights of every layer, and the method's own counts."""
        for layer, count in method.layers().items():
            self.add(step, epoch, layer, "kept", count.kept)
        for name, values in method.events().items():
            for layer, value in values.items():
                self.add(step, epoch, layer, name, value)

    def step(self, step: int, epoch: int, method: Method) -> None:
        """Kept weights of every layer after one step, how many it pruned, and how many it brought back."""
        now = {name: mask.clone() for name, mask in method.masks().items()}
        for layer, mask in now.items():
            before = mask if self._previous is None else self._previous[layer]
            self.add(step, epoch, layer, "step_kept", int(mask.sum()))
            self.add(step, epoch, layer, "step_pruned", int((before & ~mask).sum()))
            self.add(step, epoch, layer, "step_recovered", int((~before & mask).sum()))
        self._previous = now

    def begin_steps(self, method: Method) -> None:
        """Remember the masks before the first recorded step."""
        self._previous = {name: mask.clone() for name, mask in method.masks().items()}

    def write(self, path: Path) -> None:
        columns = list(zip(*self.rows, strict=True)) or [() for _ in SCHEMA]
        arrays = [_array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
        table = pa.Table.from_arrays(arrays, schema=SCHEMA)
        write_with(path, lambda stream: pq.write_table(table, stream, compression="zstd"))


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """`pa.array(values, kind)` of numbers or strings, without importing pandas: that takes as long as a short run."""
    if pa.types.is_string(kind):
        texts = [value.encode() for value in values]
        offsets = np.cumsum([0, *map(len, texts)], dtype=np.int32)
        buffers = [pa.py_buffer(offsets), pa.py_buffer(b"".join(texts))]
    else:
        buffers = [pa.py_buffer(np.array(values, dtype=kind.to_pandas_dtype()))]
    return pa.Array.from_buffers(kind, len(values), [None, *buffers])
