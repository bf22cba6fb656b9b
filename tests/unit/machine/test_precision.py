"""Every device gets the precision that it can compute in, or a refusal that says what to do."""

from __future__ import annotations

import pytest
import torch

from dst_repro.errors import UserError
from dst_repro.machine.precision import autocast, refusal, set_precision

AMX = "processor\t: 0\nmodel name\t: Some Xeon\nflags\t\t: fpu sse2 avx512f amx_bf16 amx_tile\nbugs\t\t: none\n"
AVX512 = "processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\n"
AVX2 = "processor\t: 0\nmodel name\t: no amx_bf16 here\nflags\t\t: fpu sse2 avx2 f16c\nbugs\t\t: avx512_bf16\n"
CPU = torch.device("cpu")


@pytest.mark.parametrize("capability", [None, (7, 5), (9, 0)])
@pytest.mark.parametrize("cpuinfo", [AMX, AVX2, ""])
def test_float32_is_never_refused(capability: tuple[int, int] | None, cpuinfo: str) -> None:
    assert refusal("float32", capability, cpuinfo) is None


@pytest.mark.parametrize(("cpuinfo", "able"), [(AMX, True), (AVX512, True), (AVX2, False), ("", False)])
def test_bf16_on_a_cpu_needs_instructions_for_it(cpuinfo: str, able: bool) -> None:
    reason = refusal("bf16", None, cpuinfo)
    assert (reason is None) == able
    if reason:
        assert "AMX-BF16" in reason
        assert "use precision: float32" in reason


def test_tf32_is_of_gpus() -> None:
    reason = refusal("tf32", None, AMX)
    assert reason == "tf32 is a number format of GPUs; use precision: float32 on a CPU"


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_gpus_from_ampere_on(precision: str) -> None:
    assert refusal(precision, (8, 0), "") is None
    assert refusal(precision, (12, 0), "") is None
    reason = refusal(precision, (7, 5), AMX)
    assert reason == (
        f"this GPU has compute capability 7.5, and {precision} needs 8.0 or newer; use precision: float32"
    )


def test_switches_follow_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions in float32 are float32: torch would compute them in tf32 on a GPU."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)  # put back after the test
    set_precision(CPU, "float32")
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"


def test_a_refusal_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"^precision: tf32 is a number format of GPUs") as caught:
        set_precision(CPU, "tf32")
    assert "\n" not in str(caught.value)


def test_bf16_is_autocast_and_nothing_else_is() -> None:
    x = torch.ones(2, 2)
    with autocast(CPU, "bf16"):
        assert (x @ x).dtype == torch.bfloat16
    for precision in ("float32", "tf32"):
        with autocast(CPU, precision):
            assert (x @ x).dtype == torch.float32
