"""What is written of a sparse network is that network, in every form; and nothing is said that was not measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor, nn

import dst_repro
from dst_repro import cli
from dst_repro.errors import ConfigError
from dst_repro.export import forms, speed, write
from dst_repro.plan.grid import load_suite
from dst_repro.records import record
from dst_repro.records.cost import work

ROOT = Path(__file__).parents[3]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 30), nn.ReLU(), nn.Linear(30, 5)
    )


def masks_of(network: nn.Module, density: float = 0.1) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(1)
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            found[name] = torch.rand(module.weight.shape, generator=rng) < density
            module.weight.data[~found[name]] = 0
    return found


def test_every_form_computes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "ONNX", ("no_such_module",))
    net, x = network(), torch.rand(6, 1, 8, 8)
    masks, logits = masks_of(net), net(x)
    lines = write(net, masks, x, tmp_path)
    plain = network()
    plain.load_state_dict(load_file(tmp_path / "dense.safetensors"))
    assert torch.equal(plain(x), logits)
    assert {n: m.tolist() for n, m in load_file(tmp_path / "masks.safetensors").items()} == {
        n: m.tolist() for n, m in masks.items()
    }
    state = torch.load(tmp_path / "csr.pt", weights_only=True)
    assert [name for name, t in state.items() if t.layout == torch.sparse_csr] == ["3.weight", "5.weight"]
    assert state["3.weight"].values().numel() == int(masks["3"].sum())
    plain.load_state_dict({name: tensor.to_dense() for name, tensor in state.items()})
    assert torch.equal(plain(x), logits)
    with torch.no_grad():
        torch.testing.assert_close(speed.in_csr(net, masks)(x), logits)
    assert any("network.onnx: not written, as no_such_module can't be imported: pip install" in line for line in lines)
    about = json.loads((tmp_path / "export.json").read_text(encoding="utf-8"))
    assert about["bytes"] == {p.name: p.stat().st_size for p in tmp_path.iterdir() if p.name != "export.json"}
    assert about["bytes"]["csr.pt"] < about["bytes"]["dense.safetensors"]
    assert list(about["seconds"]) == ["1", "6"]
    for times in about["seconds"].values():
        assert times.keys() == {"dense", "masked", "csr"}
        assert all(0 < t["low"] <= t["median"] <= t["high"] for t in times.values())
    assert about["kept"] == sum(int(m.sum()) for m in masks.values())


def test_flops_are_those_of_kept_weights() -> None:
    net = network()
    masks = masks_of(net)
    found = speed.flops(net.eval(), masks, torch.rand(6, 1, 8, 8))
    kept = {name: int(mask.sum()) for name, mask in masks.items()}
    assert found.dense == 2 * (4 * 9 * 64 + 256 * 30 + 30 * 5)
    assert found.kept == pytest.approx(2 * (kept["0"] * 64 + kept["3"] + kept["5"]), abs=1)


def test_what_is_timed_as_dense_has_no_zeros() -> None:
    net = network()
    masks = masks_of(net)
    dense = speed.densified(net, masks)
    for name in masks:
        assert bool(dense.get_submodule(name).get_parameter("weight").all())
    assert not bool(net[3].weight.all())


def test_pruned_weights_are_zero_whatever_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "ONNX", ("no_such_module",))
    net = network()
    masks = masks_of(network())
    write(net, masks, torch.rand(2, 1, 8, 8), tmp_path)
    state = load_file(tmp_path / "dense.safetensors")
    assert not any(bool(state[f"{name}.weight"][~mask].any()) for name, mask in masks.items())


@pytest.mark.slow
def test_onnx_computes_the_same(tmp_path: Path) -> None:
    for module in ("onnx", "onnxscript"):
        pytest.importorskip(module)
    runtime: Any = pytest.importorskip("onnxruntime")
    net, x = network().eval(), torch.rand(6, 1, 8, 8)
    masks_of(net)
    forms.save_onnx(net, x, tmp_path / "network.onnx")
    session = runtime.InferenceSession(str(tmp_path / "network.onnx"))
    for batch in (x, x[:1]):
        (found,) = session.run(None, {session.get_inputs()[0].name: batch.numpy()})
        torch.testing.assert_close(torch.from_numpy(found), net(batch).detach())


def test_an_own_loop_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "ONNX", ("no_such_module",))
    model = network()
    sparse = dst_repro.sparsify(model, torch.optim.SGD(model.parameters(), 0.1), "dst", steps=9, alpha=1e-3)
    with pytest.raises(ConfigError, match=r"export: sample: give some inputs"):
        sparse.export(tmp_path)
    x = torch.rand(6, 1, 8, 8)
    assert "Masks alone speed nothing up" in sparse.export(tmp_path, x)[-1]
    plain = network()
    plain.load_state_dict(load_file(tmp_path / "dense.safetensors"))
    assert torch.equal(plain(x), model(x))
    assert isinstance(sparse.model, nn.Sequential)
    model(x).sum().backward()
    assert sparse.step()  # and trains on


def test_a_run_is_exported_if_its_network_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the refusal advises is what helps."""
    monkeypatch.setattr(forms, "ONNX", ("no_such_module",))
    monkeypatch.chdir(ROOT)
    config = yaml.safe_load(Path("config/config.yaml").read_text(encoding="utf-8"))
    suite = json.dumps(config | {"results_dir": str(tmp_path)})
    runs = [run for run in load_suite(Path("config/config.yaml")).runs.values() if run.method == "static"]
    run = min(runs, key=work)
    assert cli.main(["train", run.id, "--suite", suite, "--results", str(tmp_path)]) == 0
    capsys.readouterr()
    assert cli.main(["export", run.id, "--suite", suite]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    advice = said.partition("`python -m dst_repro ")[2].partition("`")[0].split()
    assert cli.main([suite if word == "SUITE" else word for word in advice]) == 0
    assert cli.main(["export", run.id, "--suite", suite, "--out", str(tmp_path / "out")]) == 0
    assert "csr.pt" in capsys.readouterr().out
    masks, found = load_file(tmp_path / "out" / "masks.safetensors"), record.read(tmp_path, run.id)
    assert found is not None
    assert {layer.name: layer.kept for layer in found.layers} == {n: int(mask.sum()) for n, mask in masks.items()}


def test_inputs_that_do_not_fit_leave_no_file(tmp_path: Path) -> None:
    net = network()
    with pytest.raises(RuntimeError):
        write(net, masks_of(net), torch.rand(2, 3, 8, 8), tmp_path)
    assert list(tmp_path.iterdir()) == []
