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
    assert re.search(r"in \d+ epochs, highest", first.locator("svg[role=img] > title").text_content() or "")


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
    read = "(table) => [...table.tBodies].map((body) => [body.rows[0].cells[2].textContent, body.rows.length])"
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
    assert all("reproduced" in " ".join(row) and "table" in " ".join(row).lower() for row in left)
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
    page.locator(".scorecard").get_by_role("button", name="Claims").focus()
    page.keyboard.press("Enter")
    assert page.locator("th[aria-sort=ascending]").count() == 1
    zoom = page.get_by_role("button", name=re.compile("open large")).first
    zoom.focus()
    page.keyboard.press("Enter")
    image = page.locator("dialog[open] img")
    box = image.bounding_box()
    assert box["width"] > 0.9 * DESKTOP
    assert 0 <= box["y"] < box["y"] + box["height"] <= 900  # all of it
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    assert zoom.evaluate("(e) => e === document.activeElement")


def test_on_a_phone_a_large_figure_is_scrolled(show: Show) -> None:
    page = show(View("mnist", PHONE))
    page.get_by_role("button", name=re.compile("open large")).first.click()
    image, place = page.locator("dialog[open] img"), page.locator("dialog[open] .scroll")
    assert image.bounding_box()["width"] >= 900
    assert place.evaluate("(e) => e.scrollWidth > e.clientWidth && getComputedStyle(e).overflowX === 'auto'")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE


def test_headlines_can_be_read(show: Show) -> None:
    page = show(View("mnist"))
    points = "(all) => all.map((e) => e.getBoundingClientRect().width / e.naturalWidth)"
    assert all(7 * 4 / 3 * scale >= 11 for scale in page.eval_on_selector_all(".headlines img", points))


def test_a_count_leads_to_the_numbers_of_its_paper_alone(show: Show) -> None:
    page = show(View("all"))
    table = page.locator("#comparison ~ .wide table").first
    every = len(table.evaluate(ROWS))
    page.locator(".scorecard tr", has_text="Sparse momentum").locator("a[data-only]").first.click()
    found = table.evaluate("(table) => [...table.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.dataset.paper)")
    assert set(found) == {"sparse-momentum"}
    assert len(found) < every
    assert page.locator("#comparison ~ .filter input").first.input_value() == "paper:sparse-momentum"
    first = page.locator(":target")
    assert first.is_visible()
    head = page.locator("#comparison ~ .wide thead").first
    assert first.bounding_box()["y"] >= head.bounding_box()["y"] + head.bounding_box()["height"] - 1


def test_every_paper_of_the_scorecard_that_has_a_place_leads_there(show: Show) -> None:
    page = show(View("all"))
    rows = page.locator(".scorecard tbody tr th")
    assert {"Dynamic Sparse Training", "Fantastic Weights", "ToST", "SNIP"} <= set(rows.all_inner_texts())
    assert page.locator(".scorecard th", has_text="ToST").locator("a").get_attribute("href") == "#tost-small"


def test_heads_of_tables_that_fit_stay_in_sight(show: Show) -> None:
    page = show(View("mnist"))
    box = page.locator("#comparison ~ .wide").first
    box.locator("tbody tr").nth(5).evaluate("(row) => row.scrollIntoView({ block: 'center' })")
    page.wait_for_function("(box) => box.classList.contains('fits')", arg=box.element_handle())
    assert box.locator("thead").bounding_box()["y"] == pytest.approx(0, abs=1)


def test_on_a_phone_claims_are_blocks_and_tables_show_that_there_is_more(show: Show) -> None:
    page = show(View("mnist", PHONE))
    claims = page.locator("table.blocks").first
    assert claims.evaluate("(e) => e.parentElement.scrollWidth <= e.parentElement.clientWidth")
    tops = claims.locator("tbody tr").first.evaluate("(r) => [...r.cells].map((c) => c.getBoundingClientRect().top)")
    assert tops == sorted(set(tops))
    wide = page.locator(".item:not(.fits)").first
    assert wide.evaluate("(e) => getComputedStyle(e).backgroundImage").count("gradient") == 4


def test_no_two_items_have_one_title(show: Show) -> None:
    titles = show(View("all")).locator("main h3").all_inner_texts()
    assert len(titles) == len(set(titles)) > 30


def test_what_is_to_be_known_stands_before_the_contents(show: Show) -> None:
    heads = show(View("all")).locator("main h2").all_inner_texts()
    assert heads[:3] == ["Scorecard", "To know before reading", "Contents"]


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
    assert len(text) - figures < {"mnist": 350_000, "all": 1_350_000}[suite]
    assert suite == "all" or len(text) < 1_000_000
