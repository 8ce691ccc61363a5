"""The ladder of a play: what the programs did and what the wire carried, on one time axis. Pure; knows a play's JSON only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


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


def rungs(play: Mapping[str, Any], observed: str = "client") -> list[Rung]:
    """All events of a play in the order of their time."""
    peer = "server" if observed == "client" else "client"
    found = [_segment(s) for s in play["evidence"].get("segments", ())]
    seen = [rung.t for rung in found]
    for lane, observations in ((observed, play["observations"]), (peer, play.get("peer", ()))):
        for o in observations:
            found += _operation(o, lane, seen)
    return sorted(found, key=lambda r: r.t)


def _operation(o: Mapping[str, Any], lane: str, seen: Sequence[float]) -> list[Rung]:
    """One line for a call that returned at once, two for one during which something was on the wire."""
    t, elapsed = o.get("t", 0.0), o["elapsed"]
    said = result(o)
    if elapsed < 0.001 and not any(t < at < t + elapsed for at in seen):
        return [Rung(t, lane, f"{o['op']} {said}")]
    return [Rung(t, lane, f"{o['op']} …"), Rung(t + elapsed, lane, f"… {o['op']} {said} after {duration(elapsed)}")]


def result(o: Mapping[str, Any]) -> str:
    """What an operation returned, in a word or two."""
    if o["outcome"] == "error":
        return str(o.get("errno") or o.get("type") or "error")
    if o["outcome"] == "ok" and o.get("bytes") is not None and o["op"] in ("send", "recv"):
        return f"ok, {o['bytes']} bytes"
    return str(o["outcome"])


def _segment(s: Mapping[str, Any]) -> Rung:
    if s.get("proto", "tcp") == "tcp":
        text = (
            s["flags"] + f" seq {s['seq']}" + (f" ack {s['ack']}" if "A" in s["flags"] else "") + (f" len {s['len']}" if s["len"] else "")
        )
    elif s["proto"] == "icmp":
        text = f"ICMP {s.get('icmp', '')}"
    else:
        text = s["proto"].upper() + (f" len {s['len']}" if s["len"] else "")
    direction = ">" if s["from"] == "client" else "<" if s.get("to", "client") == "client" else ""
    return Rung(s["t"], "wire", text, direction, bool(s.get("forged")))


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


def lanes(play: Mapping[str, Any]) -> Sequence[str]:
    """Which lanes a play has something to show in."""
    return ("client", "wire", "server")
