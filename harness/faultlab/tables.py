"""Tables across scenarios: what people quote wrongly, the questions they ask, and the claims they repeat.

The data files name scenarios and steps (`tables.toml`, `questions.toml`, and `claims.toml` beside the myths); what stands in a cell is
taken from the scenarios, which are played, and is never written a second time. A reference is `id`, `id@variant` or `id@variant#3,4`
(steps, counted from 1).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from faultlab import catalogue
from faultlab.catalogue import Entry
from faultlab.explain import NO_ERROR, said, times
from faultlab.runtimes import all_runtimes
from faultlab.scenario import Expected

HERE = Path(__file__).parent
QUESTION = "question-"
JUDGED = ("false", "half true", "true only on", "true", "not judged")
"""What becomes of a claim; a clause may follow."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A scenario, or some of its steps, in the sequence of a variant."""

    entry: Entry
    variant: str | None
    steps: tuple[int, ...]

    @property
    def name(self) -> str:
        """How it is played: `id`, or `id (variant)`."""
        return f"`{self.entry.id}`" + (f" ({self.variant})" if self.variant else "")

    @property
    def sequence(self) -> Sequence[Expected]:
        """What a program has to see."""
        return self.entry.scenario.expected_for(self.variant)

    def wire(self) -> tuple[Sequence[str], Sequence[str]]:
        """What must be, and what must not be, on the wire."""
        return self.entry.scenario.wire_for(self.variant)


def ref(text: str, entries: Mapping[str, Entry]) -> Ref:
    """Read a reference. Raises LookupError where there is no such scenario, variant or step."""
    name, _, numbers = text.partition("#")
    id_, _, variant = name.partition("@")
    entry = entries[id_]
    if variant and variant not in entry.scenario.variants:
        raise LookupError(f"{id_} has no variant {variant}")
    steps = tuple(int(n) for n in numbers.split(",")) if numbers else ()
    found = Ref(entry, variant or None, steps)
    if missing := [n for n in steps if not 1 <= n <= len(found.sequence)]:
        raise LookupError(f"{name} has no step {missing[0]}")
    return found


