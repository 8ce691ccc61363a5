"""The same plays for other tools: JUnit XML, CTRF JSON, CSV, a Markdown table, a badge."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

from faultlab.report.compare import QUIET, Cell, View, cells, view
from faultlab.report.gather import Gathered, Seen
from faultlab.report.text import clean

GOOD = ("match", "deviates")


def name(seen: Seen) -> str:
    """`read-eof [go ipv6 netns linux-6.18]`."""
    return f"{seen.scenario} [{' '.join(filter(None, (seen.runtime, seen.variant, seen.backend, seen.stack)))}]"


def why(play: Mapping[str, Any]) -> str:
    """What a play has to say for itself besides its verdict."""
    return clean("\n".join([*play["differences"], *([play["reason"]] if play.get("reason") else [])]))


def junit(gathered: Gathered) -> str:
    """A suite a record, in the order that the schema of JUnit's Ant task wants."""
    root = ET.Element("testsuites")
    for number, source in enumerate(gathered.sources):
        plays = [p for p in gathered.plays if p.source == number]
        counts = Counter(p.verdict for p in plays)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=clean(source.name) or "record",
            package="faultlab",
            id=str(number),
            hostname="localhost",
            timestamp=_moment(source.header["started"]).strftime("%Y-%m-%dT%H:%M:%S"),
            tests=str(len(plays)),
            failures=str(counts["differs"]),
            errors=str(counts["lab-error"]),
            skipped=str(sum(counts[v] for v in QUIET)),
            time=f"{sum(p.elapsed for p in plays):.6f}",
        )
        properties = ET.SubElement(suite, "properties")
        for key in ("lab", "catalogue", "system", "distribution", "kernel", "machine"):
            ET.SubElement(properties, "property", name=key, value=clean(str(source.header.get(key) or "")))
        ET.SubElement(properties, "property", name="status", value=source.status)
        for p in plays:
            case = ET.SubElement(suite, "testcase", name=clean(name(p)), classname=f"faultlab.{p.scenario}", time=f"{p.elapsed:.6f}")
            if p.verdict in GOOD:
                continue
            text = why(p.whole()) or p.verdict
            if p.verdict in QUIET:
                ET.SubElement(case, "skipped", message=text)
            else:
                what = ET.SubElement(case, "failure" if p.verdict == "differs" else "error", type=p.verdict, message=text.split("\n")[0])
                what.text = text
        ET.SubElement(suite, "system-out").text = "\n".join(f"{o.name}: {clean(o.source)} {clean(o.text)}" for o in gathered.oddities)
        ET.SubElement(suite, "system-err").text = ""
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def ctrf(gathered: Gathered) -> str:
    """Common Test Report Format, ctrf.io."""
    status = {
        "match": "passed",
        "deviates": "passed",
        "differs": "failed",
        "lab-error": "failed",
        "unsupported": "skipped",
        "unavailable": "skipped",
    }
    tests = []
    for p in gathered.plays:
        test: dict[str, Any] = {
            "name": clean(name(p)),
            "status": status[p.verdict],
            "duration": round(p.elapsed * 1000),
            "rawStatus": p.verdict,
            "suite": [clean(gathered.sources[p.source].name), p.scenario],
            "tags": [t for t in (clean(p.runtime), clean(p.backend), clean(p.variant)) if t],
            "extra": {
                "runtime": clean(p.runtime),
                "version": clean(p.version),
                "stack": clean(p.stack),
                "variant": clean(p.variant) or None,
                "steps": [clean(s) for s in p.steps],
            },
        }
        if p.verdict not in GOOD:
            test["message"] = why(p.whole()) or p.verdict
        tests.append(test)
    counts = Counter(t["status"] for t in tests)
    starts = [_moment(s.header["started"]) for s in gathered.sources]
    stops = [_moment(s.ended) if s.ended else start for s, start in zip(gathered.sources, starts, strict=True)]
    first = gathered.sources[0]
    return (
        json.dumps(
            {
                "reportFormat": "CTRF",
                "specVersion": "1.0.0",
                "generatedBy": "faultlab",
                "results": {
                    "tool": {"name": "faultlab", "version": clean(first.header["lab"])},
                    "summary": {
                        "tests": len(tests),
                        **{s: counts[s] for s in ("passed", "failed", "skipped", "pending", "other")},
                        "start": _milliseconds(min(starts)),
                        "stop": max(_milliseconds(max(stops)), _milliseconds(min(starts))),
                    },
                    "tests": tests,
                    "environment": {"osPlatform": clean(first.header["system"]), "osRelease": clean(first.header["kernel"])},
                },
            },
            indent=1,
        )
        + "\n"
    )


