"""The tables across scenarios: what they name exists, and what stands in them is the scenarios'."""

from __future__ import annotations

from typing import Any

import pytest

from faultlab import catalogue, tables
from faultlab.runtimes import all_runtimes
from faultlab.tables import JUDGED, SHOWN, ref

CATALOGUE = catalogue.load()
TABLES, QUESTIONS, CLAIMS = tables.data()
CELLS = [pytest.param(t, row, id=f"{t['id']}-{n}") for t in TABLES.values() for n, row in enumerate(t["row"], start=1)]


@pytest.mark.parametrize(("table", "row"), CELLS)
def test_rows(table: dict[str, Any], row: dict[str, Any]) -> None:
    """Each cell names steps that there are, and of the operation that its column is about; each show something there is."""
    if "scenario" in row:
        assert set(table["show"]) <= SHOWN.keys() and len(table["show"]) == len(table["columns"])
        one = ref(row["scenario"], CATALOGUE)
        assert "steps" not in table["show"] or one.steps, f"{row['scenario']}: say which steps, behind a #"
        return
    assert len(row["cells"]) == len(table["columns"]) == len(table["operations"]), row["says"]
    for cell, op in zip(row["cells"], table["operations"], strict=True):
        if cell:
            one = ref(cell, CATALOGUE)
            wrong = [n for n in one.steps if one.sequence[n - 1].op != op]
            assert one.steps and not wrong, f"{row['says']}: {cell} is no {op}"


def test_resets_are_on_the_wire() -> None:
    """Who resets is told by the wire's patterns, or that nobody does."""
    for row in TABLES["table-resets"]["row"]:
        assert SHOWN["reset"](ref(row["scenario"], CATALOGUE)) != "–", f"{row['scenario']}: neither a RST in wire, nor both ways in never"


def test_the_fifteen_questions() -> None:
    assert len(QUESTIONS) == 15
    for name, question in QUESTIONS.items():
        assert len(question["scenarios"]) >= 2, f"{name}: side by side takes two"
        assert len(set(question["scenarios"])) == len(question["scenarios"]), f"{name}: a scenario is there twice"
        assert question["asks"].endswith("?") and question["answer"].endswith(".")
        unknown = set(question.get("words", ())) - all_runtimes().keys()
        assert not unknown, f"{name}: no such runtime: {unknown}"
        for text in question["scenarios"]:
            assert not ref(text, CATALOGUE).steps, f"{name}: whole scenarios, not steps: {text}"


def test_the_claims_of_the_articles() -> None:
    assert [c["number"] for c in CLAIMS] == list(range(1, 47))
    for claim in CLAIMS:
        what = f"claims.toml: claim {claim['number']}"
        assert claim["judged"].startswith(JUDGED), f"{what}: {claim['judged']!r} begins with none of {JUDGED}"
        assert claim["scenarios"] or claim.get("why"), f"{what}: name the plays that show it, or say why none can"
        for text in claim["scenarios"]:
            ref(text, CATALOGUE)


def test_every_myth_agrees_with_its_claim() -> None:
    for claim in CLAIMS:
        for id_ in claim["scenarios"]:
            judged = ref(id_, CATALOGUE).entry.scenario.judged
            if len(claim["scenarios"]) == 1 and judged and not claim["judged"].startswith("half"):
                assert claim["judged"].startswith(judged), f"claim {claim['number']} is judged {claim['judged']!r}, {id_} {judged!r}"


@pytest.mark.parametrize("word", tables.topics())
def test_pages(word: str) -> None:
    """Every page is one table, each line of which has the columns of its head."""
    page = tables.page(word, CATALOGUE)
    assert page is not None
    lines = [line for line in page.splitlines() if line.startswith("|")]
    assert len(lines) > 3 and len({line.count("|") for line in lines}) == 1


def test_no_such_page() -> None:
    assert tables.page("table-of-contents", CATALOGUE) is None


@pytest.mark.parametrize("text", ["no-such-scenario", "read-eof@no-such-variant", "read-eof#9", "read-eof#0"])
def test_a_reference_to_nothing(text: str) -> None:
    with pytest.raises(LookupError):
        ref(text, CATALOGUE)
