"""Records: what was written comes back; what is not a whole record is refused, with the line and the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from faultlab.errors import RecordError
from faultlab.play import VERDICTS, Play
from faultlab.record import RecordWriter, _fits, _validator, header, parse, read, scan, schema
from faultlab.scenario import Observation

HEADER = header(["go"], ["netns"])
FOOTER = {"kind": "footer", "status": "complete", "ended": "2026-01-01T00:00:00+00:00", "plays": 1, "verdicts": {"match": 1}}
SEEN = Observation(
    op="recv", outcome="error", elapsed=0.1, errno="ECONNRESET", type="T", chain=("T", "U"), message="words ü \ud800", bytes=0, data=""
)


def played(scenario: str = "read-reset", **fields: Any) -> dict[str, Any]:
    return Play(
        **{"scenario": scenario, "runtime": "go", "backend": "netns", "verdict": "match", "observations": [SEEN], **fields}
    ).as_json()


PLAY = played()


def lines(*entries: Any) -> list[str]:
    return [json.dumps(entry) for entry in entries]


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert tuple(schema()["$defs"]["play"]["properties"]["verdict"]["enum"]) == VERDICTS


def test_round_trip(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "r.jsonl", HEADER)
    second = played("read-eof", verdict="differs", differences=["step 1"], variant="ipv6")
    writer.play(PLAY)
    writer.play(second)
    writer.close("complete")
    writer.close("interrupted")  # a second call does nothing
    record = read(tmp_path / "r.jsonl")
    assert record.header == HEADER
    assert record.plays == [PLAY, second]
    assert record.footer["status"] == "complete"
    assert (record.footer["plays"], record.footer["verdicts"]) == (2, {"match": 1, "differs": 1})


def test_every_line_is_there_when_it_was_played(tmp_path: Path) -> None:
    """A harness that is killed leaves what it played; reading it says that it was cut off."""
    writer = RecordWriter(tmp_path / "r.jsonl", HEADER)
    writer.play(PLAY)
    assert len((tmp_path / "r.jsonl").read_bytes().splitlines()) == 2
    with pytest.raises(RecordError, match="no footer: it was cut off, or the run was killed"):
        read(tmp_path / "r.jsonl")
    writer.close("interrupted")
    assert read(tmp_path / "r.jsonl").footer["status"] == "interrupted"


def test_line_separators_in_words(tmp_path: Path) -> None:
    """What Python takes for a line's end inside a message is none of the record's."""
    writer = RecordWriter(tmp_path / "r.jsonl", HEADER)
    writer.play(played(reason="a\u2028b\u0085c\x0cd"))
    writer.close("complete")
    assert read(tmp_path / "r.jsonl").plays[0]["reason"] == "a\u2028b\u0085c\x0cd"


def test_empty_lines_and_a_missing_last_newline_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text("\n\n".join(lines(HEADER, PLAY, FOOTER)), encoding="utf-8")
    assert len(read(tmp_path / "r.jsonl").plays) == 1


BROKEN: list[tuple[str, list[str], str]] = [
    ("empty", [], "x: the record is empty"),
    ("blank", ["", " "], "x: the record is empty"),
    ("no-header", lines(PLAY, FOOTER), "x:1: a record begins with its header"),
    ("footer-alone", lines(FOOTER), "x:1: a record begins with its header"),
    ("no-footer", lines(HEADER, PLAY), "x: the record has no footer"),
    ("cut-off", [*lines(HEADER), lines(PLAY)[0][:80]], "x:2: not JSON"),
    ("two-headers", lines(HEADER, HEADER, PLAY, FOOTER), "x:2: a second header"),
    ("two-records", lines(HEADER, PLAY, FOOTER, HEADER, PLAY, FOOTER), "x:4: there is a header after the footer"),
    ("play-after-footer", lines(HEADER, PLAY, FOOTER, PLAY), "x:4: there is a play after the footer"),
    ("two-footers", lines(HEADER, PLAY, FOOTER, FOOTER), "x:4: there is a footer after the footer"),
    ("newer", lines({**HEADER, "record": 2, "news": 1}, PLAY, FOOTER), "x:1: version 2 of the format; this lab reads up to 1"),
    ("older", lines({**HEADER, "record": 0}), "x:1: $.record"),
    ("too-few", lines(HEADER, PLAY, {**FOOTER, "plays": 2}), "x: the footer counts 2 plays, there are 1"),
    ("too-many", lines(HEADER, PLAY, PLAY, FOOTER), "x: the footer counts 1 plays, there are 2"),
    ("wrong-verdicts", lines(HEADER, PLAY, {**FOOTER, "verdicts": {"differs": 1}}), "x: the footer counts"),
    ("not-an-object", ["[]"], "x:1: $: [] is not of type 'object'"),
    ("null", ["null"], "x:1: $: None is not of type 'object'"),
    ("deep", ["[" * 100_000], "x:1: not JSON"),
    ("no-kind", lines({}), "x:1: $: 'kind' is a required property"),
    ("other-kind", lines({"kind": "note"}), "x:1: $.kind"),
    ("other-verdict", lines(HEADER, {**PLAY, "verdict": "fine"}, FOOTER), "x:2: $.verdict: 'fine' is not one of"),
    ("no-scenario", lines(HEADER, {k: v for k, v in PLAY.items() if k != "scenario"}), "x:2: $: 'scenario' is a required property"),
    ("scenario-is-a-path", lines(HEADER, {**PLAY, "scenario": "../x"}), "x:2: $.scenario"),
    ("observation", lines(HEADER, {**PLAY, "observations": [{"op": "x"}]}), "x:2: $.observations[0]: 'outcome' is a required property"),
    ("negative", lines(HEADER, {**PLAY, "elapsed": -1}), "x:2: $.elapsed: -1 is less than the minimum of 0"),
    ("nan", lines(HEADER, {**PLAY, "elapsed": float("nan")}), "x:2: not JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), [pytest.param(text, words, id=name) for name, text, words in BROKEN])
def test_not_a_record(text: list[str], words: str) -> None:
    with pytest.raises(RecordError) as caught:
        parse(text, "x")
    assert str(caught.value).startswith(words)
    assert len(str(caught.value)) < 500


FILES: list[tuple[str, Callable[[Path], object]]] = [
    ("missing", lambda path: None),
    ("folder", lambda path: path.mkdir()),
    ("latin-1", lambda path: path.write_bytes(b'{"kind": "h\xe9ader"}\n')),
    ("utf-16", lambda path: path.write_text(lines(HEADER)[0], encoding="utf-16")),
    ("binary", lambda path: path.write_bytes(bytes(range(256)))),
]


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in FILES])
def test_not_a_text_file(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "r.jsonl")
    with pytest.raises(RecordError, match=r"r\.jsonl: cannot be read: "):
        read(tmp_path / "r.jsonl")


def test_the_same_play_twice_is_kept() -> None:
    """`--repeat` plays a scenario often: plays are counted, not keyed."""
    record = parse(lines(HEADER, PLAY, PLAY, {**FOOTER, "plays": 2, "verdicts": {"match": 2}}), "x")
    assert len(record.plays) == 2


def described(**fields: Any) -> dict[str, Any]:
    return {"kind": "scenario", "id": "read-reset", "phase": "established", "title": "t", "doc": "d", "expected": [], **fields}


def test_a_scenario_is_described_once(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "r.jsonl", HEADER)
    data = {k: v for k, v in described().items() if k != "kind"}
    for _ in range(2):
        writer.scenario(data)
        writer.play(PLAY)
    writer.close("complete")
    record = read(tmp_path / "r.jsonl")
    assert record.scenarios == {"read-reset": described()}
    assert len(record.plays) == 2
    with pytest.raises(RecordError, match="x:3: the scenario read-reset is described twice"):
        parse(lines(HEADER, described(), described(), FOOTER), "x")


def test_a_record_that_was_cut_off_can_be_read_as_far_as_it_goes() -> None:
    cut = [*lines(HEADER, PLAY), lines(PLAY)[0][:50]]
    assert [entry["kind"] for _, entry in scan(cut, "x", whole=False)] == ["header", "play"]
    with pytest.raises(RecordError, match="x:3: not JSON"):
        list(scan(cut, "x"))
    with pytest.raises(RecordError, match="x:2: not JSON"):  # broken in the middle is not cut off
        list(scan([cut[0], cut[2], cut[1]], "x", whole=False))


MUTANTS = [None, True, 0, -1, 1.5, "", "x", [], {}, ["x"], [None], {"x": 1}]


@pytest.mark.parametrize("entry", [HEADER, PLAY, FOOTER, described()], ids=["header", "play", "footer", "scenario"])
def test_the_quick_check_never_accepts_what_the_schema_refuses(entry: dict[str, Any]) -> None:
    """Every field in turn taken away or replaced: what the compiled check lets pass, the library lets pass."""
    assert _fits()(entry) and _validator().is_valid(entry)
    mutants = [{k: v for k, v in entry.items() if k != key} for key in entry] + [
        {**entry, key: value} for key in entry for value in MUTANTS
    ]
    accepted = [m for m in mutants if _fits()(m)]
    assert accepted
    assert not [m for m in accepted if not _validator().is_valid(m)]
