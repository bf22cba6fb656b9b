"""Texts in Snakemake's own report: no tag, no wildcard, no markup, and to a reader as they were."""

from __future__ import annotations

import json

import pytest
from docutils.core import publish_parts
from snakemake.io import apply_wildcards

from dst_repro.report import embedded

TEXTS = ["Plain", "<script>x</script> & \"q\"",
         "Of {alpha}, {{beta}} {", "|w| + gamma |g|, `x`_, a_ *b* \\ **", ".. note:: x",
         "- a", "1", "", "=====", "a::", "<!-- x", ".. raw:: html\n\n   <b>x</b>"]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_label_is_the_text_without_tags_and_wildcards(text: str) -> None:
    made = embedded.label(text)
    assert made.replace("\u2060", "") == text
    assert apply_wildcards(made, {}) == made
    assert "</" not in made
    assert "<!" not in made


@pytest.mark.parametrize("text", TEXTS)
def test_a_caption_is_one_paragraph_that_reads_as_the_text(text: str) -> None:
    html = publish_parts(embedded.caption(text), writer_name="html")["body"]
    assert "<script" not in html
    assert "system-message" not in html
    body = html.strip().removeprefix("<p>").removesuffix("</p>")
    for entity, letter in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&"), ("\u2060", "")):
        body = body.replace(entity, letter)
    assert body == " ".join(text.split())


def test_json_says_the_same() -> None:
    value = {"title": "</script><b>", "caption": ["<", "\\<"]}
    made = embedded.as_json(json.dumps(value))
    assert "<" not in made
    assert json.loads(made) == value
