"""The caption of an item: what its author says, then what the runs themselves say."""

from __future__ import annotations

from dst_repro.plan.grid import Item
from dst_repro.records.frames import Frames
from dst_repro.tables import names
from dst_repro.tables.cells import Cell, cells, gaps, select
from dst_repro.words import how_many

SHOWN = 6
"""So many incomplete cells are named one by one; the table's CSV names them all."""


def statements(frames: Frames, item: Item) -> list[str]:
    """What must stand wherever an item's runs are shown, one sentence each: reductions, odd data, unfinished runs."""
    every, where = frames.of(item.experiments).runs, item.params.get("where", {})
    runs = select(every, where)
    out: list[str] = []
    reduced = [
        ("" if len(group) == len(runs) else f" ({len(group)} of {how_many(len(runs), 'run')})")
        + f": {str(text).rstrip('.')}"
        for text, group in runs[runs["reduced"].fillna("") != ""].groupby("reduced")
    ]
    if reduced:
        out.append(f"Reduced{';'.join(reduced)}.")
    noted = runs[runs["note"].fillna("") != ""]
    for (dataset, note), _ in noted.groupby(["dataset", "note"]):
        out.append(f"Data, {names.shown('dataset', str(dataset))}: {str(note).rstrip('.')}.")
    out += _unfinished(cells(every, where))
    if stale := int(runs["stale"].sum()):
        were = "was" if stale == 1 else "were"
        out.append(f"{stale} of {how_many(len(runs), 'run')} {were} trained with an earlier version of the source.")
    return out


def _unfinished(known: list[Cell]) -> list[str]:
    incomplete = [cell for cell in known if len(cell.finished) < cell.planned]
    if not incomplete:
        return []
    planned, finished = (sum(counts) for counts in zip(*((c.planned, len(c.finished)) for c in known), strict=True))
    if len(incomplete) > SHOWN:
        counts = [f"{n} {s}" for s in ("diverged", "failed", "missing") if (n := _count(incomplete, s))]
        left = planned - finished
        are = "is" if left == 1 else "are"
        return [f"{left} of {how_many(planned, 'run')} {are} not finished: {', '.join(counts)}."]
    return [f"Not finished: {'; '.join(f'{_name(cell)}: {gaps(cell)}' for cell in incomplete)}."]


def _seeds(known: list[Cell]) -> str:
    """`Seeds: 3.`, or by model where their number differs: `1 or 3` where the cells of a model differ, too."""
    numbers: dict[str, set[int]] = {}
    for cell in known:
        numbers.setdefault(cell.shown("model"), set()).add(cell.planned)
    counts: dict[str, list[str]] = {}
    for model, found in numbers.items():
        counts.setdefault(" or ".join(map(str, sorted(found))), []).append(model)
    parts = [f"{n} ({', '.join(models)})" if len(counts) > 1 else n for n, models in counts.items()]
    return f"Seeds: {'; '.join(parts)}." if parts else ""


def _count(known: list[Cell], status: str) -> int:
    return sum(int((cell.runs["status"] == status).sum()) for cell in known)


def _name(cell: Cell) -> str:
    return " ".join(word for word in map(cell.shown, ("model", "method", "setting")) if word)


def caption(frames: Frames, item: Item) -> str:
    """The full caption of an item, one paragraph of plain text: for tables, the report and Snakemake's report."""
    beside = f"To stand beside the paper's {item.reproduces}." if item.reproduces else ""
    seeds = _seeds(cells(frames.of(item.experiments).runs, item.params.get("where", {})))
    return " ".join(part for part in (" ".join(item.caption.split()), seeds, beside, *statements(frames, item)) if part)