PLAY = ("record", "status", "scenario", "phase", "runtime", "version", "variant", "stack", "backend", "verdict")
OPERATION = ("step", "op", "symbol", "errno", "type", "chain", "message", "seconds")


def table(gathered: Gathered) -> str:
    """CSV: a line an operation, so that a spreadsheet can ask who says what where; a play that saw nothing has one line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((*PLAY, *OPERATION))
    for p in gathered.plays:
        play = p.whole()
        source = gathered.sources[p.source]
        phase = gathered.scenarios.get(p.scenario, {}).get("phase", "")
        left = (source.name, source.status, p.scenario, phase, p.runtime, p.version, p.variant, p.stack, p.backend, p.verdict)
        for number, (o, step) in enumerate(zip(play["observations"], p.steps, strict=True), start=1):
            right = (
                number,
                o["op"],
                step.partition(" ")[2],
                o.get("errno", ""),
                o.get("type", ""),
                " > ".join(o.get("chain", ())),
                o.get("message", ""),
                o["elapsed"],
            )
            writer.writerow([_cell(v) for v in (*left, *right)])
        if not p.steps:
            writer.writerow([_cell(v) for v in (*left, "", "", "", "", "", "", why(play), "")])
    return out.getvalue()


def _cell(value: object) -> object:
    """A value that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    text = clean(value)
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


MARKS = {"match": "✓", "deviates": "≈", "differs": "✗", "lab-error": "!", "mixed": "~", "unsupported": "∅", "unavailable": "–"}


def markdown(gathered: Gathered) -> str:
    """The matrix for a pull request: scenarios by runtime, over all stacks, and what is odd."""
    all_cells = cells(gathered)
    runtimes = sorted({key[2] for key in all_cells})
    found: dict[tuple[str, str], dict[str, list[Cell]]] = {}
    for key, cell in all_cells.items():
        found.setdefault(key[:2], {}).setdefault(key[2], []).append(cell)
    counts = Counter(c.state for c in all_cells.values())
    lines = [", ".join(f"{MARKS[s]} {counts[s]} {s}" for s in MARKS if counts[s]), ""]
    lines += [f"> **{o.name}** {_md(o.source)} {_md(o.text)}" for o in gathered.oddities]
    lines += [""] if gathered.oddities else []
    lines += [f"| scenario | {' | '.join(map(_md, runtimes))} |", f"| --- |{' --- |' * len(runtimes)}"]
    rows: dict[tuple[str, str], list[str]] = {}
    for (scenario, variant), by_runtime in found.items():
        fields = " | ".join(_field(view(by_runtime.get(runtime, ()))) for runtime in runtimes)
        rows.setdefault((scenario, fields), []).append(variant)
    several = Counter(scenario for scenario, _ in rows)
    for (scenario, fields), variants in rows.items():
        name = " " + _md(", ".join(v or "plain" for v in variants)) if several[scenario] > 1 else ""
        lines.append(f"| `{scenario}`{name} | {fields} |")
    return "\n".join(lines) + "\n"


def _field(v: View | None) -> str:
    """What a field of the page says; what was not played is a mark alone, whose word is in the first line."""
    if v is None:
        return ""
    word = v.state if v.state not in (*GOOD, *QUIET) else ""
    return _md(" ".join(filter(None, [MARKS[v.state], v.head, v.time, v.rest, word, v.note])))


def _md(text: str) -> str:
    """Text that means nothing to Markdown but itself."""
    text = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ").replace("\t", " ")
    return "".join("\\" + c if c in "\\`*_[]|#!~" and not (c == "~" and len(text) == 1) else c for c in text)


def badge(gathered: Gathered) -> str:
    """How many plays went as the catalogue says, as a picture for a README; the words say it, not the colour."""
    counts = Counter(p.verdict for p in gathered.plays)
    good, bad = sum(counts[v] for v in GOOD), counts["differs"] + counts["lab-error"]
    text = f"{good} of {good + bad} as expected" if good + bad else "nothing was played"
    if any(s.status != "complete" for s in gathered.sources):
        text += ", partial"
    colour = "#b3201b" if bad else "#1b6e3c" if good else "#565d66"
    left, right = 58, 12 + 7 * len(text)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="faultlab: {text}">'
        f"<title>faultlab: {text}</title>"
        f'<rect width="{left + right}" height="20" rx="3" fill="{colour}"/>'
        f'<path d="M3 0h{left - 3}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="#33383f"/>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2}" y="14">faultlab</text>'
        f'<text x="{left + right / 2}" y="14" textLength="{right - 12}">{text}</text></g></svg>\n'
    )


def _moment(text: object) -> datetime:
    """A record's own time, or the epoch where it is none."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _milliseconds(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
