"""Tables on a small frame whose numbers were worked out by hand."""

from __future__ import annotations

import html.parser
import io
import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from dst_repro.cli import drawing
from dst_repro.errors import UserError
from dst_repro.plan.grid import Item
from dst_repro.records.frames import Frames
from dst_repro.tables import render
from dst_repro.tables.caption import caption
from dst_repro.tables.cells import cells, select
from dst_repro.tables.fields import number
from dst_repro.tables.latex import latex
from dst_repro.tables.pivot import PivotParams, pivot
from tests.small import OTHER, SMALL, frames, run
from tests.workflow.conftest import ROOT

ITEM = Item(kind="table", builder="pivot", experiments=["e"], title="A_b & c", caption="50 % <x>", params={})


def texts(shown: Frames, **params: object) -> dict[tuple[str, ...], list[str]]:
    table = pivot(shown, PivotParams.model_validate(params))
    return dict(zip(table.labels, table.texts, strict=True))


def test_mean_std_and_missing_seeds() -> None:
    # dense: mean 97, deviations 1, 0, -1, variance 2/2. set at 10 %: 95 and 96, variance 0.5/1.
    found = texts(frames(*SMALL), metrics=["accuracy"], selections=["last"])
    assert found[("lenet", "dense", "")] == ["97.00 ± 1.00 (3)"]
    assert found[("lenet", "SET", "10 %")] == ["95.50 ± 0.71 (2 of 3; s1 diverged)"]
    assert found[("lenet", "SET", "5 %")] == ["90.00 (1 of 3; s1 failed, s2 missing)"]


def test_no_finished_seed() -> None:
    lost = frames(*(run("set", s, None, "missing", density=0.1) for s in range(3)))
    assert list(texts(lost).values()) == [["— (0 of 3; all missing)"] * 4]


def test_one_planned_seed_has_no_spread() -> None:
    assert texts(frames(run("dense", 0, 0.5)), metrics=["accuracy"], selections=["last"]) == {
        ("lenet", "dense"): ["50.00 (1)"]
    }


def test_difference_is_paired_by_seed() -> None:
    # seeds 0 and 2: 95 - 98 = -3 and 96 - 96 = 0; their mean -1.5, their variance 2 * 1.5**2 / 1
    found = texts(frames(*SMALL), metrics=["difference"], selections=["last"])
    assert found[("lenet", "SET", "10 %")] == ["\N{MINUS SIGN}1.50 ± 2.12 (2 of 3; s1 diverged)"]
    assert found[("lenet", "dense", "")] == [""]


def test_selections_follow_the_validation_split() -> None:
    assert {head[0] for head in pivot(frames(*SMALL), PivotParams()).heads} == {"last epoch", "best on test"}
    held_out = frames(run("dense", 0, 0.9, validation=0.1))
    assert {head[0] for head in pivot(held_out, PivotParams()).heads} == {"last epoch", "best on validation"}


def test_a_finished_run_without_the_selected_epoch_is_named() -> None:
    found = texts(frames(run("dense", 0, 0.9)), metrics=["accuracy"], selections=["best_on_validation"])
    assert found == {("lenet", "dense"): ["— (0 of 1; s0 without a value)"]}


def test_settings_name_what_differs() -> None:
    alphas = [run("dst", 0, 0.9, **{"method_params.alpha": a, "epochs": 5}) for a in (0.01, 1e-4)]
    other = run("set", 0, 0.9, density=0.1, epochs=5)
    assert [(c.method, c.setting) for c in cells(frames(*alphas, other).runs)] == [
        ("dst", "alpha 0.0001"), ("dst", "alpha 0.01"), ("set", "10 %"),
    ]  # fmt: skip
    only = cells(frames(*alphas, other).runs, {"method_params.alpha": [0.01]})
    assert [c.setting for c in only] == ["alpha 0.01", "10 %"]


def test_settings_name_the_run_before_only_where_it_matters() -> None:
    def rounds(density: float, before: float) -> dict[str, object]:
        return run("imp", 0, 0.9, density=density, **{"weights_from.density": before})

    first, second, other = rounds(0.5, 1.0), rounds(0.1, 0.5), rounds(0.1, 1.0)
    assert [c.setting for c in cells(frames(first, second).runs)] == ["50 %", "10 %"]
    known = cells(frames(first, second, other).runs)
    assert [c.setting for c in known] == ["50 %, from density 1", "10 %, from density 0.5", "10 %, from density 1"]


def test_where_keeps_what_has_no_value_and_refuses_unknown_fields() -> None:
    runs = frames(*SMALL).runs
    assert sorted(select(runs, {"density": [0.05]})["method"].unique()) == ["dense", "set"]
    assert len(select(runs, {"density": [0.05]})) == 6
    assert len(select(runs, {"method_params.alpha": [1.0]})) == len(runs)
    with pytest.raises(UserError, match="did you mean 'density'"):
        select(runs, {"densty": [0.05]})


def test_cells_that_share_a_row_are_an_error() -> None:
    with pytest.raises(UserError, match="two cells share the row"):
        texts(frames(*SMALL), rows=["model", "method"])


def test_columns_make_an_outer_heading() -> None:
    table = pivot(frames(*SMALL), PivotParams(rows=("method", "setting"), columns=("model",)))
    assert table.levels[0] == [("lenet", 4)]
    assert [word for word, _ in table.levels[1]] == ["last epoch", "best on test"]


