"""Cells, disagreements and differences: what the plays say when they are held against each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from faultlab.ladder import duration
from faultlab.report.gather import Gathered, Seen

STATES = ("differs", "lab-error", "mixed", "deviates", "match", "unsupported", "unavailable", "not-played")
"""Of several plays a cell shows the first of these."""
QUIET = ("unsupported", "unavailable")

Key = tuple[str, str, str, str, str]
"""scenario, variant, runtime, stack, backend"""


@dataclass(frozen=True, slots=True)
class Cell:
    """Every play of one scenario's variant by one runtime on one stack."""

    key: Key
    plays: tuple[Seen, ...]

    @property
    def state(self) -> str:
        """The verdict; `mixed` where repetitions do not agree."""
        return self.plays[0].verdict if len({(p.verdict, p.steps if p.played else ()) for p in self.plays}) == 1 else "mixed"

    @property
    def first(self) -> Seen:
        """The play that is shown for it: the one that needs looking at most."""
        return min(self.plays, key=lambda p: STATES.index(p.verdict))

    @property
    def note(self) -> str:
        """How many of the repetitions say what is shown."""
        if self.state != "mixed":
            return ""
        same = sum((p.verdict, p.steps) == (self.first.verdict, self.first.steps) for p in self.plays)
        return f"{same}/{len(self.plays)}"


def cells(gathered: Gathered) -> dict[Key, Cell]:
    """All cells, in the order of their keys."""
    found: dict[Key, list[Seen]] = defaultdict(list)
    for p in gathered.plays:
        found[p.scenario, p.variant, p.runtime, p.stack, p.backend].append(p)
    return {key: Cell(key, tuple(found[key])) for key in sorted(found)}


@dataclass(frozen=True, slots=True)
class View:
    """What a field of the matrix shows of one or more cells."""

    state: str
    head: str
    """The first thing that was not ok, or `ok`."""
    time: str
    """How long that took, where it was a second or more."""
    rest: str
    """What came after it."""
    note: str
    cell: Cell

    @property
    def same(self) -> tuple[str, ...]:
        """What makes two fields look alike."""
        return self.state, self.head, self.time, self.rest, self.note


def view(several: Sequence[Cell]) -> View | None:
    """One field of the matrix; None where nothing was played."""
    if not several:
        return None
    shown = min(several, key=lambda c: STATES.index(c.state))
    outcomes = Counter(c.first.steps for c in several if c.first.played)
    note = shown.note
    if len(outcomes) > 1:
        note = f"{len(outcomes)} answers"
    return View(shown.state, *headline(shown.first), note, shown)


def headline(play: Seen) -> tuple[str, str, str]:
    """What a play came to, in symbols: the first that is not ok, the time it took where it took one, and those after it."""
    if play.verdict in (*QUIET, "lab-error"):
        return "", "", ""
    notable: list[tuple[str, str]] = []
    for step, seconds in zip(play.steps, play.seconds, strict=True):
        symbol = step.partition(" ")[2]
        shown = symbol.upper() if symbol == "eof" else symbol
        if symbol != "ok" and (not notable or notable[-1][0] != shown):
            notable.append((shown, short(seconds) if seconds >= 1 else ""))
    if not notable:
        longest = max(play.seconds, default=0.0)
        return "ok", short(longest) if longest >= 1 else "", ""
    (head, time), *rest = notable
    return head, time, " ".join(f"→ {symbol} {after}".rstrip() for symbol, after in rest)


def short(seconds: float) -> str:
    """A time for a cell, its parts kept together: `1 s`, `2 h 11 min`."""
    text = f"{seconds:.2g} s" if seconds < 10 else duration(round(seconds)).replace(".00", "")
    return text.replace(" ", "\u00a0")


