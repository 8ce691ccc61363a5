"""The ladder of a play: what the programs did, what the wire carried and what the kernel said, on one time axis.

Pure; knows a play's JSON only. `rungs` are the events, `layout` puts them into rows with long pauses folded, and everything that draws a
ladder (the terminal, a picture, a table, Mermaid) draws those rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Any

LANES = ("client", "wire", "server")


@dataclass(frozen=True, slots=True)
class Rung:
    """One event of a play."""

    t: float
    """Seconds since the play's first event."""
    lane: str
    """client, wire, server, or kernel."""
    text: str
    direction: str = ""
    """On the wire: `>` from the client, `<` to it, empty for others."""
    forged: bool = False
    tone: str = ""
    """What kind of event it is, for whoever draws it: reset, fin, syn, data, icmp, error, eof, drop."""
    call: int = 0
    """The number of the call that begins here, minus the number of the one that ends here; 0 for what happens at once."""
    at: str = ""
    """Whose kernel says it, where that is known."""

    @property
    def label(self) -> str:
        """The text with whose kernel says it."""
        return f"{self.at} {self.text}" if self.at else self.text


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which nothing happened, too long to be drawn to scale."""

    seconds: float

    @property
    def text(self) -> str:
        """How every drawing labels it."""
        return f"{duration(self.seconds)} pass"


Row = Rung | Pause


def rungs(play: Mapping[str, Any], observed: str = "client") -> list[Rung]:
    """All events of a play in the order of their time."""
    peer = "server" if observed == "client" else "client"
    found = [_segment(s) for s in play["evidence"].get("segments", ())]
    seen = [rung.t for rung in found]
    number = 0
    for lane, observations in ((observed, play["observations"]), (peer, play.get("peer", ()))):
        for o in observations:
            number += 1
            found += _operation(o, lane, seen, number)
    found += _kernel(play["evidence"].get("kernel") or ())
    # In virtual time a packet and what the kernel makes of it are the same moment, less what rounding leaves.
    return sorted(found, key=lambda r: r.t + (2e-6 if r.lane == "kernel" and r.text.startswith(LATER) else 0.0))


def _kernel(account: Sequence[Mapping[str, Any]]) -> list[Rung]:
    """The kernel's own account. States of one socket that follow each other at once are one rung."""
    found: list[Rung] = []
    last: Mapping[str, Any] = {}
    for e in account:
        same = all(e.get(name) == last.get(name) for name in ("what", "at", "local", "remote"))
        if e["what"] == "state" and same and e.get("was") == last.get("is") and e["t"] - last["t"] < 0.0001:
            found[-1] = replace(found[-1], text=f"{found[-1].text} → {e.get('is', '?')}")
        else:
            found.append(Rung(e["t"], "kernel", spoken(e), tone=TONES.get(e["what"], ""), at=e["at"]))
        last = e
    return found


LATER = ("drops", "takes", "hands")
TONES = {"error": "error", "drop": "drop", "reset sent": "reset", "reset received": "reset"}


def spoken(e: Mapping[str, Any]) -> str:
    """One event of the kernel's account in words."""
    reason, where = e.get("reason", ""), e.get("where", "")
    match e["what"]:
        case "state":
            return f"{e.get('was', '?')} → {e.get('is', '?')}"
        case "error":
            return f"hands the socket {e.get('errno', '?')}"
        case "reset sent":
            return f"sends RST: {reason}" if reason else "sends RST"
        case "reset received":
            return "takes the RST"
        case "retransmit":
            return f"sends again, in {e.get('is', '?')}"
        case "drop":
            return f"drops it: {reason or 'no reason given'}" + (f" in {where}" if where else "")
    return " ".join(filter(None, (e["what"], reason, where)))


def layout(found: Sequence[Rung]) -> list[Row]:
    """The rows of a ladder: one a rung, and one for every pause that would make the others unreadable.

    The same rule serves a play of two microseconds and one of two hours: a pause is folded when it lasts a second, or when it is at
    least a millisecond and twenty times as long as pauses are in this play.
    """
    pauses = [after.t - before.t for before, after in pairwise(found)]
    usual = median([p for p in pauses if p > 0] or [0.0])
    rows: list[Row] = []
    for rung, pause in zip(found, [0.0, *pauses], strict=False):
        if pause >= 1 or (pause >= 0.001 and pause >= 20 * usual):
            rows.append(Pause(pause))
        rows.append(rung)
    return rows