def test_long_form_traces_every_number() -> None:
    long = pd.read_csv(io.StringIO(render.csv(pivot(frames(*SMALL), PivotParams()))))
    row = long[(long["setting"] == "5 %") & (long["metric"] == "accuracy")].iloc[0]
    assert (row["mean"], row["n"], row["planned"], row["failed"], row["missing"]) == (90, 1, 3, 1, 1)
    assert row["runs"].endswith("-s0")
    assert [name[-2:] for name in row["left_out"].split()] == ["s1", "s2"]
    assert math.isnan(row["std"])


NASTY = render.Table(pd.DataFrame(), ["a_b"], [("x & y", "50 %")], [("m|n <b>",)], [["1 ± 2; — \\ {z} #$^~"]])


def test_markdown_escapes() -> None:
    text = render.markdown(NASTY, "T*", "c | d")
    assert "| a\\_b | x & y, 50 % |" in text
    assert r"| m\|n \<b\> | 1 ± 2; — \\ {z} \#$^\~ |" in text
    assert text.startswith(r"**T\***")


def test_latex_escapes() -> None:
    text = latex(NASTY, "T", "100 % <c>", "paper/item")
    assert r"a\_\allowbreak{}b" in text
    assert r"50 \%" in text
    assert r"x \& y" in text
    assert r"1 $\pm$ 2; --- \textbackslash{} \{z\} \#\$\textasciicircum{}\textasciitilde{} \\" in text
    assert r"100 \% \textless{}c\textgreater{}" in text
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


class _Cells(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_html_escapes_to_the_same_words() -> None:
    parser = _Cells()
    parser.feed(render.html_fragment(NASTY, "T", "c & d"))
    assert {"m|n <b>", "1 ± 2; — \\ {z} #$^~", "x & y", "50 %"} <= set(parser.words)


def test_caption_says_what_the_runs_say() -> None:
    rows = [row | {"reduced": "2 epochs"} if row["method"] == "dense" else row for row in SMALL]
    rows[0] |= {"note": "a copy."}
    text = caption(frames(*rows), ITEM.model_copy(update={"reproduces": "Table 1"}))
    assert text == (
        "50 % <x> Seeds: 3. To stand beside the paper's Table 1. Reduced (3 of 9 runs): 2 epochs. "
        "Data, Digits: a copy. Not finished: lenet SET 10 %: s1 diverged; lenet SET 5 %: s1 failed, s2 missing."
    )


def test_numbers_of_seeds_are_told_by_model() -> None:
    def of(model: str, density: float, seeds: int) -> list[dict[str, object]]:
        return [run("set", s, 0.9, density=density, model=model) for s in range(seeds)]

    assert "Seeds: 1 or 3. " in caption(frames(*of("a", 0.1, 3), *of("a", 0.2, 1)), ITEM) + " "
    rows = [*of("a", 0.1, 3), *of("a", 0.2, 1), *of("b", 0.1, 5)]
    assert "Seeds: 1 or 3 (a); 5 (b). " in caption(frames(*rows), ITEM) + " "


def test_many_incomplete_cells_are_counted() -> None:
    rows = [run("set", s, None, "missing", density=d / 10) for d in range(1, 9) for s in range(2)]
    assert caption(frames(*rows), ITEM).endswith("16 of 16 runs are not finished: 16 missing.")


@pytest.mark.parametrize("rows", [SMALL, OTHER], ids=["small", "empty"])
def test_files_are_all_written_and_deterministic(tmp_path: Path, rows: tuple[dict[str, object], ...]) -> None:
    first = drawing.item(frames(*rows), ITEM, tmp_path / "1", "p/t")
    second = drawing.item(frames(*rows), ITEM, tmp_path / "2", "p/t")
    assert [path.name for path in first] == ["t.csv", "t.md", "t.tex", "t.html"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    if rows is OTHER:
        assert all(render.EMPTY in path.read_text() for path in first[1:])


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda runs: select(runs, {"method_params.alhpa": [1.0]}), "where: no field.*'method_params.alpha'"),
        (lambda runs: select(runs, {"mask_from.weights_from.metod": ["dst"]}), "'mask_from.weights_from.method'"),
        (lambda runs: select(runs, {"tricks.soft-neuron.beta": [1]}), "'tricks.soft-neurons.beta'"),
        (lambda runs: cells(runs)[0].field("modle"), "'model'"),
        (lambda runs: number(cells(runs)[0], "method_params.gama"), "'method_params.gamma'"),
        (lambda runs: pivot(frames(*SMALL), PivotParams(rows=("method_params.gorw",))), "'method_params.grow'"),
        (lambda runs: pivot(frames(*SMALL), PivotParams(columns=("datset",))), "'dataset'"),
    ],
)
def test_a_field_that_no_run_can_have_is_an_error_with_the_near_miss(
    ask: Callable[[pd.DataFrame], object], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        ask(frames(*SMALL).runs)


def test_a_parameter_that_none_of_these_runs_has_is_empty() -> None:
    cell = cells(frames(*SMALL).runs)[0]
    assert [cell.field(name) for name in ("method_params.alpha", "mask_from.method", "tricks.soft-neurons.beta")] == [
        "", "", ""]  # fmt: skip


def test_captions_say_what_stands_behind_the_sign_of_plus_and_minus() -> None:
    """Every table of means and spreads, unless it is of one seed."""
    for path in sorted((ROOT / "config/papers").glob("*.yaml")):
        for name, item in yaml.safe_load(path.read_text())["items"].items():
            if item["kind"] == "table" and item["builder"] in ("pivot", "at-density", "retrained", "mask-health"):
                told = "standard deviation over seeds", "One seed", "the same seed in all cells"
                assert any(words in " ".join(item["caption"].split()) for words in told), f"{path.name}: {name}"