# ---- disagreements -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Camp:
    """Those who saw the same."""

    who: tuple[str, ...]
    steps: tuple[str, ...]
    notes: tuple[tuple[str, str], ...]
    """Why, where a departure is declared; and of whom that is said, where it is not said of all."""
    undeclared: bool
    """Whether it is against what the catalogue says, and nobody has said why."""
    words: tuple[str, ...] = ()
    """Where only the words differ: which."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Runtimes, or stacks, that saw different things in the same failure."""

    scenario: str
    where: tuple[str, ...]
    """In which variants, on which stacks or by which runtimes it is so."""
    camps: tuple[Camp, ...]
    words_only: bool = False

    @property
    def common(self) -> frozenset[int]:
        """The positions at which all camps saw the same."""
        return frozenset(n for n, seen in enumerate(zip(*(c.steps for c in self.camps), strict=False)) if len(set(seen)) == 1)


def between_runtimes(all_cells: Mapping[Key, Cell], label: Callable[[str, str], str]) -> list[Disagreement]:
    """Where runtimes disagree on the same stack."""
    return _disagreements(
        all_cells.values(),
        group=lambda k: (k[0], k[1], k[3], k[4]),
        member=lambda k: k[2],
        places=lambda keys: together((k[1] or "plain", label(k[3], k[4])) for k in keys),
    )


def between_stacks(all_cells: Mapping[Key, Cell], label: Callable[[str, str], str]) -> list[Disagreement]:
    """Where stacks disagree about the same runtime: in what happened, or only in its words."""
    return [
        disagreement
        for by_words in (False, True)
        for disagreement in _disagreements(
            all_cells.values(),
            group=lambda k: (k[0], k[1], k[2]),
            member=lambda k: label(k[3], k[4]),
            places=lambda keys: together(((k[1] or "plain", k[2]) for k in keys), "as {1} saw it ({0})"),
            by_words=by_words,
        )
    ]


def together(pairs: Iterable[tuple[str, str]], form: str = "{0} on {1}") -> tuple[str, ...]:
    """Pairs of a variant and a place as few phrases: `plain, ipv6 on linux-6.1, linux-6.12`."""
    by_place: dict[str, dict[str, None]] = defaultdict(dict)
    for variant, place in pairs:
        by_place[place][variant] = None
    by_variants: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for place, variants in by_place.items():
        by_variants[tuple(variants)].append(place)
    return tuple(form.format(", ".join(variants), ", ".join(places)) for variants, places in by_variants.items())


def _disagreements(
    found: Iterable[Cell],
    group: Callable[[Key], tuple[str, ...]],
    member: Callable[[Key], str],
    places: Callable[[Iterable[Key]], tuple[str, ...]],
    by_words: bool = False,
) -> list[Disagreement]:
    """One a scenario, where it is the same everywhere: a group in which fewer were played, but the same was seen, belongs to the larger."""

    def seen(cell: Cell) -> tuple[str, ...]:
        return cell.first.words if by_words else cell.first.steps

    groups: dict[tuple[str, ...], dict[str, Cell]] = defaultdict(dict)
    for cell in found:
        if cell.first.played:
            groups[group(cell.key)][member(cell.key)] = cell
    disagreeing = [
        (key[0], several)
        for key, several in groups.items()
        if len(set(map(seen, several.values()))) > 1 and not (by_words and len({c.first.steps for c in several.values()}) > 1)
    ]
    merged: list[tuple[str, list[dict[str, Cell]]]] = []
    for scenario, several in sorted(disagreeing, key=lambda d: -len(d[1])):
        for other, alike in merged:
            if other == scenario and all(m in alike[0] and seen(alike[0][m]) == seen(cell) for m, cell in several.items()):
                alike.append(several)
                break
        else:
            merged.append((scenario, [several]))
    result = []
    for scenario, alike in merged:
        camps: dict[tuple[str, ...], list[Cell]] = defaultdict(list)
        for several in alike:
            for cell in several.values():
                camps[seen(cell)].append(cell)
        told = [_camp(tuple(sorted({member(c.key) for c in who})), who, by_words) for who in camps.values()]
        told.sort(key=lambda c: (-len(c.who), c.undeclared, bool(c.notes), c.who))
        keys = sorted(next(iter(several.values())).key for several in alike)
        result.append(Disagreement(scenario, places(keys), tuple(told), by_words))
    return sorted(result, key=lambda d: (d.scenario, d.where))


