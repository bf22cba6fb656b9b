"""Figures in the page: smaller than their files, and the same to the eye."""

from __future__ import annotations

import urllib.parse
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from dst_repro.report import picture


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


def test_coordinates_keep_two_digits() -> None:
    svg = '<!-- x --><svg><path id="a" d="M 1.23456 -0.5 \nL 10.0 3 \nz\n" style="a: 1; b: 2"/></svg>'
    assert picture.packed(svg) == '<svg><path d="M1.23 -0.5L10 3z" style="a:1;b:2"/></svg>'


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
