"""The forms that a sparse network is written in. Each goes to a file of its own, whole or not at all."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from dst_repro.files import write_with

ONNX = ("onnx", "onnxscript")
HOW = "pip install 'dst_repro[onnx]'"


class CSRLinear(nn.Module):
    """A linear layer whose weight (outputs, inputs) holds its kept values alone."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias

    def forward(self, x: Tensor) -> Tensor:
        flat = functional.linear(x.reshape(-1, x.shape[-1]), self.weight, self.bias)
        return flat.view(*x.shape[:-1], -1)


def weight_of(network: nn.Module, name: str) -> nn.Parameter:
    """The weight that a mask is of, by its layer's name or its own."""
    own = dict(network.named_parameters())
    return own[name] if name in own else network.get_submodule(name).get_parameter("weight")


def linear_layers(network: nn.Module, masks: Mapping[str, Tensor]) -> dict[str, nn.Linear]:
    """The masked layers that a CSR matrix can stand for. A subclass may be used otherwise than by calling it."""
    return {name: m for name, m in network.named_modules() if name in masks and type(m) is nn.Linear}


def csr(weight: Tensor) -> Tensor:
    """Compressed rows with indices of 32 bits: 8 bytes a kept value of float32, and 4 a row."""
    with _quiet():
        made = weight.detach().to_sparse_csr()
        indices = made.crow_indices().int(), made.col_indices().int()
        return torch.sparse_csr_tensor(*indices, made.values(), made.shape, check_invariants=True)


def save_dense(network: nn.Module, path: Path) -> None:
    """The state by its plain names, zeros written out (safetensors)."""
    _save_tensors({name: tensor.detach().clone() for name, tensor in network.state_dict().items()}, path)


def save_masks(masks: Mapping[str, Tensor], path: Path) -> None:
    """Layer -> boolean mask (safetensors)."""
    _save_tensors(dict(masks), path)


def save_csr(network: nn.Module, masks: Mapping[str, Tensor], path: Path) -> None:
    """The state with the weights of linear layers in CSR; `torch.load` reads it. Convolutions are dense in it."""
    state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    state |= {f"{name}.weight".lstrip("."): csr(m.weight) for name, m in linear_layers(network, masks).items()}
    stream = io.BytesIO()
    torch.save(state, stream)
    write_with(path, lambda file: file.write(stream.getvalue()))


def save_onnx(network: nn.Module, sample: Tensor, path: Path) -> None:
    """For any number of inputs at a time; zeros written out, as ONNX has no sparse layers."""
    with _quiet(), contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as folder:
        made = torch.onnx.export(network, (sample,), dynamo=True, dynamic_shapes=({0: "batch"},), verbose=False)
        if made is None:
            raise RuntimeError("torch.onnx returned no network")
        made.save(Path(folder) / path.name)
        content = (Path(folder) / path.name).read_bytes()
    write_with(path, lambda file: file.write(content))


def onnx_missing() -> str | None:
    """What to do where ONNX can't be written."""
    missing = [name for name in ONNX if importlib.util.find_spec(name) is None]
    return f"not written, as {' and '.join(missing)} can't be imported: {HOW}" if missing else None


def _save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    from safetensors.torch import save

    data = save({name or "weight": tensor.cpu().contiguous() for name, tensor in tensors.items()})
    write_with(path, lambda file: file.write(data))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's notes on what is in beta there, and on what its exporter will call otherwise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
