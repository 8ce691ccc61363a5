"""What a scenario or an errno is, in words: made from the scenario's data and docstring and the runtimes' rules, never a second text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faultlab import errnos, stacks
from faultlab.catalogue import Entry
from faultlab.ladder import duration
from faultlab.runtimes import all_runtimes
from faultlab.scenario import Expected, Observation

NO_ERROR = ("ok", "eof", "timeout", "blocked")
FACTS = {
    "local": "LOCAL", "remote": "REMOTE", "local_ip": "LOCAL", "remote_ip": "REMOTE", "local_port": "PORT", "remote_port": "PORT",
    "name": "NAME", "resolver": "RESOLVER", "when": "", "url": "URL", "path": "PATH", "verb": "Get", "seconds": "SECONDS",
    "had": "N", "announced": "N", "lacks": "N", "local_bytes": "N", "remote_bytes": "N",
}  # fmt: skip

TEMPLATE = '''"""Say in one sentence what happens, as somebody would tell it.

Say why the kernel does that, and name its function; that this can be read out in class is the test.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A few words for tables",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.5",
    expected=[Expected("connect")],
    wire=["> S", "< SA"],
    production="where people meet it",
    diagnose="the one command that shows it",
    cure="what really helps",
    hides="what only hides it",
)


def test_{name}(lab: Lab) -> None:
    """What is done, step by step."""
    lab.server.listen()
    lab.client.connect()
