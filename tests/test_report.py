"""The report: what it says of records, that it says nothing else, and that nobody's words can do anything to it."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import struct
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import records
from click.testing import CliRunner

from faultlab import ladder, record
from faultlab.cli import cli
from faultlab.errors import RecordError
from faultlab.record import scan
from faultlab.report import Gathered, compare, exports, gather
from faultlab.report.drawing import picture
from faultlab.report.page import INLINE, Page, write
from faultlab.report.pcapng import pcapng
from faultlab.report.text import clean, general

ALLOWED = {  # what the templates write; anything else came out of a record
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "svg",
    "symbol",
    "circle",
    "path",
    "rect",
    "text",
    "use",
    "g",
    "a",
    "header",
    "h1",
    "h2",
    "h3",
    "h4",
    "p",
    "nav",
    "ul",
    "li",
    "main",
    "section",
    "code",
    "b",
    "form",
    "label",
    "select",
    "option",
    "input",
    "button",
    "output",
    "div",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "small",
    "span",
    "i",
    "article",
    "q",
    "details",
    "summary",
    "dl",
    "dt",
    "dd",
    "kbd",
    "footer",
    "script",
    "template",
}


class Tags(HTMLParser):
    """Every element and attribute of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [v or "" for k, v in attrs if k == "id"]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def gathered(tmp_path: Path, *several: list[dict[str, Any]]) -> Gathered:
    return gather([records.save(tmp_path / f"{n}.jsonl", lines) for n, lines in enumerate(several)])


def page(tmp_path: Path, *several: list[dict[str, Any]]) -> str:
    write(gathered(tmp_path, *several), tmp_path / "report.html")
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def check(text: str) -> Tags:
    """Nothing in the page but what the templates write, and nothing that reaches out of it."""
    found = Tags(text)
    assert set(found.tags) <= ALLOWED
    assert found.tags.count("script") == 2 + ("template" in found.tags)
    assert not [value for name, value in found.attributes if name == "class" and not re.fullmatch(r"[\w -]+", value or "")]
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in ("src", "srcset", "action", "formaction", "style")]
    links = [v or "" for k, v in found.attributes if k in ("href", "xlink:href")]
    assert not [v for v in links if not v.startswith(("#", "http://", "https://", "../report.html#", "report-plays/"))]
    assert len(found.ids) == len(set(found.ids))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\ud800-\udfff]", text)
    return found


# ---- the page ---------------------------------------------------------------------------------------------------------------


def test_page_of_every_kind_of_play(tmp_path: Path) -> None:
    text = page(tmp_path, records.record([*records.mixture(), records.play("keepalive", "c")]))
    found = check(text)
    assert text.count("<h1>") == 1 and "http-equiv" in text
    for state in ("match", "deviates", "differs", "lab-error", "mixed", "unsupported", "unavailable"):
        assert f'class="i s-{state}"' in text and f'class="c-{state}"' in text, state
    words = "".join(found.text)
    assert (
        "Nobody listens" in words and "look at the operation" in words and "faultlab run read-reset --runtime java --backend netns" in words
    )
    assert 'class="seen"' in text and "ladder" in text and "TcpAttemptFails 1" in words and "IpForwarding" not in words
    assert "2 h 11 min" in words.replace("\xa0", " ") and "1/2" in words
    targets = {v[1:] for k, v in found.attributes if k == "href" and v and v.startswith("#")}
    assert targets <= set(found.ids)


def test_hidden_errnos_are_told_by_their_words(tmp_path: Path) -> None:
    """Java says no errno: the cell shows what its words stand for, and the line says that there was none."""
    g = gathered(tmp_path, records.record())
    seen = {(p.scenario, p.runtime): p.steps for p in g.plays}
    assert seen["connect-refused-rst", "java"] == ("connect ECONNREFUSED",)
    assert seen["read-reset", "java"] == ("connect ok", "recv ECONNRESET", "recv ECONNRESET")
    assert seen["connect-refused-rst", "node"] == ("connect EHOSTUNREACH",)
    assert "(no errno)" in page(tmp_path, records.record())