def _camp(who: tuple[str, ...], several: Sequence[Cell], by_words: bool) -> Camp:
    first = several[0].first
    said: dict[str, list[str]] = defaultdict(list)
    for cell in several:
        play = cell.first.whole() if cell.first.verdict in ("match", "deviates") else {}
        for note in play.get("notes", ()):
            said[note].append(cell.key[2])
        if play and not play.get("notes"):
            for own, catalogues in zip(first.steps, play.get("expected", ()), strict=False):
                if own != catalogues:
                    said[f"{own.partition(' ')[2]} is how it says {catalogues.partition(' ')[2]}"].append(cell.key[2])
    everybody = {cell.key[2] for cell in several}
    notes = tuple((", ".join(sorted(set(of))) if set(of) != everybody else "", note) for note, of in said.items())
    words = tuple(" ".join(filter(None, w.split("\n")[1:])) for w in first.words) if by_words else ()
    return Camp(who, first.steps, notes, any(c.state in ("differs", "mixed") for c in several), words)


# ---- the difference between two records ------------------------------------------------------------------------------------

KINDS = {
    "added": "only in the second",
    "removed": "only in the first",
    "symbol": "another symbol",
    "verdict": "another verdict",
    "words": "the same symbols in other words",
    "time": "the same, in another time",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One play that two records do not agree on."""

    kind: str
    scenario: str
    play: str
    """Of which runtime, and which variant of it: `go ipv6`."""
    before: str
    after: str

    @property
    def name(self) -> str:
        """`read-reset [go ipv6]`."""
        return f"{self.scenario} [{self.play}]"


def difference(gathered: Gathered, one: int, two: int) -> tuple[list[Change], int]:
    """What changed from one record to the other, by the kind of change; and how many plays are the same in both."""
    sides: list[dict[tuple[str, ...], list[Seen]]] = [defaultdict(list), defaultdict(list)]
    plays = (*gathered.plays, *gathered.copies)
    backends = [{p.backend for p in plays if p.source == n} for n in (one, two)]
    several = max(map(len, backends)) > 1
    for p in plays:
        for side, number in zip(sides, (one, two), strict=True):
            if p.source == number:
                side[p.scenario, p.runtime, p.variant, p.backend if several else ""].append(p)
    changes: list[Change] = []
    same = 0
    for key in sorted(sides[0].keys() | sides[1].keys()):
        before, after = sides[0].get(key), sides[1].get(key)
        if before is None or after is None:
            kind = "added" if before is None else "removed"
        else:
            kind = _kind(before, after)
            same += not kind
        if kind:
            texts = [_told(side, kind) for side in (before, after)]
            changes.append(Change(kind, key[0], " ".join(filter(None, key[1:])), texts[0], texts[1]))
    order = list(KINDS)
    return sorted(changes, key=lambda c: (order.index(c.kind), c.name)), same


def _kind(before: Sequence[Seen], after: Sequence[Seen]) -> str:
    if (
        {p.steps for p in before if p.played} != {p.steps for p in after if p.played}
        and any(p.played for p in before)
        and any(p.played for p in after)
    ):
        return "symbol"
    if {p.verdict for p in before} != {p.verdict for p in after}:
        return "verdict"
    if {p.words for p in before if p.played} != {p.words for p in after if p.played}:
        return "words"
    # Half as long again and a tenth of a second more is what a scheduler does not do.
    for a, b in zip(before[0].seconds, after[0].seconds, strict=False):
        if max(a, b) - min(a, b) >= 0.1 and max(a, b) > 1.5 * min(a, b):
            return "time"
    return ""


def _told(plays: Sequence[Seen] | None, kind: str) -> str:
    if not plays:
        return ""
    play = plays[0]
    if kind == "words":
        return " · ".join(" ".join(filter(None, w.split("\n")[1:])) for w in play.words if w.strip() not in ("ok", "eof"))
    if kind == "time":
        return ", ".join(f"{s} {duration(t)}" for s, t in zip(play.steps, play.seconds, strict=True) if t >= 0.05)
    return f"{play.verdict}: {', '.join(play.steps)}" if play.played else play.verdict
