"""Which networks of the suite answer for a published one."""

from __future__ import annotations

MODELS: dict[str, tuple[str, ...]] = {
    "wide-resnet-18": ("wide-resnet-18", "resnet-18"),  # synflow's is in fact a ResNet-18
    # Its width is not stated. The net of the released code has 0.47 million parameters, but the dense accuracies that
    # the paper prints fit GraSP's of 1.86 million: an inference, so both answer, and a verdict names its net.
    "tost/resnet-32": ("resnet-32-double", "resnet-32"),
    "tost/resnet-50": ("resnet-50-cifar",),
}
"""Slug of the published tables, of all papers or of one, `paper/slug` -> slugs of the suite, the first before the
others."""


def models(paper: str, model: str) -> tuple[str, ...]:
    """Of a network without an entry its own slug."""
    return MODELS.get(f"{paper}/{model}", MODELS.get(model, (model,)))
