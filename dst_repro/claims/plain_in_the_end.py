"""Whether what tricks put beside a network is gone at the end."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from dst_repro.claims.base import Answer, gaps, of_share, used
from dst_repro.claims.trick_gains import Gain, TricksParams, both, trick_gains
from dst_repro.records.frames import Frames
from dst_repro.records.ghosts import TRACES
from dst_repro.registry import claims
from dst_repro.tables.cells import Cell
from dst_repro.tables.judging import with_ghosts


class PlainParams(TricksParams):
    tricks: str = "all"
    """Of which tricks it is asked, as a table of gains calls them; `*`: of all."""
    plain: bool = True
    """Whether nothing may be left; or, of tricks with `fidelity: released` alone, something has to be in every run."""


@claims.register("plain-in-the-end", PlainParams)
def plain_in_the_end(frames: Frames, params: PlainParams) -> Answer:
    """At the end a network that was trained with tricks is one without, of equal layers, or is not

    After the last epoch: nothing trained beside the network, no soft neuron and no ghost skip, the same parameters as
    its like without tricks, and as many kept weights in each layer, so equal FLOPs. The statistic is the share of runs.
    It is said how many have their best epoch on images held out before that.
    """
    known = [gain for gain in trick_gains(frames, params)
             if params.tricks in ("*", gain.tricks) and gain.treated.method != "dense"]  # fmt: skip
    if not params.plain:
        known = [gain for gain in known if _released(gain.treated)]
    names = ["density_with_ghosts", *TRACES]
    history = frames.history[frames.history["name"].isin(names)]
    rows = [row for gain in known for row in _runs(gain, history)]
    every = both(known)
    if not rows:
        return Answer("not run", f"no seed with and without {params.tricks} is finished{gaps(every)}")
    plain = sum(row["plain"] and row["like"] for row in rows)
    hits = plain if params.plain else sum(row["beside"] > 0 for row in rows)
    text = (
        f"plain at the end, with the parameters and kept weights of its like, in {plain} of {len(rows)} runs, needed "
    )
    text += f"in {'all' if params.plain else 'none'}; up to {max(row['beside'] for row in rows):g} parameters beside, "
    text += f"density with them {100 * max(row['dense'] for row in rows):.3g} % at most; "
    early = sum(row["early"] for row in rows)
    text += f"the best epoch of all on images held out still has some in {early} of {len(rows)} runs"
    return Answer(of_share(hits, len(rows), 1.0), text + gaps(every), hits / len(rows), threshold=1.0, runs=used(every))


def _released(cell: Cell) -> bool:
    tricks = json.loads(str(cell.runs["config"].iloc[0])).get("tricks", {})
    return any(params.get("fidelity") == "released" for params in tricks.values())


def _runs(gain: Gain, history: pd.DataFrame) -> list[dict[str, Any]]:
    twins = {run["seed"]: run for run in gain.control.finished.to_dict("records")}
    early = with_ghosts(gain.treated)
    found = []
    for run in gain.treated.finished.to_dict("records"):
        rows = history[history["id"] == run["id"]]
        counted = rows[rows["name"] == "ghost_parameters"]
        if run["seed"] not in twins or counted.empty:
            continue
        last = rows[rows["epoch"] == counted["epoch"].max()].set_index("name")["value"]
        beside = float(last["ghost_parameters"])
        found.append({
            "beside": beside, "dense": float(last["density_with_ghosts"]), "plain": beside == 0 and _gone(last),
            "like": _shape(run) == _shape(twins[run["seed"]]),
            "early": early.get(int(run["seed"]), False),
        })  # fmt: skip
    return found


def _gone(rows: pd.Series[float]) -> bool:
    return not any(rows.get(name, 0.0) for name in TRACES)


def _shape(run: dict[Any, Any]) -> tuple[float, list[tuple[str, int]]]:
    return float(run["parameters"]), [(layer["name"], layer["kept"]) for layer in json.loads(str(run["layers"]))]
