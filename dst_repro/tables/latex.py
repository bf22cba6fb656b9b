"""A table as LaTeX: columns that do not fit a line of 345 pt, that of a usual page, stand in parts below each other."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dst_repro.tables.render import EMPTY, Table

PACKAGES = ("array", "booktabs", "longtable")
LINE = 39.0
"""Ems of footnotesize (8.5 pt each) in 345 pt, less a little, as widths are estimates."""
GAP = 0.71
"""Between two columns, in em: 3 pt on either side."""
WRAP = 9.5
"""A column wider than this is broken into lines."""
ROOM = 1.1
"""For what is estimated of a broken column: too narrow a one is seen, too wide a one hardly."""
LABELS = 0.55
"""Share of the line that the columns of labels may take."""

LETTERS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
    "_": r"\_\allowbreak{}", "/": r"/\allowbreak{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''", "`": r"\textasciigrave{}",
    "±": r"$\pm$", "\N{MULTIPLICATION SIGN}": r"$\times$", "\N{MINUS SIGN}": "$-$", "\N{EM DASH}": "---",
    "\N{EN DASH}": "--", "\N{LESS-THAN OR EQUAL TO}": r"$\le$", "\N{GREATER-THAN OR EQUAL TO}": r"$\ge$",
    "\N{SQUARE ROOT}": r"$\surd$", "\N{ALMOST EQUAL TO}": r"$\approx$", "\N{INFINITY}": r"$\infty$",
    "\N{RIGHTWARDS ARROW}": r"$\to$", "\N{HORIZONTAL ELLIPSIS}": r"\dots{}", "\N{NO-BREAK SPACE}": "~",
    "\N{MIDDLE DOT}": r"$\cdot$", "\N{DEGREE SIGN}": r"$^\circ$",
}  # fmt: skip
GREEK = {letter: unicodedata.name(letter).split()[-1].lower() for letter in "αβγδεζηθκλμνπρστφχψω"}
LETTERS |= {letter: rf"$\{name}$" for letter, name in (GREEK | {"λ": "lambda"}).items()}  # Unicode says LAMDA
ACCENTED = re.compile(r"[\u00c0-\u017f]")
"""Letters that LaTeX reads by itself."""
NARROW, WIDE = set("ijlft.,;:'|!()[] I-rs"), set("mwMW%±+=<>@&\N{MINUS SIGN}\N{EM DASH}")


def escaped(text: str) -> str:
    """Text that LaTeX prints letter by letter; one that it cannot print by its name in brackets."""
    return "".join(_letter(letter) for letter in text)


def _letter(letter: str) -> str:
    if letter in LETTERS:
        return LETTERS[letter]
    if letter.isascii() or ACCENTED.fullmatch(letter):
        return letter
    return f"[{unicodedata.name(letter, hex(ord(letter))).lower()}]"


def _ems(text: str) -> float:
    """About how wide a text is in Computer Modern."""
    return sum(0.34 if c in NARROW else 0.84 if c in WIDE else 0.72 if c.isupper() else 0.49 for c in text)


def _longest(text: str) -> float:
    """Of what is never broken."""
    return max(map(_ems, re.split(r"(?<=[/_-])|\s", text)), default=0.0)


@dataclass
class Column:
    """One column: its headings from the outermost in, its fields, and how it is set."""

    heads: tuple[str, ...]
    texts: list[str]
    label: bool
    width: float = 0.0
    broken: bool = False

    def __post_init__(self) -> None:
        natural = max(map(_ems, self.texts), default=0.0)
        self.width, self.broken = (natural, False) if natural <= WRAP else (WRAP, True)
        self.width = max(self.width, self.least)

    @property
    def least(self) -> float:
        """What no break makes narrower."""
        room = ROOM if self.broken else 1.0
        return room * max([*map(_ems, self.heads[-1].split()), *(map(_longest, self.texts) if self.broken else [])])

    def narrow(self, share: float) -> None:
        self.broken = True
        self.width = max(self.width * share, self.least)

    @property
    def spec(self) -> str:
        if not self.broken:
            return "l" if self.label else "r"
        side = "right" if self.label else "left"
        return rf">{{\ragged{side}\arraybackslash}}p{{{self.width:.1f}em}}"


def _said_once(table: Table) -> tuple[Table, str]:
    """The table without the labels that all its rows share, and a sentence that has them."""
    same = [i for i in range(len(table.rows)) if len({label[i] for label in table.labels}) == 1]
    if len(table.labels) < 2 or not same or len(same) == len(table.rows):
        return table, ""
    keep = [i for i in range(len(table.rows)) if i not in same]
    shared = "; ".join(f"{table.rows[i]} {table.labels[0][i]}" for i in same)
    labels = [tuple(label[i] for i in keep) for label in table.labels]
    return replace(table, rows=[table.rows[i] for i in keep], labels=labels), f" In all rows: {shared}."


def _columns(table: Table) -> tuple[list[Column], list[Column]]:
    labels = [Column((name,), [label[i] for label in table.labels], True) for i, name in enumerate(table.rows)]
    fields = [Column(head, [texts[i] for texts in table.texts], False) for i, head in enumerate(table.heads)]
    while sum(column.width + GAP for column in labels) > LABELS * LINE:
        widest = max(labels, key=lambda column: column.width - column.least)
        if widest.width - widest.least < 0.01:
            break
        widest.narrow(0.9)
    return labels, fields


def _panels(labels: Sequence[Column], fields: Sequence[Column]) -> list[list[Column]]:
    """The fields in parts that fit the line behind the labels; a new part begins with an outer heading, if it can."""
    room = LINE - sum(column.width + GAP for column in labels)
    panels: list[list[Column]] = [[]]
    for _, found in itertools.groupby(fields, key=lambda column: column.heads[:-1] and column.heads[0]):
        group = list(found)
        if panels[-1] and _taken([*panels[-1], *group]) > room:
            panels.append([])
        for column in group:
            if panels[-1] and _taken([*panels[-1], column]) > room:
                panels.append([])
            panels[-1].append(column)
    return panels


def _taken(columns: Iterable[Column]) -> float:
    return sum(column.width + GAP for column in columns)


def _wrapped(text: str, width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _ems(longer) > width + 0.01:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _head(labels: Sequence[Column], fields: Sequence[Column]) -> list[str]:
    """The rows of the heading: outer levels over a rule, the lowest in as many lines as it needs."""
    out = []
    for level in range(len(fields[0].heads) - 1):
        spans = [(key[-1], list(found)) for key, found in itertools.groupby(fields, key=lambda c: c.heads[: level + 1])]
        words, rules, place = [], [], len(labels) + 1
        for word, under in spans:
            words.append(_spanning(word, under))
            rules.append(rf"\cmidrule(lr){{{place}-{place + len(under) - 1}}}")
            place += len(under)
        out += [f"{' & ' * len(labels)}{' & '.join(words)} \\\\", "".join(rules)]
    lowest = [_wrapped(column.heads[-1], column.width) for column in (*labels, *fields)]
    most = max(map(len, lowest))
    for line in range(most):
        words = [lines[line - most + len(lines)] if line >= most - len(lines) else "" for lines in lowest]
        out.append(_row(words))
    return out


def _row(words: Iterable[str]) -> str:
    return _begun(" & ".join(map(escaped, words))) + r" \\"


def _begun(line: str) -> str:
    """After a break or a rule LaTeX takes a bracket or a star for an option of it."""
    return f"{{}}{line}" if line.startswith(("[", "*")) else line


def _spanning(word: str, under: Sequence[Column]) -> str:
    """Over its columns; in lines where they are narrower than it."""
    lines = _wrapped(word, max(_taken(under) - GAP, _longest(word)))
    inner = r"\\".join(_begun(escaped(line)) for line in lines)
    if len(lines) > 1:
        inner = rf"\begin{{tabular}}[b]{{@{{}}c@{{}}}}{inner}\end{{tabular}}"
    return rf"\multicolumn{{{len(under)}}}{{c}}{{{inner}}}"


def _body(labels: Sequence[Column], fields: Sequence[Column]) -> list[str]:
    out = []
    for i in range(len(fields[0].texts)):
        words = [column.texts[i] for column in (*labels, *fields)]
        if i > 0 and len(labels) > 1:
            if labels[0].texts[i - 1] == words[0]:
                words[0] = ""
            else:
                out.append(r"\addlinespace")
        out.append(_row(words))
    return out


def latex(table: Table, title: str, caption: str, name: str) -> str:
    """A table of its own number that may run over pages, for `\\input`. Its first line says what packages it needs."""
    table, shared = _said_once(table)
    head = rf"\caption{{\textbf{{{escaped(title)}.}} {escaped(caption + shared)}}}\label{{tab:{name}}}\\"
    lines = [
        rf"% \usepackage{{{','.join(PACKAGES)}}} for \input; in one column of 345 pt or more",
        r"\begingroup\footnotesize\setlength{\tabcolsep}{3pt}\setlength{\LTcapwidth}{\linewidth}\emergencystretch=3em",
    ]
    if not table.labels:
        lines += [r"\begin{longtable}{l}", head, EMPTY, r"\end{longtable}"]
    else:
        labels, fields = _columns(table)
        for number, panel in enumerate(_panels(labels, fields)):
            if number:
                lines.append(r"\addtocounter{table}{-1}")
            specs = "".join(column.spec for column in (*labels, *panel))
            top = [r"\toprule", *_head(labels, panel), r"\midrule"]
            first = [head, *top, r"\endfirsthead"] if number == 0 else []
            lines += [rf"\begin{{longtable}}{{@{{}}{specs}@{{}}}}", *first, *top, r"\endhead", r"\bottomrule"]
            lines += [r"\endlastfoot", *_body(labels, panel), r"\end{longtable}"]
    return "\n".join([*lines, r"\endgroup", ""])