def test_same_records_same_page(tmp_path: Path) -> None:
    assert page(tmp_path, records.record()) == page(tmp_path, records.record())


def test_disagreements(tmp_path: Path) -> None:
    other = [p | {"stack": "gvisor"} for p in records.mixture() if p["verdict"] == "match"]
    other[0] |= {
        "observations": [records.error("connect", "ENETUNREACH", "no net")],
        "verdict": "differs",
        "differences": ["step 1 (connect): x"],
    }
    other[2] |= {"observations": [records.error("connect", "ECONNREFUSED", "other words")]}
    p = Page(gathered(tmp_path, records.record(), records.record(other, kernel="4.4", started="2026-02-01T00:00:00+00:00")))
    runtimes = {d.scenario: d for d in p.between_runtimes}
    assert [c.who for c in runtimes["read-reset"].camps] == [("go",), ("java",)]
    assert runtimes["read-reset"].camps[1].notes == (("", "the JDK repeats a reset"),)
    assert [c.undeclared for c in runtimes["connect-refused-rst"].camps] == [False, True]
    stacks = [(d.scenario, d.words_only, [c.who for c in d.camps]) for d in p.between_stacks]
    assert ("connect-ok", False, [("linux-6.18.1",), ("gvisor",)]) in stacks
    assert ("connect-refused-rst", True, [("gvisor",), ("linux-6.18.1",)]) in stacks
    assert [t.id for t in p.tables][:4] == ["runtimes", "runtimes-1", "runtimes-2", "stacks"]


def test_a_disagreement_is_told_once(tmp_path: Path) -> None:
    """Where fewer were played but saw the same it is the same disagreement; where one of them saw something else it is another."""

    def recv(runtime: str, errno: str, stack: str, variant: str | None = None) -> dict[str, Any]:
        seen = [records.ok("connect"), records.error("recv", errno, "x")]
        return records.play("read-reset", runtime, observations=seen, stack=stack, variant=variant, verdict="differs", differences=["x"])

    plays = [
        *(recv(r, e, s) for s in ("linux-6.18.1", "linux-6.12.1") for r, e in (("c", "ECONNRESET"), ("go", "EPIPE"), ("rust", "EPIPE"))),
        *(recv(r, e, "linux-6.1.1", v) for v in (None, "ipv6") for r, e in (("c", "ECONNRESET"), ("go", "EPIPE"))),
        *(recv(r, e, "gvisor") for r, e in (("c", "ECONNRESET"), ("go", "ENOTCONN"))),
        *(recv(r, "EPIPE", "freebsd") for r in ("c", "go")),
    ]
    p = Page(gathered(tmp_path, records.record(plays)))
    assert [([c.who for c in d.camps], d.where) for d in p.between_runtimes] == [
        ([("c",), ("go",)], ("plain on gvisor",)),
        ([("go", "rust"), ("c",)], ("plain, ipv6 on linux-6.1.1", "plain on linux-6.12.1, linux-6.18.1")),
    ]
    assert {d.common for d in p.between_runtimes} == {frozenset({0})}


def test_who_did_not_play_is_said_with_the_reason(tmp_path: Path) -> None:
    plays = [records.play("connect-ok", "c")]
    plays += [records.play("connect-ok", r, verdict="unavailable", reason=w, observations=[]) for r, w in (("go", "w"), ("php", "w"))]
    plays += [records.play("connect-ok", "node", verdict="unsupported", reason="never", variant="ipv6", observations=[])]
    p = Page(gathered(tmp_path, records.record(plays)))
    assert p.absent("connect-ok") == [("unavailable", "w", "go, php: plain"), ("unsupported", "never", "node: ipv6")]
    assert [c.key[2] for c in p.cells_of("connect-ok")] == ["c"]
    assert p.versions["c"] == "1.0"