def _operation(o: Mapping[str, Any], lane: str, seen: Sequence[float], number: int) -> list[Rung]:
    """One line for a call that returned at once, two for one during which something was on the wire."""
    t, elapsed = o.get("t", 0.0), o["elapsed"]
    said, tone = result(o), "error" if o["outcome"] == "error" else o["outcome"] if o["outcome"] != "ok" else ""
    if elapsed < 0.001 and not any(t < at < t + elapsed for at in seen):
        return [Rung(t, lane, f"{o['op']} {said}", tone=tone)]
    begin = Rung(t, lane, f"{o['op']} …", call=number)
    return [begin, Rung(t + elapsed, lane, f"… {o['op']} {said} after {duration(elapsed)}", tone=tone, call=-number)]


def result(o: Mapping[str, Any]) -> str:
    """What an operation returned, in a word or two."""
    if o["outcome"] == "error":
        return str(o.get("errno") or o.get("type") or "error")
    if o["outcome"] == "ok" and o.get("bytes") is not None and o["op"] in ("send", "recv"):
        return f"ok, {o['bytes']} bytes"
    if o["outcome"] == "ok" and o.get("status"):
        return f"ok, status {o['status']}"
    return str(o["outcome"])


def _segment(s: Mapping[str, Any]) -> Rung:
    proto, flags, tone = s.get("proto", "tcp"), s["flags"], ""
    if proto == "tcp":
        text = flags + f" seq {s['seq']}" + (f" ack {s['ack']}" if "A" in flags else "") + (f" len {s['len']}" if s["len"] else "")
        tone = next((name for letter, name in (("R", "reset"), ("F", "fin"), ("S", "syn")) if letter in flags), "data" if s["len"] else "")
    elif proto == "icmp":
        text, tone = f"ICMP {s.get('icmp', '')}", "icmp"
    else:
        text = proto.upper() + (f" len {s['len']}" if s["len"] else "")
    direction = ">" if s["from"] == "client" else "<" if s.get("to", "client") == "client" else ""
    if s["from"] == s.get("to"):  # over its own loopback
        direction, text = "", f"{text} ({s['from']} to itself)"
    elif not direction:  # beyond whatever stands between the two
        text = f"{text} ({s['from']} to {s['to']})"
    return Rung(s["t"], "wire", text, direction, bool(s.get("forged")), tone)


def causes(play: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Who ended it and why, as the kernel says: each RST, error and dropped packet, and the functions that led there, innermost first."""
    found: dict[str, str] = {}
    for e in play["evidence"].get("kernel") or ():
        if e["what"] in ("error", "reset sent", "drop"):
            path = [name for name in e.get("path", ()) if name not in ("sk_error_report", e.get("where"))]
            found.setdefault(f"{e['at']}’s kernel {spoken(e)}" if e["at"] else f"the kernel {spoken(e)}", " ← ".join(path[:CAUSES]))
    return list(found.items())


CAUSES = 6
"""Functions of a path that are shown."""


def duration(seconds: float) -> str:
    """`12 µs`, `3.1 ms`, `2.4 s`, `2 h 11 min 15 s`."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 120:
        return f"{seconds:.2f} s"
    total = round(seconds)
    parts = [(total // 86400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "min"), (total % 60, "s")]
    return " ".join(f"{n} {unit}" for n, unit in parts if n)


def lanes(found: Sequence[Rung]) -> Sequence[str]:
    """Which lanes a ladder needs: the kernel's only where it said something."""
    return (*LANES, "kernel") if any(rung.lane == "kernel" for rung in found) else LANES


def mermaid(rows: Sequence[Row]) -> str:
    """The ladder as a sequence diagram for Markdown."""
    lines = ["sequenceDiagram", "    participant client", "    participant server"]
    for row in rows:
        if isinstance(row, Pause):
            lines.append(f"    Note over client,server: {_plain(row.text)}")
            continue
        text = _plain(f"{duration(row.t)}: {row.text}" + (" (forged)" if row.forged else ""))
        if row.lane == "wire" and row.direction:
            one, other = ("client", "server") if row.direction == ">" else ("server", "client")
            arrow = "-x" if row.tone == "reset" else "--)" if row.tone == "icmp" else "->>"
            lines.append(f"    {one}{arrow}{other}: {text}")
        else:
            over = row.lane if row.lane in ("client", "server") else "client,server"
            if row.lane == "kernel":
                over, text = (row.at if row.at in ("client", "server") else over), f"kernel, {text}"
            lines.append(f"    Note over {over}: {text}")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text that means nothing to Mermaid but itself."""
    return "".join(c if c.isalnum() or c in " .,:…µ()[]*_-/'" else f"#{ord(c)};" for c in text if c.isprintable())
