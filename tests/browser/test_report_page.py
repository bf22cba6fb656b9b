"""The report as people meet it: on a phone, on a desk, in the dark, on paper, by keyboard, without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.conftest import DESKTOP, PAPER, PHONE, Show, View

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SUITES = ("mnist", "all")
VIEWS = [View(suite, width, scheme) for suite in SUITES for width in (PHONE, DESKTOP) for scheme in ("light", "dark")]
OPEN = "document.querySelectorAll('details').forEach((details) => { details.open = true; })"
ROWS = """(table) => [...table.tBodies[0].rows].filter((row) => !row.hidden)
    .map((row) => [...row.cells].map((cell) => cell.textContent.trim()))"""


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_nothing_is_wider_than_the_window(show: Show, view: View) -> None:
    page = show(view)
    page.evaluate(OPEN)
    assert page.evaluate("document.documentElement.scrollWidth") <= view.width


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_axe_finds_nothing(show: Show, view: View) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = show(view)
    if view.suite == "mnist":  # with its thousands of runs, `all` would take minutes
        page.evaluate(OPEN)
    found = axe.run(page).response["violations"]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found] == []


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_no_verdict_is_cut_off(show: Show, view: View) -> None:
    ends = "(all) => all.map((e) => [e.getBoundingClientRect().left, e.getBoundingClientRect().left + e.scrollWidth])"
    sides = show(view).eval_on_selector_all("td.v", ends)
    assert len(sides) > 10
    assert all(0 <= left < right <= view.width for left, right in sides)


@pytest.mark.parametrize("suite", SUITES)
def test_the_first_screen_has_the_scorecard_and_three_figures(show: Show, suite: str) -> None:
    page = show(View(suite))
    tops = page.eval_on_selector_all(
        ".scorecard tbody tr, .headlines img", "(all) => all.map((e) => [e.tagName, e.getBoundingClientRect().top])"
    )
    assert [tag for tag, _ in tops].count("IMG") == 3
    assert all(top < 900 for _, top in tops)
    assert page.eval_on_selector_all("img", "(all) => all.every((e) => e.complete && e.naturalWidth > 0)")


@pytest.mark.parametrize("suite", SUITES)
def test_every_link_has_its_target(show: Show, suite: str, pages: Callable[[str], Path]) -> None:
    page = show(View(suite))
    lost = """(all) => all.map((e) => e.getAttribute("href")).filter((href) => href.startsWith("#") && href !== "#"
        && !document.getElementById(decodeURIComponent(href.slice(1))))"""
    assert page.eval_on_selector_all("a", lost) == []
    links = page.eval_on_selector_all("a[href^='../']", "(all) => all.map((e) => e.getAttribute('href'))")
    files = {(pages(suite).parent / link).resolve() for link in links}
    assert len(files) > 200
    assert {path.name for path in files if not path.is_file()} <= {"claims.csv", "comparison.csv"}  # not copied here


def test_contents_name_every_item(show: Show) -> None:
    page = show(View("mnist"))
    heads = page.eval_on_selector_all("main h3[id]", "(all) => all.map((e) => '#' + e.id)")
    named = page.eval_on_selector_all(".contents a", "(all) => all.map((e) => e.getAttribute('href'))")
    assert heads
    assert set(heads) <= set(named)


def test_a_number_leads_to_its_runs_and_they_to_their_record(show: Show) -> None:
    page = show(View("mnist"))
    page.locator("#comparison ~ .wide td.n a").first.click()
    target = page.locator(":target")
    assert target.is_visible()  # in a folded list, which the link has opened
    first = target.locator("tr").nth(1)
    assert re.search(r"runs/[\w.-]+/record\.json$", str(first.locator("a").first.get_attribute("href")))
    assert first.locator("svg[role=img]").get_attribute("aria-label")


def _number(text: str) -> float:
    found = re.match(r"[\d.]+", text)
    assert found, text
    return float(found[0])


def test_sorting_sorts_by_number_and_by_word_both_ways(show: Show) -> None:
    page = show(View("mnist"))
    table = page.locator("table", has=page.locator("caption", has_text="Answered numbers"))
    before = sorted(table.evaluate(ROWS))
    for name, place, key in (("Published", 5, _number), ("Verdict", 1, str)):
        head = table.locator("th", has=page.get_by_role("button", name=name, exact=True))
        for order in ("ascending", "descending"):
            head.get_by_role("button").click()
            assert head.get_attribute("aria-sort") == order
            rows = table.evaluate(ROWS)
            values = [key(row[place].split("\n")[0]) for row in rows]
            assert values == sorted(values, reverse=order == "descending")
            assert len(set(values)) > 1
            assert sorted(rows) == before
    assert table.locator("[aria-sort]").count() == 1


def test_runs_are_sorted_with_their_cells(show: Show) -> None:
    page = show(View("mnist"))
    page.evaluate(OPEN)
    table = page.locator("table.runs")
    table.get_by_role("button", name=re.compile("density")).click()
    read = "(table) => [...table.tBodies].map((body) => [body.rows[0].cells[3].textContent, body.rows.length])"
    found = table.evaluate(read)
    densities = [float(text) for text, _ in found]
    assert densities == sorted(densities)
    assert all(rows > 1 for _, rows in found)


def test_filtering_filters_and_says_how_many_are_left(show: Show) -> None:
    page = show(View("mnist"))
    line = page.locator("#comparison ~ .filter")
    table = page.locator("#comparison ~ .wide table").first
    every = len(table.evaluate(ROWS))
    line.locator("input").fill("reproduced table")
    left = table.evaluate(ROWS)
    assert 0 < len(left) < every
    assert all("reproduced" in row[1] and "Table" in row[0] for row in left)
    assert line.locator("[role=status]").inner_text() == f"{len(left)} of {every}"
    line.locator("input").fill("")
    assert len(table.evaluate(ROWS)) == every


def test_the_keyboard_reaches_everything_and_shows_where_it_is(show: Show) -> None:
    page = show(View("mnist"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    seen = set()
    for _ in range(400):
        page.keyboard.press("Tab")
        what, outline = page.evaluate(
            "(({ tagName, className, type }, style) => [`${tagName} ${className || type}`, style.outlineStyle])"
            "(document.activeElement, getComputedStyle(document.activeElement))"
        )
        if what.startswith("BODY"):  # after the last
            break
        assert outline != "none", what
        seen.add(what)
    assert {"BUTTON sort", "INPUT search", "BUTTON zoom", "SUMMARY undefined"} <= seen


def test_enter_sorts_and_opens_a_figure_and_escape_closes_it(show: Show) -> None:
    page = show(View("mnist"))
    page.get_by_role("button", name="Claims").focus()
    page.keyboard.press("Enter")
    assert page.locator("th[aria-sort=ascending]").count() == 1
    zoom = page.get_by_role("button", name=re.compile("open large")).first
    zoom.focus()
    page.keyboard.press("Enter")
    image = page.locator("dialog[open] img")
    assert image.bounding_box()["width"] > 0.9 * DESKTOP
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    assert zoom.evaluate("(e) => e === document.activeElement")


@pytest.mark.parametrize("suite", SUITES)
def test_on_paper_nothing_is_cut_off(show: Show, suite: str) -> None:
    page = show(View(suite, PAPER, "dark"))
    page.emulate_media(media="print", color_scheme="dark")
    wide = "(all, w) => all.filter((e) => e.getBoundingClientRect().right > w).map((e) => e.outerHTML.slice(0, 200))"
    assert page.eval_on_selector_all("table, figure, p, td", wide, PAPER) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_without_scripts_it_shows_the_same_numbers(show: Show) -> None:
    page, plain = show(View("mnist")), show(View("mnist", script=False))
    for selector in ("table", "tbody tr", "td a", "h3"):
        assert plain.locator(selector).count() == page.locator(selector).count() > 0
    assert plain.locator("button.sort, .filter").count() == 0


@pytest.mark.parametrize("suite", SUITES)
def test_it_is_small_but_for_its_figures(pages: Callable[[str], Path], suite: str) -> None:
    text = pages(suite).read_text()
    figures = sum(len(found) for found in re.findall(r'src="data:image/[^"]*"', text))
    assert len(text) - figures < {"mnist": 400_000, "all": 1_500_000}[suite]
    assert suite == "all" or len(text) < 1_000_000
