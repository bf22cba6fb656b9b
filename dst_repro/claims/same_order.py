"""Whether treatments rank in the same order in two groups of settings."""

from __future__ import annotations

import json
import math
from typing import Any

from pydantic import Field
from scipy import stats

from dst_repro.claims.base import Answer, Verdict, gaps, settled, together, used, when
from dst_repro.claims.settings import GridParams, Setting, all_cells, complete, means, settings, short
from dst_repro.plan.catalogue import check_params
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.ranking import rank
from dst_repro.tables.cells import select


class OrderParams(GridParams):
    by: str = "method_params.grow"
    """The field whose two values are the groups."""
    blocks: tuple[str, ...] = Field(("dataset", "model", "density"), strict=False)
    """The fields that tell settings apart; those that both groups have count."""
    conclusions: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Rule -> parameters: rules that have to give the same answer for both groups."""
    layers_of: str | None = None
    """A group of which it is reported how sparse its sparsest layer is."""


@claims.register("same-order", OrderParams)
def same_order(frames: Frames, params: OrderParams) -> Answer:
    """Treatments rank in the same order in two groups of settings, and rules answer alike for both

    The statistic is Kendall's tau of the average ranks, which has to be above 0.
    """
    names = [str(name) for name in dict.fromkeys(frames.runs.get(params.by, [])) if isinstance(name, str)]
    parts = {name: Frames(select(frames.runs, {params.by: [name]}), frames.history) for name in names}
    groups = {name: settings(part.runs, params) for name, part in parts.items()}
    groups = {name: known for name, known in groups.items() if known}
    if len(groups) != 2:
        return Answer("not run", f"{params.by} has not two values with such runs, but {', '.join(groups) or 'none'}")
    whole = {name: complete(known, params.treatments) for name, known in groups.items()}
    shared = set.intersection(*({setting.place for setting in known} for known in whole.values()))
    every = [cell for known in groups.values() for cell in all_cells(known)]
    tau, words = _tau(groups, shared, params)
    seeds = [s.seeds(params.treatments) for known in whole.values() for s in known if s.place in shared]
    verdict: Verdict = "inconclusive" if math.isnan(tau) else settled("holds" if tau > 0 else "fails", seeds)
    text = f"Kendall's tau {tau:+.2f} over {len(shared)} settings in both, to be above 0 ({words})"
    text += "; of one seed" if min(seeds, default=0) == 1 else ""
    found = [verdict]
    for slug, given in params.conclusions.items():
        answers = [_ask(slug, parts[name], params.where, given) for name in groups]
        found.append(_alike(answers))
        text += f"; {slug}: {' and '.join(answers)}"
    if params.layers_of in groups:
        text += f"; {_sparsest(groups[params.layers_of])}"
    text += f"; {when(every, params.selection)}{gaps(every)}"
    return Answer(together(found), text, tau, threshold=0.0, runs=used(every))


def _tau(groups: dict[str, list[Setting]], shared: set[tuple[str, ...]], params: OrderParams) -> tuple[float, str]:
    ranks = {}
    for name, known in groups.items():
        found = sorted((s for s in known if s.place in shared), key=lambda s: s.place)
        ranks[name] = rank(means(found, params.treatments)).ranks if found else None
    if not shared:
        return math.nan, "none has a seed of each"
    one, other = ([float(found[name]) for name in params.treatments] for found in ranks.values() if found is not None)
    texts = [f"{group}: " + ", ".join(f"{short(str(name))} {value:.2f}" for name, value in found.items())
             for group, found in ranks.items() if found is not None]  # fmt: skip
    return float(stats.kendalltau(one, other).statistic), "; ".join(texts)


def _ask(slug: str, part: Frames, where: dict[str, Any], given: dict[str, Any]) -> Verdict:
    check_params("claim rule", slug, given, f"params.conclusions.{slug}")
    entry = claims[slug]
    answer: Answer = entry.object(part, entry.params.model_validate({"where": where} | given))
    return answer.verdict


def _alike(answers: list[Verdict]) -> Verdict:
    if len(set(answers)) == 1 and answers[0] in ("holds", "fails"):
        return "holds"
    return "fails" if set(answers) == {"holds", "fails"} else "inconclusive"


def _sparsest(known: list[Setting]) -> str:
    least, empty, runs = math.inf, 0, 0
    for cell in all_cells(known):
        for text in cell.finished["layers"]:
            kept = [layer["kept"] / layer["numel"] for layer in json.loads(str(text))]
            least, empty, runs = min(least, *kept), empty + (min(kept) == 0), runs + 1
    return f"sparsest layer {100 * least:.3g} %, some layer empty in {empty} of {runs} runs"