@cache
def data() -> tuple[Mapping[str, Any], Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """The tables and the questions by id, and the claims."""
    tables = tomllib.loads((HERE / "tables.toml").read_text(encoding="utf-8"))["table"]
    questions = tomllib.loads((HERE / "questions.toml").read_text(encoding="utf-8"))["question"]
    claims = tomllib.loads((catalogue.folder() / "myths" / "claims.toml").read_text(encoding="utf-8"))["claim"]
    return {t["id"]: t for t in tables}, {QUESTION + q["id"]: q for q in questions}, claims


def topics() -> list[str]:
    """The words there is a page about."""
    tables, questions, _ = data()
    return [*tables, *questions, "claims"]


def page(word: str, entries: Mapping[str, Entry]) -> str | None:
    """The page of that name, in Markdown; None where there is none."""
    tables, questions, claims = data()
    if word in tables:
        return table_page(tables[word], entries)
    if word in questions:
        return question_page(questions[word], entries)
    return claims_page(claims) if word == "claims" else None


def table_page(table: Mapping[str, Any], entries: Mapping[str, Entry]) -> str:
    """One table: its rows name a reference for each cell, or one scenario of which each column shows something."""
    rows = []
    for row in table["row"]:
        if "scenario" in row:
            one = ref(row["scenario"], entries)
            rows.append([row.get("says", ""), *(SHOWN[what](one) for what in table["show"]), one.name])
            continue
        cells = [ref(cell, entries) if cell else None for cell in row["cells"]]
        names = dict.fromkeys(r.name for r in cells if r)
        rows.append([row["says"], *(_steps(r) if r else "–" for r in cells), ", ".join(names)])
    head = [table["rows"], *table["columns"], "play it"]
    return f"# {table['title']}\n\n{table['about']}\n\n{_markdown(head, rows)}"


def question_page(question: Mapping[str, Any], entries: Mapping[str, Entry]) -> str:
    """A question, its answer in a sentence, and side by side the scenarios that settle it."""
    head = ["scenario", "what happens", "the program sees", "on the wire", *question.get("words", ()), "how to tell"]
    rows = []
    for text in question["scenarios"]:
        one = ref(text, entries)
        words = [_words(one, name) for name in question.get("words", ())]
        rows.append([one.name, SHOWN["title"](one), SHOWN["seen"](one), SHOWN["wire"](one), *words, SHOWN["diagnose"](one)])
    return f"# {question['asks']}\n\n{question['answer']}\n\n{_markdown(head, rows)}"


def claims_page(claims: Sequence[Mapping[str, Any]]) -> str:
    """All claims, what became of them, and the plays that show it."""
    shown = [[", ".join(f"`{s}`" for s in c["scenarios"]), c.get("why", "")] for c in claims]
    rows = [[str(c["number"]), c["says"], c["judged"], "; ".join(filter(None, how))] for c, how in zip(claims, shown, strict=True)]
    judged = [next(j for j in JUDGED if c["judged"].startswith(j)) for c in claims]
    counts = ", ".join(f"{judged.count(word)} {word}" for word in JUDGED)
    head = ["", "it is said", "judged", "the plays that show it"]
    about = "What five much-read articles say about the TCP errors of Go programs, in our words."
    return f"# Claims, judged by plays\n\n{about}\n{len(claims)} claims: {counts}.\n\n{_markdown(head, rows)}"


# ---- what a cell shows ---------------------------------------------------------------------------------------------


def _steps(one: Ref) -> str:
    return ", then ".join(f"**{e.result}**{times(e)}" for e in (one.sequence[n - 1] for n in one.steps))


def _seen(one: Ref) -> str:
    """The sequence, in which an operation that says ok so many times in a row stands once."""
    parts: list[tuple[str, int]] = []
    for e in one.sequence:
        text = f"{e.op} {'ok' if e.result == 'ok' else f'**{e.result}**'}{times(e)}"
        parts = [*parts[:-1], (text, parts[-1][1] + 1)] if parts and parts[-1][0] == text else [*parts, (text, 1)]
    return ", ".join(text + (f" ×{n}" if n > 1 else "") for text, n in parts)


def _wire(one: Ref) -> str:
    must, never = one.wire()
    return " ".join(f"`{w}`" for w in must) + ("; never " + " ".join(f"`{w}`" for w in never) if never else "")


def _who(pattern: str) -> str:
    """Whose segment it is: `> ` is the client's; the lab's own is an attacker's, or that of something in between."""
    return {">": "the client", "<": "the server"}[pattern[0]] + ("'s, forged" if pattern.endswith("!") else "")


def _reset(one: Ref) -> str:
    """Who resets, and what was last on the wire before."""
    must, never = one.wire()
    at = next((n for n, w in enumerate(must) if "R" in w.partition("/")[0]), None)
    if at is None:
        return "nobody" if {"> R*", "< R*"} <= set(never) else "–"
    return f"{_who(must[at])} (`{must[at]}`)" + (f", after {_who(must[at - 1])}'s `{must[at - 1]}`" if at else "")


def _first_fin(one: Ref) -> str:
    """Who closes first: whose FIN the wire shows first."""
    return next((_who(w) for w in one.wire()[0] if "F" in w.partition("/")[0]), "nobody")


def _settings(one: Ref) -> str:
    s = one.entry.scenario
    return ", ".join(f"`{k.removeprefix('net.ipv4.')}={v}`" for k, v in {**s.settings, **s.shortened}.items()) or "–"


SHOWN = {
    "title": lambda one: one.entry.scenario.title,
    "observed": lambda one: one.entry.scenario.observe,
    "diagnose": lambda one: one.entry.scenario.diagnose,
    "seen": _seen,
    "steps": lambda one: ", then ".join(f"{e.op} **{e.result}**{times(e)}" for e in (one.sequence[n - 1] for n in one.steps)),
    "wire": _wire,
    "reset": _reset,
    "first-fin": _first_fin,
    "settings": _settings,
}
"""What a column may show of a scenario."""


def _words(one: Ref, name: str) -> str:
    """How a runtime puts the first step that fails, its declared departures included."""
    s, runtime = one.entry.scenario, all_runtimes()[name]
    if s.kind != runtime.kind or (s.only and name not in s.only):
        return "–"
    away = {d.step: d for d in (*runtime.habits(s, one.variant), *s.deviations) if d.applies(name, one.variant, "linux-")}
    for number, step in enumerate(one.sequence, start=1):
        d = away.get(number)
        if d and step.result in d.either:
            d = None  # a race lost now and then: what the others see is what it says, too
        result = d.sees if d else step.result
        if result == "unsupported" or step.op in runtime.unsupported:
            return "(cannot)"
        if result not in (*NO_ERROR, "absent"):
            return said(name, replace(step, result=result), d.words if d else None)
    return "no error"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "¦") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
