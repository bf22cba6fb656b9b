"""Items to files: the one place that writes tables and figures. Equal frames give equal bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from dst_repro.files import write_text, write_with
from dst_repro.plan.grid import Item

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dst_repro.plots.style import Plot
    from dst_repro.records.frames import Frames

SUFFIXES = {"table": (".csv", ".md", ".tex", ".html"), "figure": (".svg", ".pdf", ".png", ".csv")}
"""What `item` writes for each kind."""

NOTHING = "no finished run"
NOT_THAT = "{} of {} runs have finished, but hold\nnothing that this figure can show"
# Dates and versions would make each file differ from the last.
METADATA: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    ".png": {"Software": None},
}


def paths(item: Item, folder: Path, name: str) -> list[Path]:
    """The files of an item. `name` may hold a slash (`paper/item`)."""
    return [folder / f"{name}{suffix}" for suffix in SUFFIXES[item.kind]]


def item(frames: Frames, item: Item, folder: Path, name: str) -> list[Path]:
    """Write all files of an item and return their paths.

    `frames` are those of a suite; the item takes the runs of its experiments. An item without a finished run is
    written too, and says so. Raises `ConfigError` for parameters that the builder does not take.
    """
    from dst_repro import registry  # planning reads SUFFIXES and must not wait for matplotlib

    entry = (registry.plots if item.kind == "figure" else registry.tables)[item.builder]
    params = _params(entry.params, item)
    texts = (_figure if item.kind == "figure" else _table)(frames, item, entry.object, params, name)
    for suffix, content in texts.items():
        path = folder / f"{name}{suffix}"
        if isinstance(content, str):
            write_text(path, content)
        else:
            write_with(path, content)
    return paths(item, folder, name)


def _params(model: Any, item: Item) -> Any:
    from dst_repro.plan.config import first_finding

    try:
        return model.model_validate(item.params)
    except ValidationError as error:
        raise first_finding(error, model, item.builder, "params") from None


def _table(frames: Frames, item: Item, builder: Any, params: Any, name: str) -> dict[str, str]:
    from dst_repro.tables import render
    from dst_repro.tables.caption import caption
    from dst_repro.tables.latex import latex

    table = builder(frames.of(item.experiments), params)
    text = caption(frames, item)
    return {
        ".csv": render.csv(table),
        ".md": render.markdown(table, item.title, text),
        ".tex": latex(table, item.title, text, name),
        ".html": render.html_page(table, item.title, text),
    }


def _figure(frames: Frames, item: Item, plot: Plot, params: Any, name: str) -> dict[str, Any]:
    import matplotlib

    from dst_repro.plots import sizes, style
    from dst_repro.tables import caption, render

    frame = plot.frame(frames.of(item.experiments), params)
    # three headlines stand side by side on the report's page
    with matplotlib.rc_context(style.RC), sizes.drawn_across(sizes.NARROW if item.headline else sizes.WIDTH):
        figure = style.empty(_why_empty(frames, item)) if frame.empty else plot.figure(frame, params)
        style.footnotes(figure, caption.statements(frames, item))
        images = {suffix: _image(figure, suffix) for suffix in METADATA}
    return {**{suffix: _writer(image) for suffix, image in images.items()}, ".csv": render.frame_csv(frame)}


def _why_empty(frames: Frames, item: Item) -> str:
    from dst_repro.tables.cells import select

    runs = select(frames.of(item.experiments).runs, item.params.get("where", {}))
    finished = int((runs["status"] == "finished").sum())
    return NOT_THAT.format(finished, len(runs)) if finished else NOTHING


def _image(figure: Figure, suffix: str) -> bytes:
    import io

    stream = io.BytesIO()
    figure.savefig(stream, format=suffix[1:], metadata=METADATA[suffix])
    return stream.getvalue()


def _writer(content: bytes) -> Callable[[Any], object]:
    return lambda stream: stream.write(content)
