"""Figures in the page: smaller than their files, and the same to the eye."""

from __future__ import annotations

import itertools
import re
import urllib.parse
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from dst_repro.report import outlines, picture


def packed_figures() -> list[Path]:
    return sorted((Path(__file__).parents[3] / "figures").glob("*/*.svg"))


@pytest.mark.parametrize("path", packed_figures(), ids=lambda path: path.stem)
def test_every_committed_figure_stays_whole(path: Path) -> None:
    svg = path.read_text(encoding="utf-8")
    shown, file = ET.fromstring(picture.packed(svg)), ET.fromstring(svg)
    count = [sum(1 for tag in root.iter() if tag.tag.endswith(("}path", "}use"))) for root in (shown, file)]
    assert count[0] == count[1]


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot(range(50), [x**0.5 for x in range(50)], "o-", label="a 'b' & c <d> 100 %")
    axes.legend()
    path = tmp_path / "f.svg"
    figure.savefig(path)
    return path


def test_an_image_is_smaller_and_still_the_figure(drawn: Path) -> None:
    uri = str(picture.data_uri(drawn))
    assert '"' not in uri
    assert "#" not in uri
    assert len(uri) < 0.8 * drawn.stat().st_size
    shown, file = ET.fromstring(urllib.parse.unquote(uri.partition(",")[2])), ET.parse(drawn).getroot()
    count = [sum(1 for tag in root.iter() if tag.tag.endswith(("}path", "}use"))) for root in (shown, file)]
    assert count[0] == count[1] > 20
    ids = {tag.get("id") for tag in shown.iter()}
    assert all(len(name) < 3 for name in ids - {None})
    used = {value[1:] for tag in shown.iter() for name, value in tag.items() if name.rpartition("}")[2] == "href"}
    assert used
    assert used <= ids


def test_paths_go_by_distances_to_a_tenth_of_a_point() -> None:
    svg = '<!-- x --><svg><path id="a" d="M 101.23456 -0.5 \nL 110.04 3.22 \nL 110 3.5\nz\n" style="a: 1; b: 2"/></svg>'
    assert picture.packed(svg) == '<svg><path d="m101.2-.5l8.8 3.7 0 .3z" style="a:1;b:2"/></svg>'
    assert outlines.closer("M 0 1.234 L 0.5 1") == "m0 1.23l.5-.23"  # a mark keeps hundredths
    assert outlines.closer("A 1 1 0 0 0 2 2") == "A 1 1 0 0 0 2 2"  # not what matplotlib writes


def points(d: str) -> list[tuple[float, float]]:
    """Where a path of distances and of one command leads."""
    steps = [float(text) for text in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", d)]
    pairs = zip(itertools.accumulate(steps[::2]), itertools.accumulate(steps[1::2]), strict=True)
    return list(pairs)


def test_no_error_of_rounding_adds_up() -> None:
    exact = [(30 + n / 3, 40 - n / 7) for n in range(300)]
    path = "M " + " L ".join(f"{x:.6f} {y:.6f}" for x, y in exact)
    for (x, y), (a, b) in zip(exact, points(outlines.closer(path)), strict=True):
        assert max(abs(x - a), abs(y - b)) < 0.0501


def test_a_letter_is_drawn_in_coarser_units_at_its_size() -> None:
    svg = '<path id="m" d="M 603 3500 \nL 1178 3500 \nQ 1178 0 603 0 \nz\n" transform="scale(0.015625)"/>'
    assert outlines.letters(svg) == '<path id="m" d="m38 219l36 0q0-219-36-219z" transform="scale(.25)"/>'


def test_groups_around_nothing_go_and_marks_that_are_alike_say_so_once() -> None:
    marks = '<use href="#m" x="1" style="a: 1"/><use href="#m" x="2" style="a: 1"/>'
    named = '<g id="c"><path id="m"/></g>'
    svg = f'<svg><g id="text_1"/><g id="axes_1"><g/><g clip-path="url(#c)">{marks}</g></g>{named}</svg>'
    assert picture.packed(svg) == (
        '<svg><g clip-path="url(#a)" style="a:1"><use href="#b" x="1"/><use href="#b" x="2"/></g>'
        '<g id="a"><path id="b"/></g></svg>'
    )
    faint = svg.replace("a: 1", "opacity: 0.5")
    assert picture.packed(faint).count("opacity") == 2  # of a group they would be faint together


def test_a_figure_says_how_large_it_is_shown(tmp_path: Path) -> None:
    (tmp_path / "f.svg").write_text('<svg viewBox="0 0 259.2 100.5"/>')
    assert picture.size(tmp_path / "f.svg") == (518, 201)
    assert picture.size(tmp_path / "none.svg") is None


def test_styles_said_twice_become_classes_and_names_get_short() -> None:
    svg = (
        '<svg><style>*{e:1}</style><path id="long-name" style="a: 1"/><path id="unused" style="a: 1"/><g style="b: 2">'
        '<use xlink:href="#long-name" transform="translate(10.6 0)"/></g><g clip-path="url(#other)"/>'
        '<clipPath id="other"/></svg>'
    )
    assert picture.packed(svg) == (
        '<svg><style>*{e:1}.a{a:1}</style><path id="a" class="a"/><path class="a"/><g style="b:2">'
        '<use href="#a" x="11"/></g><g clip-path="url(#b)"/><clipPath id="b"/></svg>'
    )


def test_a_huge_svg_gives_way_to_its_png(tmp_path: Path) -> None:
    svg = tmp_path / "f.svg"
    assert picture.data_uri(svg) is None
    svg.write_text("<svg>" + "x" * picture.SVG_LIMIT)
    assert str(picture.data_uri(svg)).startswith("data:image/svg+xml,")  # nothing smaller is there
    svg.with_suffix(".png").write_bytes(b"png")
    assert picture.data_uri(svg) == "data:image/png;base64,cG5n"