def test_which_records_are_held_against_each_other(tmp_path: Path) -> None:
    def one(stack: str, day: int) -> list[dict[str, Any]]:
        plays = [records.play("connect-ok", stack=stack, elapsed=day)]
        return records.record(plays, started=f"2026-01-0{day}T00:00:00+00:00")

    assert [d[:2] for d in Page(gathered(tmp_path, one("a", 2), one("b", 1))).differences] == [(1, 0)]
    several = [one("a", 1), one("b", 2), one("b", 3), one("c", 4)]
    assert [d[:2] for d in Page(gathered(tmp_path, *several)).differences] == [(1, 2)]
    assert [d[:2] for d in Page(gathered(tmp_path, *several), [(0, 3), (3, 0)]).differences] == [(0, 3), (3, 0)]


def test_difference_between_two_records(tmp_path: Path) -> None:
    one = [records.play(s) for s in ("connect-ok", "connect-refused-rst", "read-reset", "keepalive")] + [records.play("read-reset", "java")]
    two = [*json.loads(json.dumps(one[:4])), records.play("connect-ok", "node")]
    two[0]["observations"][0] |= {"outcome": "error", "errno": "EPERM", "type": "E"}
    two[1]["observations"][0]["message"] = "dial tcp 203.0.113.9:1: refused"
    two[2]["evidence"]["segments"] = []
    two[3]["observations"][0]["elapsed"] = 130.0
    changes, same = compare.difference(gathered(tmp_path, records.record(one), records.record(two, catalogue="f00d")), 0, 1)
    assert [(c.kind, c.name) for c in changes] == [
        ("added", "connect-ok [node]"),
        ("removed", "read-reset [java]"),
        ("symbol", "connect-ok [go]"),
        ("words", "connect-refused-rst [go]"),
        ("time", "keepalive [go]"),
    ]
    assert same == 1


def test_addresses_and_ports_are_no_difference() -> None:
    assert (
        general("dial tcp 198.51.100.2:9000->[2001:db8::2]:1: x")
        == general("dial tcp 198.51.100.6:4->[2001:db8::7]:22: x")
        == "dial tcp ADDR->ADDR: x"
    )
    assert general("io::ErrorKind std::io") == "io::ErrorKind std::io"
    for address, port in (("198.51.100.2", 9000), ("::1", 2084)):
        assert general(f"(bind on address ('{address}', {port}))") == "(bind on address ('ADDR', PORT))"
        assert general(f'bind(2) for "{address}" port {port}') == 'bind(2) for "ADDR" port PORT'


def test_folders_of_the_lab_are_no_difference() -> None:
    for place in ("/mnt/tmpq_90cbgw", "/tmp/faultlab-3.24-omg9hpg9", "/var/folders/z/faultlab-1.2-a_b", "C:\\Users\\x\\faultlab-1.2-ab"):
        assert general(f"dial unix {place}: refused") == "dial unix PATH: refused"
        separator = "\\" if "\\" in place else "/"
        assert general(f"connect(2) for {place}{separator}socketxxx") == "connect(2) for PATH"
    assert general("no file /tmp/other/socket and /mnt/data") == "no file /tmp/other/socket and /mnt/data"


# ---- odd records ------------------------------------------------------------------------------------------------------------


def oddities(g: Gathered) -> list[str]:
    return sorted(o.name for o in g.oddities)


