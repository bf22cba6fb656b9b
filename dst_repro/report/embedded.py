"""Texts of a configuration as Snakemake's own report may hold them.

Its page has them in scripts, which `</script>` would end; it fills in what stands in braces, and reads captions as
reStructuredText.
"""

from __future__ import annotations

import re

JOINER = "\u2060"
"""Takes no room and is no part of a tag's or a wildcard's name."""


def label(text: str) -> str:
    """Looks like the text, and holds neither a tag nor a wildcard."""
    return re.sub("[<{]", rf"\g<0>{JOINER}", text)


def caption(text: str) -> str:
    """The text as one paragraph of reStructuredText without markup, and without tags."""
    line = re.sub(r"\s*\n\s*(?=\S)", " ", text)
    plain = re.sub(r"[\\`*_|]|:(?=\s*$)", r"\\\g<0>", line).replace("<", f"<{JOINER}")
    return plain if plain[:1].isalnum() else f"\\ {plain}"  # a directive, a list or a title begins with no letter


def as_json(text: str) -> str:
    """The same JSON without tags: there `<` stands in strings alone."""
    return text.replace("<", r"\u003c")
