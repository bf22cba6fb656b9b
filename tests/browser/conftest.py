"""A real Chromium, and report pages that are really rendered from the committed records."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from dst_repro import compare
from dst_repro.claims import write as claims
from dst_repro.cli import drawing
from dst_repro.plan.grid import load_suite
from dst_repro.records.frames import aggregate
from dst_repro.report import page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync")  # fmt: skip
COMMITTED = ("mnist", "mnist-masks", "fashion-small", "cifar10-small", "tost-small")
PHONE, DESKTOP, PAPER = 390, 1440, 718
"""Widths in CSS pixels; the last is that of A4 between Chromium's margins."""


class View(NamedTuple):
    """A suite's page as somebody looks at it."""

    suite: str
    width: int = DESKTOP
    scheme: str = "light"
    script: bool = True


Show = Callable[[View], "Page"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    api = pytest.importorskip("playwright.sync_api", reason="the extra `dev` is not installed")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Suite -> its page, from the committed records and figures; tables are drawn."""
    folder, made = tmp_path_factory.mktemp("pages"), dict[str, Path]()

    def render(name: str) -> Path:
        if name not in made:
            made[name] = _render(name, folder)
        return made[name]

    return render


def _render(name: str, folder: Path) -> Path:
    results, figures = folder / "results" / name, folder / "figures" / name
    figures.mkdir(parents=True)
    for owner in COMMITTED:  # `all` keeps no figures: it has those of the others
        for path in (ROOT / "figures" / owner).iterdir():
            (figures / path.name).symlink_to(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        suite = load_suite(Path(f"config/{name}.yaml"))
        frames = aggregate(suite, Path("results"))
        if not (frames.runs["status"] == "finished").any():
            pytest.skip("no records are committed here")
        for file, key in suite.files("table").items():
            drawing.item(frames, suite.items[key], results, file)
        known = Path("results") / name
        return page.write(suite, frames, compare.read(known), claims.read(known), results, figures)


@pytest.fixture
def show(browser: Browser, pages: Callable[[str], Path]) -> Iterator[Show]:
    opened = []

    def make(view: View) -> Page:
        context = browser.new_context(
            viewport={"width": view.width, "height": 900}, color_scheme=view.scheme, java_script_enabled=view.script
        )
        opened.append(context)
        shown = context.new_page()
        shown.goto(pages(view.suite).as_uri())
        return shown

    yield make
    for context in opened:
        context.close()