def test_partial_records_are_shown_as_such(tmp_path: Path) -> None:
    lines = records.record(status=None)
    path = records.save(tmp_path / "cut.jsonl", lines)
    path.write_text(path.read_text()[:-40], encoding="utf-8")  # the last line is broken off
    interrupted = records.save(tmp_path / "int.jsonl", records.record([records.play("connect-ok", "rust")], status="interrupted"))
    g = gather([path, interrupted])
    assert oddities(g) == ["cut-off", "interrupted"]
    assert [(s.letter, s.status, s.plays) for s in g.sources] == [("A", "cut off", len(records.mixture()) - 1), ("B", "interrupted", 1)]
    write(g, tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert "only a part of a run" in text and '<b class="undeclared">cut off</b>' in text
    assert "partial" in exports.badge(g)


def test_doubles_are_named(tmp_path: Path) -> None:
    same = records.record()
    g = gathered(tmp_path, same, same)
    assert oddities(g) == ["same-record"] and len(g.sources) == 1 and len(g.plays) == len(records.mixture())
    g = gathered(tmp_path, same, records.record(started="2026-03-01T00:00:00+00:00"))
    assert oddities(g) == ["copied-plays"] and len(g.plays) == len(records.mixture())
    assert compare.difference(g, 0, 1)[0] == []  # counted once, but in both
    g = gathered(tmp_path, records.record([records.play("connect-ok")]), records.record([records.play("connect-ok", elapsed=0.9)]))
    assert oddities(g) == ["played-again"] and len(g.plays) == 2


def test_other_catalogues_are_named(tmp_path: Path) -> None:
    newer = records.record([records.play("connect-ok", "rust")], catalogue="f00d", started="2026-06-01T00:00:00+00:00")
    newer[1] |= {"title": "News", "expected": [{"op": "connect", "result": "EPERM"}]}
    g = gathered(tmp_path, records.record(), newer)
    assert oddities(g) == ["other-catalogue"]
    assert "expect different things of connect-ok" in g.oddities[0].text
    assert g.scenarios["connect-ok"]["title"] == "News"


def test_records_without_words(tmp_path: Path) -> None:
    lines = [line for line in records.record() if line["kind"] != "scenario"]
    g = gathered(tmp_path, lines)
    assert oddities(g) == ["no-words"]
    check(page(tmp_path, lines))


def test_what_need_not_be_said(tmp_path: Path) -> None:
    """What the schema does not ask for may be missing, and words may be none."""
    bare = {k: v for k, v in records.play("read-reset").items() if k in record.schema()["$defs"]["play"]["required"] or k == "kind"}
    told = {"kind": "scenario", "id": "read-reset", "phase": "", "title": "", "doc": " ", "expected": []}
    lines = [records.header(), told, {**bare, "evidence": {}}, records.footer([bare])]
    check(page(tmp_path, lines))
    assert exports.junit(gathered(tmp_path, lines)) and exports.table(gathered(tmp_path, lines))


def test_nothing_played(tmp_path: Path) -> None:
    assert oddities(gathered(tmp_path, records.record([]))) == ["no-plays"]
    check(page(tmp_path, records.record([])))
    assert "nothing was played" in exports.badge(gathered(tmp_path, records.record([])))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "the record is empty"),
        ([*records.record(), *records.record()], "two records in one file?"),
        ([records.header(record=2), {"kind": "news"}], "version 2 of the format; this lab reads up to 1"),
        ([records.header(), records.scenario("keepalive"), records.scenario("keepalive")], "described twice"),
        ([records.header(), {"kind": "play"}, records.play("keepalive")], "is a required property"),
    ],
)
def test_no_record(tmp_path: Path, lines: list[Any], words: str) -> None:
    bad = records.save(tmp_path / "bad.jsonl", lines)
    good = records.save(tmp_path / "good.jsonl", records.record())
    with pytest.raises(RecordError, match=re.escape(words)):
        gather([good, bad])
    done = CliRunner().invoke(cli, ["report", str(good), str(bad), "-o", str(tmp_path / "r.html")])
    assert isinstance(done.exception, RecordError) and not (tmp_path / "r.html").exists()


# ---- many plays -------------------------------------------------------------------------------------------------------------


