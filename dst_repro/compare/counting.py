"""The density by which a run is compared with a published one: as the released code counts it, where that is known."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from dst_repro.compare.cells import Cell
from dst_repro.records.as_printed import Printed, density, recorded
from dst_repro.records.frames import SELECTIONS

READINGS = (*SELECTIONS, "sparsest")


def with_counted(runs: pd.DataFrame, printed: Printed) -> pd.DataFrame:
    """`runs` with `<reading>.counted`, the density that is compared, in [0, 1], and `as_printed`: whether the run
    recorded what the released code counts. `printed` is `as_printed` of their history.
    """
    rows = [{str(key): value for key, value in row.items()} for row in runs.to_dict("records")]
    counted = {f"{name}.counted": [density(row, name, printed) for row in rows] for name in READINGS}
    return runs.assign(**counted, as_printed=[recorded([row["id"]], printed) for row in rows])


def says(row: dict[str, Any], cells: list[Cell], true: float) -> str:
    """By which density a published number of a DST LSTM is compared; `true` is that by masks, in percent, NaN if
    unknown. Nothing of other numbers: elsewhere the two are one.
    """
    if (row["paper"], row["method"]) != ("dst", "dst") or not row["model"].startswith("lstm"):
        return ""
    if not any(run["as_printed"] for cell in cells for run in cell.finished):
        return "density by masks: the runs did not record what the released LSTM code counts"
    beside = "" if math.isnan(true) else f", by masks {true:.2f} %"
    return f"density as the released LSTM code counts it{beside}"
