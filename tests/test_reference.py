"""The reference records, the list of disagreements made from them, and the systems that have none."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import records

from faultlab import catalogue, explain, stacks
from faultlab.disagreements import DECLARED, MARK, renewed
from faultlab.errors import RecordError
from faultlab.record import parse, read
from faultlab.report import Gathered, gather
from faultlab.report.page import Page

REPORTS = Path(__file__).parents[1] / "reports"
PACKED = sorted((REPORTS / "reference").glob("*.jsonl.gz"))
COMMAND = "faultlab report reports/reference/*.jsonl.gz --disagreements reports/README.md"
PAGE = "faultlab report reports/reference/*.jsonl.gz --one-file -o reports/reference.html"


def packed(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))
    return path


@cache
def reference() -> Gathered:
    return gather(PACKED)


def test_a_packed_record_is_read_as_it_is(tmp_path: Path) -> None:
    lines = records.record()
    path = packed(tmp_path / "run.jsonl.gz", lines)
    assert read(path).plays == parse([json.dumps(line) for line in lines], "run").plays
    assert len(gather([path]).plays) == len(read(path).plays)
    assert len(gather([packed(tmp_path / "run.jsonl", lines)]).plays) == len(read(path).plays)  # whatever it is called


@pytest.mark.parametrize("spoil", [lambda b: b[: len(b) // 2], lambda b: b[:20] + b"\0\0\0\0" + b[24:], lambda b: b[:2]])
def test_a_packed_record_that_is_broken_is_no_record(tmp_path: Path, spoil: Any) -> None:
    path = packed(tmp_path / "run.jsonl.gz", records.record())
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(RecordError, match=r"run\.jsonl\.gz"):
        read(path)
    with pytest.raises(RecordError, match=r"run\.jsonl\.gz"):
        gather([path])


def test_the_list_of_disagreements_is_what_the_command_would_write() -> None:
    text = (REPORTS / "README.md").read_text(encoding="utf-8")
    made = renewed(text, reference(), catalogue.load())
    assert text == made, f"the catalogue or the records say something else by now; run: {COMMAND}"


def test_every_declared_departure_is_in_the_list() -> None:
    declared = (REPORTS / "README.md").read_text(encoding="utf-8").partition(DECLARED)[2]
    missing = [(e.id, d.note) for e in catalogue.load().values() for d in e.scenario.deviations if d.note not in declared]
    assert not missing, f"run: {COMMAND}"


def test_what_is_written_by_hand_stays() -> None:
    made = renewed(f"# Mine\n\nwords\n\n{MARK}\nold\n", reference(), {})
    assert made.startswith(f"# Mine\n\nwords\n\n{MARK}\n")
    assert "\nold\n" not in made


def test_reference_records_are_whole_and_small() -> None:
    assert PACKED
    assert sum(p.stat().st_size for p in PACKED) <= 350 * len(reference().plays)
    assert {s.status for s in reference().sources} == {"complete"}


def test_the_page_is_made_from_these_records() -> None:
    """It is not compared letter by letter: a change of its looks need not change a file of megabytes."""
    page = REPORTS / "reference.html"
    text = page.read_text(encoding="utf-8")
    for source in reference().sources:
        assert f"{source.header['catalogue']}, {source.header['started']}" in text, f"{source.name}: run: {PAGE}"
    assert f"from {len(reference().plays)} plays in {len(PACKED)} records" in text
    assert page.stat().st_size <= 6_000_000


def test_stacks_say_when_they_were_played() -> None:
    for stack in stacks.known():
        dates = {
            str(source.header["started"])[:10]
            for number, source in enumerate(reference().sources)
            if any(p.source == number and p.stack.startswith(stack.begins) for p in reference().plays)
        }
        assert (stack.played in dates) if dates else not stack.played, f"{stack.title}: {stack.played!r}, its records are of {dates}"


def test_never_run_is_said_wherever_stacks_are(tmp_path: Path) -> None:
    missing = [s.title for s in stacks.known() if not s.played]
    assert missing == [s.title for s in stacks.never_run(p.stack for p in reference().plays)]
    text = explain.page("connect-ok", catalogue.load())
    assert text is not None
    page = Page(gather([records.save(tmp_path / "r.jsonl", records.record())]))
    for title in missing:
        assert title in text
        assert title in page.never_run
    assert {"Linux 6.18", "Linux 6.12"}.isdisjoint(page.never_run)
    assert "Linux 6.12" in page.elsewhere and "Linux 6.18" not in page.elsewhere


def test_plays_that_were_not_begun_are_no_copies_of_each_other(tmp_path: Path) -> None:
    never = records.play("connect-ok", verdict="unavailable", stack=None, observations=[], evidence={}, elapsed=1e-06)
    paths = [
        records.save(tmp_path / f"{n}.jsonl", records.record([never, records.play("read-reset", elapsed=n)], kernel=f"6.{n}"))
        for n in (1, 2)
    ]
    found = gather(paths)
    assert "copied-plays" not in {o.name for o in found.oddities}
    assert len(found.plays) == 4