def test_too_many_for_one_file(tmp_path: Path) -> None:
    plays = [records.play(s, f"r{n}") for n in range(INLINE // 4 + 1) for s in records.SCENARIOS]
    g = gathered(tmp_path, records.record(plays))
    written = write(g, tmp_path / "report.html")
    assert [p.name for p in written] == ["report.html", "connect-ok.html", "connect-refused-rst.html", "read-reset.html", "keepalive.html"]
    text = written[0].read_text(encoding="utf-8")
    check(text)
    assert "has to stay beside this file" in text
    found = check(written[2].read_text(encoding="utf-8"))
    wanted = {
        v.split("#")[1] for k, v in Tags(text).attributes if k == "href" and v and v.startswith("report-plays/connect-refused-rst.html#")
    }
    assert wanted and wanted <= set(found.ids)


def test_many_plays_in_one_file(tmp_path: Path) -> None:
    """Every link leads to something in the page: to the one ladder of the failure, or to the words."""
    plays = [records.play(s, f"r{n}") for n in range(INLINE // 4 + 1) for s in records.SCENARIOS]
    plays.append(records.play("connect-ok", "mute", verdict="unavailable", reason="none here", observations=[]))
    made = write(gathered(tmp_path, records.record(plays)), tmp_path / "report.html", one_file=True)
    assert made == [tmp_path / "report.html"]
    found = check(made[0].read_text(encoding="utf-8"))
    links = {v for k, v in found.attributes if k == "href" and v and not v.startswith("http")}
    assert {v[1:] for v in links} <= set(found.ids) and "#connect-ok~not-played" in links
    assert "#connect-ok~r0~plain~linux-6.18.1~netns" in links and found.tags.count("details") >= 4


@pytest.mark.parametrize("option", ["-o", "--junit", "--csv", "--badge", "--disagreements"])
def test_folders_of_outputs_are_made(tmp_path: Path, option: str) -> None:
    run = str(records.save(tmp_path / "run.jsonl", records.record()))
    target = tmp_path / "new" / "folder" / "out"
    done = CliRunner().invoke(cli, ["report", run, option, str(target)])
    assert done.exit_code == 0 and target.exists()
    done = CliRunner().invoke(cli, ["report", run, option, str(target / "below-a-file")])
    assert done.exit_code == 2 and f"cannot write {target / 'below-a-file'}" in "".join(done.output.split("\n")[-4:])


def test_two_outputs_in_one_file_are_a_mistake(tmp_path: Path) -> None:
    run, out = str(records.save(tmp_path / "run.jsonl", records.record())), str(tmp_path / "out")
    done = CliRunner().invoke(cli, ["report", run, "--junit", out, "--csv", out])
    assert done.exit_code == 2 and "would be the same file" in done.output and not Path(out).exists()


# ---- the ladder -------------------------------------------------------------------------------------------------------------


def rows(times: list[float]) -> list[str]:
    found = [ladder.Rung(t, "client", "x") for t in times]
    return [r.text if isinstance(r, ladder.Pause) else "x" for r in ladder.layout(found)]


def test_pauses_are_folded_at_every_scale() -> None:
    assert rows([]) == [] and rows([5.0]) == ["x"]
    assert rows([0, 1e-6, 2e-6]) == ["x", "x", "x"]
    assert rows([0, 1e-4, 2e-4, 0.2, 0.2001]) == ["x", "x", "x", "199.8 ms pass", "x", "x"]
    assert rows([0, 7200, 7275, 7350]) == ["x", "2 h pass", "x", "75.00 s pass", "x", "75.00 s pass", "x"]


def test_every_drawing_has_every_rung() -> None:
    play = records.play("keepalive")
    play["evidence"]["segments"].append(records.segment(7200.0, "client", "A", proto="icmp", icmp="host-unreachable; #1"))
    found = ladder.layout(ladder.rungs(play))
    drawn = picture(found, "a <label>")
    ET.fromstring(drawn)
    for text in (drawn, ladder.mermaid(found)):
        assert "RA seq 0 ack 0" in text and "forged" in text and "2 h pass" in text and "recv ETIMEDOUT after 2 h 11 min 15 s" in text
    assert "host-unreachable#59; #35;1" in ladder.mermaid(found)
    assert drawn.count('class="lb"') == 1  # the call that lasted
    for words in ("sends RST: NO_SOCKET", "hands the socket ECONNREFUSED", "drops it: NETFILTER_DROP in nft_do_chain"):
        assert words in drawn and "kernel" in drawn
    assert "Note over server: kernel, 180 µs: sends RST: NO_SOCKET" in ladder.mermaid(found)


def test_the_kernels_account(tmp_path: Path) -> None:
    """Who did it and why stands in the scenario's section, the events in the ladder, each once; where there is none the play says why."""
    silent = records.play("connect-ok", evidence={"segments": [], "kernel": None, "kernel_silent": "no <tracefs>"})
    text = page(tmp_path, records.record([records.play("connect-refused-rst"), silent]))
    assert text.count("client hands the socket ECONNREFUSED") == 1 and "client’s kernel hands the socket ECONNREFUSED" in text
    assert "server’s kernel sends RST: NO_SOCKET <code>← tcp_v4_rcv</code>" in text and "no &lt;tracefs&gt;" in text
    assert text.count("RA seq 0 ack 0 (forged)") == 1


def test_states_that_follow_at_once_are_one_rung() -> None:
    play = records.play("connect-ok")
    states = [("LISTEN", "SYN_RECV", 0.0), ("SYN_RECV", "ESTABLISHED", 0.00001), ("ESTABLISHED", "CLOSE", 1.0)]
    event = {"at": "server", "what": "state", "local": 1, "remote": 2}
    play["evidence"]["kernel"] = [event | {"t": t, "was": was, "is": now} for was, now, t in states]
    found = [rung.label for rung in ladder.rungs(play) if rung.lane == "kernel"]
    assert found == ["server LISTEN → SYN_RECV → ESTABLISHED", "server ESTABLISHED → CLOSE"]


def test_packets_with_comments() -> None:
    data = pcapng(records.play("connect-ok"), "title")
    blocks, at = [], 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert length % 4 == 0 and struct.unpack_from("<I", data, at + length - 4)[0] == length
        blocks.append(kind)
        at += length
    assert blocks == [0x0A0D0D0A, 1, 6, 6]
    assert "server → client after 200 µs: forged by the lab".encode() in data
    with pytest.raises(ValueError, match="no packets"):
        pcapng(records.play("connect-ok", evidence={}), "title")


def test_packets_open_in_a_library(tmp_path: Path) -> None:
    from scapy.layers.inet import IP
    from scapy.utils import rdpcap

    (tmp_path / "x.pcapng").write_bytes(pcapng(records.play("connect-ok"), "title"))
    packets = rdpcap(str(tmp_path / "x.pcapng"))
    assert [p[IP].dst for p in packets] == ["198.51.100.2"] * 2
    assert packets[0].comment.decode() == "client → server after 100 µs"


# ---- other formats ----------------------------------------------------------------------------------------------------------


JUNIT: dict[str, tuple[str, str, str]] = {
    "testsuites": ("", "name time tests failures errors", "testsuite"),
    "testsuite": (
        "name tests failures errors",
        "group time skipped timestamp hostname id package file log url",
        "testsuite properties testcase system-out system-err",
    ),
    "properties": ("", "", "property"),
    "property": ("name value", "", ""),
    "testcase": ("name", "time classname group", "skipped error failure system-out system-err"),
    "skipped": ("", "type message", ""),
    "error": ("", "type message", ""),
    "failure": ("", "type message", ""),
    "system-out": ("", "", ""),
    "system-err": ("", "", ""),
}
"""What `junit-10.xsd` of Jenkins' xUnit plugin has: attributes that must be and may be there, elements inside."""


def test_junit_fits_the_schema_of_jenkins(tmp_path: Path) -> None:
    for element in ET.fromstring(exports.junit(gathered(tmp_path, records.record(source="<&\x00>")))).iter():
        must, may, inside = (set(words.split()) for words in JUNIT[element.tag])
        assert must <= element.attrib.keys() <= must | may and {child.tag for child in element} <= inside
        assert re.fullmatch(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?", element.get("time", ""))
        assert not len(element) or not (element.text or "").strip()


def test_junit(tmp_path: Path) -> None:
    root = ET.fromstring(exports.junit(gathered(tmp_path, records.record())))
    (suite,) = root
    assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "13",
        "failures": "2",
        "errors": "1",
        "skipped": "2",
    }
    assert [child.tag for child in suite] == ["properties", *["testcase"] * 13, "system-out", "system-err"]
    assert all({"name", "classname", "time"} == set(case.keys()) and len(case) <= 1 for case in suite.iter("testcase"))
    assert suite.get("timestamp") == "2026-01-01T00:00:00"


def test_ctrf(tmp_path: Path) -> None:
    made = json.loads(exports.ctrf(gathered(tmp_path, records.record())))
    assert made["reportFormat"] == "CTRF" and made["results"]["summary"] | {"start": 0, "stop": 0} == {
        "tests": 13,
        "passed": 8,
        "failed": 3,
        "skipped": 2,
        "pending": 0,
        "other": 0,
        "start": 0,
        "stop": 0,
    }
    assert made["results"]["summary"]["stop"] - made["results"]["summary"]["start"] == 60_000
    # What the schema that the package `ctrf` of npm carries (0.3.0) says of these; nothing else may be there.
    known = {"name", "status", "duration", "rawStatus", "suite", "tags", "extra", "message"}
    assert set(made) == {"reportFormat", "specVersion", "generatedBy", "results"} and re.fullmatch(r"\d+\.\d+\.\d+", made["specVersion"])
    assert set(made["results"]) == {"tool", "summary", "tests", "environment"} and set(made["results"]["tool"]) == {"name", "version"}
    assert all(type(number) is int for number in made["results"]["summary"].values())
    for t in made["results"]["tests"]:
        assert set(t) <= known and type(t["duration"]) is int and t["name"] and t["suite"]
        assert t["status"] in ("passed", "failed", "skipped", "pending", "other") and all(type(tag) is str for tag in t["tags"])


def test_csv(tmp_path: Path) -> None:
    plays = [
        records.play("connect-ok", "=cmd()"),
        records.play("connect-ok", "go", observations=[records.error("connect", "E", '@SUM(1)\r\n,"')]),
    ]
    lines = list(csv.DictReader(io.StringIO(exports.table(gathered(tmp_path, records.record(plays))))))
    assert [(line["runtime"], line["symbol"], line["message"]) for line in lines] == [("'=cmd()", "ok", ""), ("go", "E", "'@SUM(1)␍\n,\"")]


def test_markdown(tmp_path: Path) -> None:
    text = exports.markdown(gathered(tmp_path, records.record([*records.mixture(), records.play("connect-ok", "a|b<i>")])))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {6}
    assert "<i>" not in text and "`connect-refused-rst` ipv6" in text and "✗ EHOSTUNREACH differs" in text and "~ ETIMEDOUT" not in text


def test_badge(tmp_path: Path) -> None:
    ET.fromstring(made := exports.badge(gathered(tmp_path, records.record())))
    assert "8 of 11 as expected" in made


def test_command(tmp_path: Path) -> None:
    one = records.save(tmp_path / "a.jsonl", records.record())
    two = records.save(tmp_path / "b.jsonl", records.record([records.play("keepalive", "rust")], started="2026-02-01T00:00:00+00:00"))
    names = {name: tmp_path / f"out.{name}" for name in ("junit", "ctrf", "csv", "markdown", "badge")}
    options = [x for name, path in names.items() for x in (f"--{name}", str(path))]
    done = CliRunner().invoke(cli, ["report", str(one), str(two), "-o", str(tmp_path / "r.html"), "--diff", "A", "b.jsonl", *options])
    assert done.exit_code == 0, done.output
    assert "added    keepalive [rust]" in done.output and all(path.stat().st_size for path in names.values())
    for form, begin in (("mermaid", "sequenceDiagram"), ("svg", "<svg xmlns"), ("terminal", "read-reset as")):
        done = CliRunner().invoke(cli, ["ladder", str(one), "read-reset", "--as", form])
        assert done.exit_code == 0 and done.output.startswith(begin), done.output
    done = CliRunner().invoke(cli, ["report", str(one), "--diff", "A", "Z"])
    assert done.exit_code == 2


# ---- hostile and malformed --------------------------------------------------------------------------------------------------


def test_unseen_characters_are_made_visible() -> None:
    assert clean("a\x00b\x1b\x7f\x85\u202e\ud800\nc\té") == "a␀b␛␡\\u0085\\u202e\\ud800\nc\té"


def test_hostile_words_are_text(tmp_path: Path) -> None:
    text = page(tmp_path, records.record())
    found = check(text)
    assert "<script>document.title='owned'</script>" in "".join(found.text)
    assert "{{ 7*7 }}" in text and "10179 characters" in text.replace(str(len(records.HOSTILE)), "10179")


def tried(path: Path, rng: random.Random, lines: list[dict[str, Any]]) -> str:
    """One malformed record: refused with a name, or shown without a byte that is not text."""
    records.save(path, records.mangled(rng, lines))
    if rng.random() < 0.1:
        raw = bytearray(path.read_bytes())
        for _ in range(rng.randrange(1, 4)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        path.write_bytes(raw)
    try:
        g = gather([path])
    except RecordError as e:
        assert str(e).startswith(path.name) and len(str(e)) < 2000
        return "refused"
    write(g, path.parent / "report.html")
    check((path.parent / "report.html").read_text(encoding="utf-8"))
    ET.fromstring(exports.junit(g))
    for made in (exports.ctrf, exports.table, exports.markdown, exports.badge):
        assert "\x00" not in made(g)
    return "shown"


def test_malformed_records(tmp_path: Path) -> None:
    """FAULTLAB_FUZZ says how many; the same seed gives the same records."""
    count = int(os.environ.get("FAULTLAB_FUZZ", "400"))
    rng = random.Random(int(os.environ.get("FAULTLAB_SEED", "7")))
    mixture = [*records.mixture(), *({**p, "stack": "gvisor"} for p in records.mixture()[:4])]  # so that there are views for the script
    lines = [{**line, "reason": line["reason"][:200]} if line.get("reason") else line for line in records.record(mixture)]
    small = [
        [records.header(), *(records.scenario(p["scenario"]) for p in chosen), *chosen, records.footer(chosen)]
        for chosen in [*([p] for p in mixture), mixture[-2:]]
    ]
    outcomes = [tried(tmp_path / "fuzz.jsonl", rng, rng.choice([*small, lines])) for _ in range(count)]
    assert outcomes.count("shown") > count / 10 and outcomes.count("refused") > count / 10


def test_fast_check_and_schema_agree(tmp_path: Path) -> None:
    """What the compiled check lets through, the library does too."""
    from faultlab.record import _fits, _validator

    rng = random.Random(11)
    agreed = 0
    for _ in range(300):
        for entry in records.mangled(rng, records.record()[:4]):
            if _fits()(entry):
                assert _validator().is_valid(entry), entry
                agreed += 1
    assert agreed > 500
    assert all(_fits()(entry) for _, entry in scan([json.dumps(line) for line in records.record()], "x"))
