"""The page: everything in one file that opens from disk; above some thousands of plays their ladders go to a folder beside it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

from markupsafe import Markup

from faultlab import ladder, stacks
from faultlab.report import compare
from faultlab.report.compare import Cell, Key, View
from faultlab.report.drawing import lines
from faultlab.report.gather import Gathered, Seen, meanings, said, told
from faultlab.report.text import clean, slug

INLINE = 2_000
"""So many plays are shown with all their details in the page itself."""
ROW_LONGEST = 120
SHOWN = 400
"""Characters of somebody's words that are shown before they are folded."""

STATES: Mapping[str, tuple[str, str, str]] = {
    "match": ("M", "match", "everything was as the catalogue says"),
    "deviates": ("D", "deviates", "it departs from the rule as the catalogue declares, with the reason"),
    "differs": ("X", "differs", "the program saw something else than the catalogue says"),
    "lab-error": ("E", "lab error", "the lab itself failed, or the fault left no trace: the play proves nothing"),
    "mixed": ("V", "varies", "repetitions of the same play do not agree"),
    "unsupported": ("N", "no such operation", "the language cannot do that"),
    "unavailable": ("U", "unavailable", "the machine of the record could not play it; the reason says why"),
    "not-played": ("–", "not played", "it is in no record"),
}
PHASES = ("connect", "bind", "accept", "established", "closing", "idle", "local", "resolve")
# Counters that are constants or only say that packets passed: never what a failure shows.
CONSTANT = (
    "TcpRto", "TcpMaxConn", "IpForwarding", "IpDefaultTTL", "IpExtIn", "IpExtOut", "IpIn", "IpOut", "Ip6", "Icmp6OutMLD", "Icmp6OutType",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the matrix: a scenario, and in which variants it looks like that where not in all."""

    scenario: str
    variants: str
    fields: Sequence[View | None]
    states: str
    runtimes_disagree: bool
    stacks_disagree: bool


@dataclass(frozen=True, slots=True)
class Table:
    """One way of looking at all plays."""

    id: str
    label: str
    caption: str
    columns: Sequence[tuple[str, str]]
    phases: Sequence[tuple[str, Sequence[Row]]]
    packed: bool = False
    """Whether the page has it as data only, for its script to draw: everything in it is in another table, too."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one runtime saw, step by step, wherever it saw just that."""

    runtime: str
    version: str
    where: str
    state: str
    steps: Mapping[int, tuple[str, Mapping[str, Any], bool]]
    """By number of the step: the symbol, the observation, and whether the symbol is only told by the words."""
    anchor: str
    cells: Sequence[Cell]


class Page:
    """All that the templates ask for. `pairs` are the records whose difference is shown."""

    def __init__(self, gathered: Gathered, pairs: Sequence[tuple[int, int]] | None = None, one_file: bool = False) -> None:
        self.gathered = gathered
        self.one_file = one_file
        self.cells = compare.cells(gathered)
        self.wheres = sorted({(k[3], k[4]) for k in self.cells}, key=lambda w: (w[0] == "no stack", w))
        backends: dict[str, set[str]] = defaultdict(set)
        for stack, backend in self.wheres:
            backends[stack].add(backend)
        self.stacks = sorted(backends.keys() - {"no stack"})
        self._several_backends = {stack for stack, found in backends.items() if len(found) > 1}
        missing = stacks.never_run(stack for stack, _ in self.wheres)
        self.never_run = [s.title for s in missing if not s.played]
        self.elsewhere = [s.title for s in missing if s.played]
        self.runtimes = sorted({k[2] for k in self.cells})
        self.versions = {r: self._versions(r) for r in self.runtimes}
        self.scenarios = sorted({k[0] for k in self.cells}, key=lambda s: (_phase_order(self.phase(s)), s))
        self._by_scenario: dict[str, list[Cell]] = defaultdict(list)
        for cell in self.cells.values():
            self._by_scenario[cell.key[0]].append(cell)
        self.anchors = _anchors(self.cells)
        self.examples = {s: _example(found) for s, found in self._by_scenario.items()}
        """By scenario the cell whose ladder is in the page in any case."""
        self.between_runtimes = compare.between_runtimes(self.cells, self.label)
        self.between_stacks = compare.between_stacks(self.cells, self.label)
        self.runtimes_disagree = {d.scenario for d in self.between_runtimes}
        self.stacks_disagree = {d.scenario for d in self.between_stacks}
        self.lines = {s: self._lines(s) for s in self.scenarios}
        """By scenario what each runtime saw, one line for all places where it saw the same in the same words."""
        self._line_of = {cell.key: line.anchor for found in self.lines.values() for line in found for cell in line.cells}
        self.tables = list(self._tables())
        self.states = STATES
        self.counts = Counter(c.state for c in self.cells.values())
        found = [(a, b, *compare.difference(gathered, a, b)) for a, b in (self._pairs() if pairs is None else pairs)]
        # Records that have no play in common have no difference either, unless somebody wants to see that.
        self.differences = [d for d in found if pairs is not None or d[3] or any(c.kind not in ("added", "removed") for c in d[2])]
        self.inline = sum(c.state not in compare.QUIET for c in self.cells.values()) <= INLINE
        self.folder = ""

    def _pairs(self) -> list[tuple[int, int]]:
        """Which records are held against each other unasked: two, or of more those that follow each other on the same stack."""
        sources = self.gathered.sources
        order = sorted(range(len(sources)), key=lambda n: str(sources[n].header["started"]))
        on: dict[int, set[tuple[str, str]]] = defaultdict(set)
        for p in self.gathered.plays:
            on[p.source].add(p.where)
        return [(a, b) for a, b in pairwise(order) if len(order) == 2 or on[a] & on[b]]

    def _versions(self, runtime: str) -> str:
        """Of those that played; of those that could not only where nobody did."""
        found = {(p.observed, p.version) for p in self.gathered.plays if p.runtime == runtime and p.version}
        return ", ".join(sorted(v for o, v in found if o == any(o for o, _ in found)))

    # ---- words -----------------------------------------------------------------------------------------------------

    def phase(self, scenario: str) -> str:
        """The phase of a connection's life that a scenario belongs to."""
        return str(self.gathered.scenarios.get(scenario, {}).get("phase", "other"))

    def about(self, scenario: str) -> Mapping[str, Any]:
        """What a scenario says of itself."""
        return self.gathered.scenarios.get(scenario, {})

    def label(self, stack: str, backend: str) -> str:
        """A stack's name, with the backend where that is needed to tell it."""
        return f"{stack} ({backend})" if stack in self._several_backends or stack == "no stack" else stack

    def neighbours(self, scenario: str) -> Mapping[str, str]:
        """Scenarios that give the same words, and how to tell them apart; said by either of the two."""
        found = {s["id"]: s["same_words"][scenario] for s in self.gathered.scenarios.values() if scenario in s.get("same_words", {})}
        return dict(sorted({**found, **self.about(scenario).get("same_words", {})}.items()))

    # ---- the matrix ------------------------------------------------------------------------------------------------

    def _tables(self) -> Iterator[Table]:
        """Everything over everything, and one for each stack and each runtime."""
        by_runtime = ([(r, self.versions[r]) for r in self.runtimes], lambda k: k[2], self.runtimes)
        by_stack = ([(self.label(*w), "") for w in self.wheres], lambda k: (k[3], k[4]), self.wheres)
        several = len(self.wheres) > 1
        on = ", on all stacks" if several else ""
        yield self._table("runtimes", f"runtimes{on}", f"Scenarios by runtime{on}", *by_runtime)
        for number, where in enumerate(self.wheres if several else (), start=1):
            name = self.label(*where)
            yield self._table(f"runtimes-{number}", f"runtimes, on {name}", f"Scenarios by runtime, on {name}", *by_runtime, _on(where))
        yield self._table("stacks", "stacks, all runtimes", "Scenarios by stack, over all runtimes", *by_stack)
        for r in self.runtimes if several else ():
            yield self._table(f"stacks-{slug(r)}", f"stacks, as {r} sees them", f"Scenarios by stack, as {r} sees them", *by_stack, _by(r))

    def _table(
        self,
        id_: str,
        label: str,
        caption: str,
        columns: Sequence[tuple[str, str]],
        column: Callable[[Key], Any],
        order: Sequence[Any],
        wanted: Callable[[Key], bool] | None = None,
    ) -> Table:
        phases: dict[str, list[Row]] = defaultdict(list)
        for scenario in self.scenarios:
            by_variant: dict[str, dict[Any, list[Cell]]] = defaultdict(lambda: defaultdict(list))
            for cell in self._by_scenario[scenario]:
                if wanted is None or wanted(cell.key):
                    by_variant[cell.key[1]][column(cell.key)].append(cell)
            alike: dict[tuple[Any, ...], tuple[list[str], list[View | None]]] = {}
            for variant, found in by_variant.items():
                fields = [compare.view(found.get(c, ())) for c in order]
                alike.setdefault(tuple(f.same if f else None for f in fields), ([], fields))[0].append(variant or "plain")
            for variants, fields in alike.values():
                states = " ".join(sorted({f.state if f else "not-played" for f in fields}))
                name = "" if len(alike) == 1 else ", ".join(variants)
                phases[self.phase(scenario)].append(
                    Row(scenario, name, fields, states, scenario in self.runtimes_disagree, scenario in self.stacks_disagree)
                )
        return Table(id_, label, caption, columns, list(phases.items()), packed=wanted is not None)

    def packed(self) -> tuple[Sequence[View], Mapping[str, Any]]:
        """The matrices that the script draws: every field there is once, and the rows, whose fields are numbers of those.

        `tables` by id: caption, columns, and by phase the rows: scenario, variants, states, and for each column the number of its field
        (from 1; 0 for none) and that of its target, which is a text to be put behind the scenario's anchor.
        """
        fields: dict[tuple[str, ...], tuple[int, View]] = {}
        targets: dict[str, int] = {}

        def numbers(row: Row) -> Iterator[int]:
            for f in row.fields:
                yield fields.setdefault(f.same, (len(fields) + 1, f))[0] if f else 0
                yield targets.setdefault(self.target(f.cell)[1].removeprefix(slug(row.scenario)), len(targets)) if f else 0

        tables = {}
        for t in self.tables:
            if t.packed:
                phases = []
                for phase, rows in t.phases:
                    lines = [(clean(r.scenario), clean(r.variants), r.states, list(numbers(r))) for r in rows]
                    phases.append((clean(phase), lines))
                tables[t.id] = (clean(t.caption), [(clean(name), clean(sub)) for name, sub in t.columns], phases)
        anchors = {clean(s): slug(s) for s in self.scenarios if slug(s) != s}
        return [f for _, f in fields.values()], {"folder": self.folder, "anchors": anchors, "targets": list(targets), "tables": tables}

    # ---- a section -------------------------------------------------------------------------------------------------

    def cells_of(self, scenario: str) -> Sequence[Cell]:
        """Its cells of which there is something to show, in the order they are shown."""
        shown = [c for c in self._by_scenario[scenario] if c.state not in compare.QUIET]
        return sorted(shown, key=lambda c: (c.key[2], c.key[1], c.key[3:]))

    def _lines(self, scenario: str) -> Sequence[Line]:
        alike: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
        for cell in self.cells_of(scenario):
            alike[cell.key[2], cell.state, cell.first.steps, cell.first.words].append(cell)
        return [self._line(several) for several in alike.values()]

    def _line(self, several: Sequence[Cell]) -> Line:
        first = several[0].first
        play = first.whole()
        steps = {}
        for o, (number, symbol) in zip(play["observations"], meanings(play), strict=True):
            steps[number] = (symbol, o, symbol != said(o))
        anchor = f"{self.anchors[several[0].key]}~words"
        return Line(first.runtime, first.version, self._places(several), several[0].state, steps, anchor, several)

    def absent(self, scenario: str) -> Sequence[tuple[str, str, str]]:
        """Who did not play it: state, why, and who on which stacks."""
        found: dict[tuple[str, str], dict[str, list[Cell]]] = defaultdict(lambda: defaultdict(list))
        for cell in self._by_scenario[scenario]:
            if cell.state in compare.QUIET:
                found[cell.state, cell.first.reason][cell.key[2]].append(cell)
        told = []
        for (state, reason), by_runtime in found.items():
            by_place: dict[str, list[str]] = defaultdict(list)
            for runtime, several in by_runtime.items():
                by_place[self._places(several)].append(runtime)
            told.append((state, reason, "; ".join(f"{', '.join(runtimes)}: {place}" for place, runtimes in by_place.items())))
        return told

    def _places(self, several: Sequence[Cell]) -> str:
        """`plain, ipv6 on linux-6.18`."""
        if len(self.wheres) == 1:
            return ", ".join(cell.key[1] or "plain" for cell in several)
        return "; ".join(compare.together((cell.key[1] or "plain", self.label(*cell.key[3:])) for cell in several))

    def causes(self, scenario: str) -> Sequence[tuple[str, str, str]]:
        """Who ended it and why, as the kernels say."""
        return told((cell.first for cell in self.cells_of(scenario)), self.label)

    def target(self, cell: Cell) -> tuple[str, str]:
        """Where its details are: the file, empty for this one, and the anchor."""
        if cell.state in compare.QUIET:
            return "", f"{slug(cell.key[0])}~not-played"
        if self.inline or cell == self.examples[cell.key[0]]:
            return "", self.anchors[cell.key]
        if self.one_file:
            return "", self._line_of[cell.key]
        return f"{self.folder}/{slug(cell.key[0])}.html", self.anchors[cell.key]

    def href(self, cell: Cell) -> str:
        """A link to there."""
        return "#".join(self.target(cell))

    def detail(self, cell: Cell) -> Mapping[str, Any]:
        """All there is to show of the cell's play."""
        seen = cell.first
        play = seen.whole()
        about = self.about(seen.scenario)
        rows = ladder.layout(ladder.rungs(play, str(about.get("observe", "client"))))
        return {
            "anchor": self.anchors[cell.key],
            "cell": cell,
            "seen": seen,
            "play": play,
            "rows": rows,
            "lines": lines(rows) if rows else "",
            "three": any(isinstance(row, ladder.Rung) and row.lane == "kernel" for row in rows),
            "counters": _counters(play, about),
            "command": command(seen),
            "source": self.gathered.sources[seen.source],
            "place": ", ".join(filter(None, [cell.key[1] or "plain", self.label(*seen.where)])),
            "headline": compare.headline(seen),
        }

    def search(self, scenario: str) -> str:
        """What a filter finds a scenario by."""
        about = self.about(scenario)
        symbols = {s.partition(" ")[2] for c in self._by_scenario[scenario] for s in c.first.steps}
        return " ".join([scenario, self.phase(scenario), str(about.get("title", "")), *sorted(symbols)]).lower()


def _example(found: Iterable[Cell]) -> Cell | None:
    """The play that shows best what happens: as the catalogue says, in the plain story, with all that the evidence can tell."""
    order = ("match", "deviates", "mixed", "differs", "lab-error")
    shown = [c for c in found if c.state in order and c.first.observed]
    return min(shown, key=lambda c: (order.index(c.state), c.key[1] != "", -c.first.accounts, c.key), default=None)


def _on(where: tuple[str, str]) -> Callable[[Key], bool]:
    return lambda key: key[3:] == where


def _by(runtime: str) -> Callable[[Key], bool]:
    return lambda key: key[2] == runtime


def _phase_order(phase: str) -> tuple[int, str]:
    return (PHASES.index(phase) if phase in PHASES else len(PHASES), phase)


def _anchors(found: Mapping[Key, Cell]) -> dict[Key, str]:
    """An anchor a cell: the same in every report that has it, and unique in this one."""
    used: set[str] = set()
    anchors = {}
    for key in found:
        scenario, variant, runtime, stack, backend = key
        anchor = wanted = "~".join(map(slug, (scenario, runtime, variant or "plain", stack, backend)))
        number = 1
        while anchor in used:
            number += 1
            anchor = f"{wanted}-{number}"
        used.add(anchor)
        anchors[key] = anchor
    return anchors


def command(seen: Seen) -> str:
    """The one command that plays it again."""
    return f"faultlab run {seen.scenario} --runtime {seen.runtime} --backend {seen.backend} --variant {seen.variant or 'plain'}"


def _counters(play: Mapping[str, Any], about: Mapping[str, Any]) -> Sequence[tuple[str, str, str]]:
    """Host, counters that the scenario is about, others that moved."""
    named = set(about.get("counters", {}))
    found = []
    for host, counters in play["evidence"].get("counters", {}).items():
        chosen = [f"{n} {counters.get(n, 0)}" for n in sorted({key.partition(" ")[2] for key in named if key.startswith(f"{host} ")})]
        rest = [f"{n} {v}" for n, v in counters.items() if v and f"{host} {n}" not in named and not n.startswith(CONSTANT)]
        found.append((host, ", ".join(chosen), ", ".join(rest)))
    return found


# ---- writing -----------------------------------------------------------------------------------------------------------------


@cache
def _environment() -> Any:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files("faultlab") / "report"

    def read(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    environment = Environment(
        loader=FunctionLoader(read), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, finalize=_shown
    )
    environment.filters |= {
        "duration": ladder.duration,
        "paragraphs": _paragraphs,
        "link": _link,
        "folded": _folded,
        "codes": _codes,
        "flat": _flat,
        "short": _short,
        "slug": slug,
    }
    environment.globals |= {
        "STATES": STATES,
        "KINDS": compare.KINDS,
        "css": lambda: Markup(read("page.css")),
        "js": lambda: Markup(read("page.js")),
    }
    return environment


def _shown(value: object) -> object:
    """Whatever a template shows is first made visible; escaping is Jinja's."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else clean(value)


def _paragraphs(text: str) -> Sequence[str]:
    return [p.strip() for p in text.split("\n\n") if p.strip()] or ["Nothing is said of this."]


def _link(text: str) -> str:
    return text if text.startswith(("https://", "http://")) else ""


def _folded(text: str) -> tuple[str, str]:
    """The beginning of somebody's words, and the rest."""
    return (text, "") if len(text) <= SHOWN + 40 else (text[:SHOWN], text[SHOWN:])


def _short(text: str) -> str:
    """What a row of a ladder has place for; the words are in the table of what was seen, whole."""
    return text if len(text) <= ROW_LONGEST else text[:ROW_LONGEST] + "…"


def _flat(value: object) -> str:
    """Evidence of any shape in one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_flat(v)}" for k, v in value.items())
    return ", ".join(map(_flat, value)) if isinstance(value, list) else str(value)


def _codes(text: str) -> Markup:
    """Backquoted words as code."""
    parts = [Markup.escape(clean(part)) for part in text.split("`")]
    if len(parts) % 2 == 0:
        return Markup("`").join(parts)
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def write(gathered: Gathered, path: Path, pairs: Sequence[tuple[int, int]] | None = None, one_file: bool = False) -> list[Path]:
    """Write the page, and beside it the ladders where they are too many for `one_file`. Returns the files, the page first."""
    page = Page(gathered, pairs, one_file)
    page.folder = f"{path.stem}-plays"
    written = [path]
    environment = _environment()
    template = environment.get_template("page.html.j2")
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(template.generate(page=page, gathered=gathered))
    if not (page.inline or one_file):
        folder = path.parent / page.folder
        folder.mkdir(exist_ok=True)
        one = environment.get_template("plays.html.j2")
        for scenario in page.scenarios:
            target = folder / f"{slug(scenario)}.html"
            with target.open("w", encoding="utf-8", errors="backslashreplace") as file:
                file.writelines(one.generate(page=page, gathered=gathered, scenario=scenario, back=path.name))
            written.append(target)
    return written
