"""Small records for the tests of the report, written by hand: plays that happened nowhere."""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=alert(1)>\"'&amp;\x00\x07\x1b[31m\u202eevil\u2028 ]]> --> {{ 7*7 }} "
    + "A" * 10_000
)
SYN = base64.b64encode(bytes.fromhex("4500003c00004000400600 00c6336401c6336402".replace(" ", "")) + bytes(40)).decode()

SCENARIOS: Mapping[str, Mapping[str, Any]] = {
    "connect-ok": {
        "phase": "connect",
        "title": "A connection is made",
        "doc": "Nothing goes wrong.\n\nThe null case.",
        "spec": "https://example.org/#ok",
        "expected": [{"op": "connect", "result": "ok"}],
    },
    "connect-refused-rst": {
        "phase": "connect",
        "title": "Nobody listens",
        "doc": "The SYN meets a port nobody listens on.\n\nThe kernel answers with `RST`.",
        "spec": "https://example.org/#refused",
        "expected": [{"op": "connect", "result": "ECONNREFUSED"}],
        "variants": ["ipv6"],
        "wire": ["> S", "< RA"],
        "never": ["> PA"],
        "counters": {"client TcpAttemptFails": 1},
        "production": "a service that is down",
        "diagnose": "ss -ltn",
        "cure": "start it",
        "hides": "retrying",
    },
    "read-reset": {
        "phase": "established",
        "title": "Reset while reading",
        "doc": "A RST comes while the client reads.\n\ntcp_reset.",
        "spec": "javascript:alert(1)",
        "expected": [{"op": "connect", "result": "ok"}, {"op": "recv", "result": "ECONNRESET"}, {"op": "recv", "result": "eof"}],
        "same_words": {"connect-refused-rst": "look at the `operation`"},
    },
    "keepalive": {
        "phase": "idle",
        "title": "Two hours of silence",
        "doc": "Nobody answers the probes.",
        "spec": "https://example.org/#k",
        "expected": [{"op": "recv", "result": "ETIMEDOUT"}],
    },
}


def scenario(id_: str) -> dict[str, Any]:
    return {"kind": "scenario", "id": id_, **SCENARIOS[id_]}


def header(**fields: Any) -> dict[str, Any]:
    return {
        "kind": "header",
        "record": 1,
        "lab": "0.1.0",
        "catalogue": "cafe",
        "started": "2026-01-01T00:00:00+00:00",
        "system": "Linux",
        "distribution": "Debian",
        "kernel": "6.18.1",
        "machine": "x86_64",
        "cpus": 2,
        "runtimes": ["go", "java"],
        "backends": ["netns"],
        "settings": {"net.ipv4.tcp_syn_retries": "6"},
        **fields,
    }


def footer(plays: Iterable[Mapping[str, Any]], status: str = "complete") -> dict[str, Any]:
    counts: dict[str, int] = {}
    for play in plays:
        counts[play["verdict"]] = counts.get(play["verdict"], 0) + 1
    return {"kind": "footer", "status": status, "ended": "2026-01-01T00:01:00+00:00", "plays": sum(counts.values()), "verdicts": counts}


def error(op: str, errno: str | None, message: str, **fields: Any) -> dict[str, Any]:
    return (
        {"op": op, "outcome": "error", "t": 0.001, "elapsed": 0.0005, "type": "Error", "chain": ["Outer", "Error"], "message": message}
        | ({"errno": errno} if errno else {})
        | fields
    )


def ok(op: str, **fields: Any) -> dict[str, Any]:
    return {"op": op, "outcome": "ok", "t": 0.0, "elapsed": 0.0002, **fields}


def segment(t: float, sender: str, flags: str, **fields: Any) -> dict[str, Any]:
    receiver = "server" if sender == "client" else "client"
    return {
        "t": t,
        "from": sender,
        "to": receiver,
        "proto": "tcp",
        "flags": flags,
        "seq": 0,
        "ack": 0,
        "len": 0,
        "at": "client",
        "raw": SYN,
        **fields,
    }


KERNEL: list[dict[str, Any]] = [
    {"t": 0.00005, "at": "client", "what": "state", "local": 40000, "remote": 9000, "was": "CLOSE", "is": "SYN_SENT"},
    {"t": 0.00015, "at": "server", "what": "drop", "reason": "NETFILTER_DROP", "where": "nft_do_chain", "path": ["nft_do_chain", "ip_rcv"]},
    {"t": 0.00018, "at": "server", "what": "reset sent", "local": 9000, "remote": 40000, "reason": "NO_SOCKET", "path": ["tcp_v4_rcv"]},
    {"t": 0.00021, "at": "client", "what": "reset received", "local": 40000, "remote": 9000},
    {"t": 0.00022, "at": "client", "what": "state", "local": 40000, "remote": 9000, "was": "SYN_SENT", "is": "CLOSE"},
    {"t": 0.00023, "at": "client", "what": "error", "local": 40000, "remote": 9000, "errno": "ECONNREFUSED", "path": ["tcp_reset"]},
]