'''


def data(entry: Entry) -> dict[str, Any]:
    """A scenario as data for other tools."""
    s = entry.scenario
    return {
        "id": entry.id,
        "phase": entry.phase,
        "title": s.title,
        "doc": entry.doc,
        "spec": s.spec,
        "kind": s.kind,
        "observe": s.observe,
        "variants": list(s.variants),
        "expected": [{"op": e.op, "result": e.result, "within": e.within, "by_default": e.by_default} for e in s.expected],
        "wire": list(s.wire),
        "never": list(s.never),
        "counters": {k: list(v) if isinstance(v, tuple) else v for k, v in s.counters.items()},
        "settings": dict(s.settings),
        "shortened": dict(s.shortened),
        "deviations": [{"runtime": d.runtime, "step": d.step, "sees": d.sees, "note": d.note} for d in s.deviations],
        "only": list(s.only),
        "claim": s.claim,
        "judged": s.judged,
        "same_words": dict(s.same_words),
        "production": s.production,
        "diagnose": s.diagnose,
        "cure": s.cure,
        "hides": s.hides,
    }


def topics(entries: Mapping[str, Entry]) -> list[str]:
    """Everything there is a page about."""
    symbols = {e.result for entry in entries.values() for e in entry.scenario.expected if e.result not in NO_ERROR}
    return [*entries, *sorted(symbols | errnos.table().keys())]


def page(word: str, entries: Mapping[str, Entry]) -> str | None:
    """The page about a scenario or a symbol, in Markdown; None where nothing is known."""
    if word in entries:
        return scenario_page(entries[word], entries)
    symbol = word.upper()
    return symbol_page(symbol, entries) if symbol in topics(entries) else None


def scenario_page(entry: Entry, entries: Mapping[str, Entry]) -> str:
    """What happens, why, what each runtime says, how to tell it from its neighbours, where it comes from and what cures it."""
    s = entry.scenario
    lines = [f"# {entry.id}: {s.title}", ""]
    lines += [f"**It is said:** {s.claim}", "", f"**Judged:** {s.judged}.", ""] if s.claim else []
    lines += [entry.doc, "", f"Specified in <{s.spec}>.", ""]
    lines += ["## What a program sees", ""]
    lines += [f"{n}. `{e.op}` → **{e.result}**{times(e)}" for n, e in enumerate(s.expected, start=1)]
    if s.shortened:
        lines += ["", "Timers shortened for real time: " + ", ".join(f"`{k}={v}`" for k, v in s.shortened.items()) + "."]
    failing = [(n, e) for n, e in enumerate(s.expected, start=1) if e.result not in NO_ERROR]
    if failing:
        lines += ["", "## In whose words", "", "| runtime | step | it says |", "| --- | --- | --- |"]
        for runtime in (r for r in all_runtimes().values() if r.kind == s.kind and (not s.only or r.name in s.only)):
            for n, e in failing:
                lines.append(f"| {runtime.name} | {n} {e.op} | {said(runtime.name, e)} |")
    if s.deviations:
        lines += ["", "## Who departs from that, and why", ""]
        for d in s.deviations:
            whom = ", ".join(filter(None, (d.runtime, d.variant, d.stack))) or "everybody"
            lines.append(f"- **{whom}**, step {d.step}: {d.sees}. {d.note}")
    if s.wire or s.never:
        lines += ["", "## On the wire", ""]
        lines += [f"- must be seen, in this order: {', '.join(f'`{w}`' for w in s.wire)}"] if s.wire else []
        lines += [f"- must not be seen: {', '.join(f'`{w}`' for w in s.never)}"] if s.never else []
    if s.counters:
        lines += ["", "## In the kernel", ""]
        lines += [
            f"- `{name}` is {value if not isinstance(value, tuple) else f'{value[0]} to {value[1]}'}" for name, value in s.counters.items()
        ]
    neighbours = {other.id: other.scenario.same_words[entry.id] for other in entries.values() if entry.id in other.scenario.same_words}
    neighbours |= s.same_words
    if neighbours:
        lines += ["", "## The same words, another cause", ""]
        lines += [f"- `{other}`: {how}" for other, how in sorted(neighbours.items())]
    for title, text in (
        ("Where people meet it", s.production),
        ("How to see it", s.diagnose),
        ("What cures it", s.cure),
        ("What only hides it", s.hides),
    ):
        lines += ["", f"## {title}", "", text[:1].upper() + text[1:] + "."] if text else []
    missing = [s.title for s in stacks.known() if not s.played]
    lines += ["", f"Never run on these systems: {', '.join(missing)}."] if missing else []
    lines += ["", f"Play it: `faultlab run {entry.id}`"]
    return "\n".join(lines) + "\n"


def symbol_page(symbol: str, entries: Mapping[str, Entry]) -> str:
    """What a symbol means, how each runtime spells it, and every scenario that ends in it."""
    known = errnos.table().get(symbol, {})
    number = errnos.number_of(symbol)
    lines = [f"# {symbol}" + (f" ({number})" if number else ""), ""]
    if known:
        lines += [f"It means: {known['means']}.", "", "| who | says |", "| --- | --- |"]
        lines += [f"| glibc's strerror | {known['glibc']} |", f"| musl's strerror | {known.get('musl', known['glibc'])} |"]
        for runtime in all_runtimes().values():
            own = runtime.words().get(symbol)
            if own is not None and own not in (known["glibc"], known.get("musl")):
                lines.append(f"| {runtime.name} | {own} |")
    hits = [(e, n, x) for e in entries.values() for n, x in enumerate(e.scenario.expected, start=1) if x.result == symbol]
    hits += [
        (e, d.step, Expected(e.scenario.expected[d.step - 1].op, symbol))
        for e in entries.values()
        for d in e.scenario.deviations
        if d.sees == symbol and d.step <= len(e.scenario.expected)
    ]
    if hits:
        lines += [
            "",
            "## Which failures say that",
            "",
            "| operation | scenario | what happened | how to see it |",
            "| --- | --- | --- | --- |",
        ]
        for e, n, x in {(h[0].id, h[2].op): h for h in reversed(hits)}.values():
            lines.append(f"| {x.op} (step {n}) | `{e.id}` | {e.scenario.title} | {e.scenario.diagnose.replace('|', '¦')} |")
    return "\n".join(lines) + "\n"


def times(e: Expected) -> str:
    """The range of its seconds, in brackets; nothing where it has none."""
    parts = []
    if e.within:
        parts.append(f"after {e.within[0]:g} to {e.within[1]:g} s")
    if e.by_default and e.by_default != e.within:
        low, high = e.by_default
        spoken = f"{low:g} to {high:g} s" if high < 10_000 else f"{duration(low)} to {duration(high)}"
        spoken = f"still after {duration((low + high) / 2)}" if e.result == "blocked" else spoken
        parts.append(f"{spoken} with the kernel's defaults")
    return f" ({'; '.join(parts)})" if parts else ""


def said(name: str, e: Expected, overrides: Mapping[str, object] | None = None) -> str:
    """How a runtime puts an expected error, with placeholders for addresses."""
    runtime = all_runtimes()[name]
    if "closed" in runtime.unsupported and e.result == "CLOSED":
        return "(cannot happen: " + runtime.unsupported["closed"] + ")"
    saw = Observation(op=e.op, outcome="error", elapsed=0, facts=FACTS)
    wording = runtime.wording(e, saw, overrides or {})
    if wording.outcome != "error":
        return wording.outcome
    message = e.message or wording.message
    words = f"`{message}`".replace("\n", " ") if message else "(no words)"
    if wording.cause and wording.cause not in (message or ""):  # the truth stands at the end of the chain
        words += f", innermost `{wording.cause}`"
    return f"{words} _{wording.type}_"
