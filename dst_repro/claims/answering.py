"""All claims of a suite, answered: one row each."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pydantic import ValidationError

from dst_repro.claims.base import VERDICTS, Answer, not_run
from dst_repro.columns import Column, count, number, text
from dst_repro.plan.config import first_finding
from dst_repro.plan.grid import Suite
from dst_repro.plan.schema import Claim
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.tables.judging import judged
from dst_repro.words import how_many

MEANINGS: dict[str, Column] = {
    "paper": text("Slug of the file in config/papers"),
    "claim": text("The claim's name there"),
    "states": text("The claim, in one sentence"),
    "source": text("Where the paper says so"),
    "verdict": text("One of " + ", ".join(VERDICTS)),
    "statistic": number("What was measured", "as the evidence says"),
    "low": number("Of its 95 % interval, from here", "as the statistic"),
    "high": number("To here", "as the statistic"),
    "threshold": number("What it had to reach", "as the statistic"),
    "evidence": text("What was counted or measured, and what it had to be"),
    "reduced": text("What was reduced in the runs used, against the paper's protocol"),
    "stale": count("Runs used that were trained by other source than today's", "runs"),
    "n": count("Runs used", "runs"),
    "runs": text("Their ids, parted by blanks"),
}
COLUMNS = list(MEANINGS)


def answers(suite: Suite, frames: Frames) -> pd.DataFrame:
    """One row for each claim of the suite's papers, in the order of their files. `n` is the number of runs used."""
    rows = [_row(key, claim, frames) for key, claim in suite.claims.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(key: str, claim: Claim, frames: Frames) -> dict[str, Any]:
    paper, _, name = key.partition("/")
    answer = _answer(claim, frames, key)
    used = frames.runs[frames.runs["id"].isin(answer.runs)]
    reduced = dict.fromkeys(text for text in used["reduced"] if isinstance(text, str) and text)
    return {
        "paper": paper, "claim": name, "states": claim.states, "source": claim.source, "verdict": answer.verdict,
        "statistic": answer.statistic, "low": answer.low, "high": answer.high, "threshold": answer.threshold,
        "evidence": answer.evidence, "reduced": "; ".join(reduced), "stale": int(used["stale"].sum()), "n": len(used),
        "runs": " ".join(used["id"]),
    }  # fmt: skip


def _answer(claim: Claim, frames: Frames, key: str) -> Answer:
    """Of the finished runs of its experiments; without one the rule is not asked."""
    part = frames.of(claim.experiments)
    finished = part.runs[part.runs["status"] == "finished"]
    if finished.empty:
        planned = (
            f"none of {how_many(len(part.runs), 'run')} is finished" if len(part.runs) else "not part of this suite"
        )
        return not_run(planned)
    entry = claims[claim.rule]
    try:
        params = entry.params.model_validate(claim.params)
    except ValidationError as error:
        raise first_finding(error, entry.params, key, "params") from None
    answer: Answer = entry.object(Frames(judged(part, getattr(params, "selection", "")), part.history), params)
    return answer