def play(id_: str, runtime: str = "go", **fields: Any) -> dict[str, Any]:
    observations = {
        "connect-ok": [ok("connect")],
        "connect-refused-rst": [error("connect", "ECONNREFUSED", "dial tcp 198.51.100.2:9000: connect: connection refused")],
        "read-reset": [
            ok("connect"),
            error("recv", "ECONNRESET", "read: reset", t=0.002),
            {"op": "recv", "outcome": "eof", "t": 0.003, "elapsed": 0.0},
        ],
        "keepalive": [error("recv", "ETIMEDOUT", "timed out", t=0.0, elapsed=7875.2)],
    }[id_]
    return {
        "kind": "play",
        "scenario": id_,
        "runtime": runtime,
        "runtime_version": "1.0",
        "backend": "netns",
        "variant": None,
        "stack": "linux-6.18.1",
        "verdict": "match",
        "reason": None,
        "elapsed": 0.05,
        "virtual_elapsed": None,
        "observations": observations,
        "expected": [f"{e['op']} {e['result']}" for e in SCENARIOS[id_]["expected"]],
        "peer": [ok("listen")],
        "evidence": {
            "segments": [segment(0.0001, "client", "S"), segment(0.0002, "server", "RA", forged=True)],
            "counters": {"client": {"TcpAttemptFails": 1, "IpForwarding": 2, "TcpOutSegs": 3}},
            "fault": {"ForgedReset": {"packets": 1}},
            "kernel": KERNEL,
        },
        "differences": [],
        "notes": [],
        "departures": [],
        **fields,
    }


def mixture() -> list[dict[str, Any]]:
    """A play of every kind: all verdicts, hidden errnos, variants, a hostile message, repetitions that disagree."""
    return [
        play("connect-ok"),
        play("connect-ok", "java", evidence={"segments": [], "kernel": None, "kernel_silent": "tracefs cannot be mounted"}),
        play(
            "connect-ok", "node", verdict="unavailable", reason="no node here. Remedy: install it", stack=None, observations=[], evidence={}
        ),
        play("connect-refused-rst"),
        play("connect-refused-rst", variant="ipv6"),
        play(
            "connect-refused-rst",
            "java",
            observations=[
                error("connect", None, "Connection refused", type="java.net.ConnectException", chain=["java.net.ConnectException"])
            ],
        ),
        play(
            "connect-refused-rst",
            "node",
            verdict="differs",
            differences=["step 1 (connect): ECONNREFUSED expected, EHOSTUNREACH seen"],
            observations=[error("connect", "EHOSTUNREACH", HOSTILE)],
        ),
        play("read-reset"),
        play(
            "read-reset",
            "java",
            verdict="deviates",
            notes=["the JDK repeats a reset"],
            departures=[{"step": 3, "sees": "ECONNRESET", "note": "the JDK repeats a reset"}],
            observations=[ok("connect"), error("recv", None, "Connection reset"), error("recv", None, "Connection reset")],
        ),
        play("read-reset", "node", verdict="lab-error", reason="WaitTimedOut: " + HOSTILE),
        play("keepalive"),
        play("keepalive", verdict="differs", differences=["step 1 (recv): took 1 s"], observations=[ok("recv", elapsed=1.5)]),
        play("keepalive", "java", verdict="unsupported", reason="java cannot keepalive"),
    ]


def record(plays: list[dict[str, Any]] | None = None, *, status: str | None = "complete", **head: Any) -> list[dict[str, Any]]:
    """The lines of a record with these plays; without a footer where `status` is None."""
    plays = mixture() if plays is None else plays
    told = [scenario(id_) for id_ in dict.fromkeys(p["scenario"] for p in plays) if id_ in SCENARIOS]
    return [header(**head), *told, *plays, *([footer(plays, status)] if status else [])]


def save(path: Path, lines: Iterable[Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


# ---- malformed ones --------------------------------------------------------------------------------------------------------

WRONG: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**30,
    1e300,
    -1e300,
    "",
    "x",
    HOSTILE[:200],
    "\ud800",
    "\x00",
    [],
    {},
    [[]],
    [None],
    {"": None},
    ["x"] * 50,
    {"a": {"b": {"c": []}}},
    "../../etc/passwd",
    "match",
    "ok",
    "error",
    "eof",
    2**64,
    "linux' onmouseover='x",
    "</style><script>x</script>",
]


def mangled(rng: random.Random, lines: list[dict[str, Any]]) -> list[Any]:
    """The lines with some things in them replaced, taken away, put elsewhere or repeated."""
    lines = json.loads(json.dumps(lines))
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        nodes: list[tuple[Any, Any]] = []
        stack: list[Any] = [lines[rng.randrange(len(lines))]] if lines else []
        while stack:
            node = stack.pop()
            if isinstance(node, (dict, list)):
                keys = list(node) if isinstance(node, dict) else list(range(len(node)))
                nodes += [(node, key) for key in keys]
                stack += [node[key] for key in keys]
        if not nodes:
            continue
        node, key = rng.choice(nodes)
        match rng.randrange(7):
            case 0:
                del node[key]
            case 1 | 2 | 3:
                node[key] = copy.deepcopy(rng.choice(WRONG))
            case 4 if isinstance(node[key], str):
                node[key] = "".join(rng.choice(HOSTILE[:150]) for _ in range(rng.randrange(60)))
            case 5:
                other, there = rng.choice(nodes)
                node[key] = json.loads(json.dumps(other[there]))
            case _:
                lines.insert(rng.randrange(len(lines) + 1), json.loads(json.dumps(rng.choice(lines))))
                lines = [line for line in lines if rng.random() > 0.05] if rng.random() < 0.3 else lines
    return lines
