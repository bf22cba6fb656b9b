"""The comparison as files: CSV with all rows, Markdown to read in a terminal or on a forge, HTML to filter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dst_repro.compare.frame import COLUMNS, counts, in_reach
from dst_repro.errors import UserError
from dst_repro.files import write_text
from dst_repro.published.loader import decimals
from dst_repro.tables import names
from dst_repro.templates.loader import environment

NUMERIC = [name for name, kind in COLUMNS.items() if kind != "str"]


def _plus_minus(mean: float, spread: float, text: str) -> str:
    return text.format(mean) + ("" if math.isnan(spread) else f" ± {text.format(spread)}")


NAMED = ("dataset", "model", "method")
READINGS = {"best_on_test": "best on test", "sparsest": "sparsest", "at_density": "at the published density"}


def cells_of_text(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Each row with its numbers as a reader wants them; ours with three decimals, so that none rounds to equality."""
    rows = []
    for row in frame.to_dict("records"):
        rows.append(
            {str(key): value for key, value in row.items()}
            | {
                **dict(zip(NAMED, names.row(row, NAMED), strict=True)),
                "metric": names.METRICS.get(row["metric"], row["metric"]),
                "reason": names.prose(row["reason"]),
                "density": decimals(row["density_percent"]),
                "published": _plus_minus(row["published"], row["published_spread"], "{:.6g}"),
                "ours": _reading(row, "ours"),
                "tested": "" if math.isnan(row["p"]) else f"p {row['p']:.2g}, by Holm {row['p_holm']:.2g}",
                "others": [
                    f"{words}: {text}, {row[f'{name}_verdict']}"
                    for name, words in READINGS.items()
                    if (text := _reading(row, name))
                ],
            }
        )
    return rows


def _reading(row: Mapping[Any, Any], name: str) -> str:
    """`98.100 ± 0.032 (5)`, or nothing."""
    if pd.isna(row[f"{name}_n"]) or not row[f"{name}_n"]:
        return ""
    return f"{_plus_minus(row[f'{name}_mean'], row[f'{name}_std'], '{:.3f}')} ({row[f'{name}_n']})"


def _counts_as_text(frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    table = counts(frame)
    table["share"] = [f"{100 * share:.1f} %" for share in table["share"]]
    return list(table.columns), [[str(value) for value in row] for row in table.to_numpy()]


def _markdown_table(columns: list[str], rows: list[list[str]]) -> list[str]:
    def line(values: list[str]) -> str:
        return "| " + " | ".join(" ".join(v.replace("|", "\\|").split()) for v in values) + " |"

    return [line(columns), line(["---"] * len(columns)), *(line(row) for row in rows), ""]


def markdown(frame: pd.DataFrame) -> str:
    """Answered rows in full, then counts; of the rows not run only how many there are, and why."""
    text = ["# Published numbers and ours", ""]
    text += _markdown_table(*_counts_as_text(frame))
    answered = cells_of_text(frame[frame["verdict"] != "not run"])
    text += ["## Answered", ""]
    if answered:
        head = ["paper, item", "net", "method", "metric", "setting", "published", "ours", "verdict", "test",
                "other readings"]  # fmt: skip
        text += _markdown_table(
            [*head, "reason", "cell"],
            [
                [
                    f"{r['paper']} {r['item']}" + (f" (reprints {r['reprint_of']})" if r["reprint_of"] else ""),
                    f"{r['model']}, {r['dataset']}",
                    f"{r['method']}, {r['density']} %",
                    r["metric"],
                    r["setting"],
                    f"{r['published']} [{r['status']}]",
                    f"{r['ours'] or 'none'}, {r['reading'].replace('_', ' ')}",
                    f"**{r['verdict']}**",
                    r["tested"],
                    "; ".join(r["others"]),
                    r["reason"],
                    r["cell"],
                ]
                for r in answered
            ],
        )
    else:
        text += ["No run of this suite answers a published number.", ""]
    text += ["## Not run", ""]
    why = frame[frame["verdict"] == "not run"].value_counts(["paper", "not_run"], sort=False).reset_index()
    text += _markdown_table(["paper", "why", "numbers"], [[str(value) for value in row] for row in why.to_numpy()])
    return "\n".join(text)


def _context(frame: pd.DataFrame, every: bool) -> dict[str, Any]:
    columns, rows = _counts_as_text(frame)
    isnt = frame["verdict"] == "not run"
    others = frame[isnt] if every else frame[isnt & in_reach(frame)]
    return {
        "answered": cells_of_text(frame[~isnt]),
        "others": cells_of_text(others),
        "beyond": int(isnt.sum()) - len(others),
        "distinct": int((frame["reprint_of"] == "").sum()),
        "of_distinct": int(((frame["reprint_of"] == "") & ~isnt).sum()),
        "total": len(frame),
        "counts": {"columns": columns, "rows": rows},
    }


def html_fragment(frame: pd.DataFrame) -> str:
    """For the report: no document around it, and its style is the report's. Of the numbers without an answer only
    those that the planned runs could give one, see `in_reach`."""
    return environment().get_template("comparison.html.j2").render(_context(frame, every=False))


def read(folder: Path) -> pd.DataFrame:
    """The frame in `comparison.csv`, as `comparison` made it but for digits beyond the tenth."""
    path = folder / "comparison.csv"
    try:
        frame = pd.read_csv(path, dtype=dict(COLUMNS), keep_default_na=False, na_values={n: [""] for n in NUMERIC})
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `python -m dst_repro compare` first") from None
    except ValueError as error:
        raise UserError(f"{path}: not a comparison ({error}); run `python -m dst_repro compare` again") from None
    return frame


def write(frame: pd.DataFrame, folder: Path) -> None:
    """`comparison.csv` (all rows, numbers unrounded), `comparison.md` and `comparison.html` (a page of its own)."""
    write_text(folder / "comparison.csv", frame.to_csv(index=False, float_format="%.10g", lineterminator="\n"))
    write_text(folder / "comparison.md", markdown(frame))
    page = environment().get_template("comparison-page.html.j2").render(_context(frame, every=True))
    write_text(folder / "comparison.html", page)
