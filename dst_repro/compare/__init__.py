"""Our numbers beside the published ones: a verdict for every printed number, with its reason."""

from dst_repro.compare.frame import comparison, counts, in_reach, why_not_run
from dst_repro.compare.write import html_fragment, markdown, read, write
from dst_repro.statistics.verdicts import VERDICTS

__all__ = ["VERDICTS", "comparison", "counts", "html_fragment", "in_reach", "markdown", "read", "why_not_run", "write"]
