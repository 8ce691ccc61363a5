"""How long a page takes to make and to use, and how large it is: `bench/report.py [--browser] PLAYS…` (default 1000 20000).

Plays are made up, but of the size of real ones: eight segments, six operations, ten events of the kernel's account, fifty counters.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from faultlab.report import gather
from faultlab.report.page import write

RUNTIMES = ("c", "go", "java", "node", "python", "rust")
RAW = "RQAAPAAAQABABgAAxjNkAcYzZAKcQCMoAAAAAAAAAACgAvrwAAAAAAIEBbQEAggKAAAAAAAAAAABAwMH"
ERRNOS = ("ECONNRESET", "ECONNREFUSED", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH")


def play(scenario: int, runtime: str, variant: str | None, stack: int) -> dict[str, object]:
    errno = ERRNOS[(scenario + (runtime == "java" and scenario % 7 == 0) + (stack == 2 and scenario % 11 == 0)) % 5]
    segments = [
        {
            "t": 0.001 * n + 1e-6 * scenario,
            "from": "client" if n % 2 else "server",
            "to": "server" if n % 2 else "client",
            "proto": "tcp",
            "flags": "PA",
            "seq": n,
            "ack": n,
            "len": n,
            "window": 64240,
            "sport": 40000,
            "dport": 9000,
            "at": "client",
            "raw": RAW,
        }
        for n in range(8)
    ]
    observations: list[dict[str, object]] = [
        {"op": "connect", "outcome": "ok", "t": 0.0, "elapsed": 0.0004},
        {"op": "send", "outcome": "ok", "t": 0.004, "elapsed": 0.0001, "bytes": 5},
    ]
    for n in range(2):
        observations.append(
            {
                "op": "recv",
                "outcome": "error",
                "t": 0.01 + n,
                "elapsed": 0.002,
                "errno": errno,
                "type": "*net.OpError",
                "chain": ["*net.OpError", "*os.SyscallError", "syscall.Errno"],
                "message": f"read tcp 198.51.100.1:{40000 + scenario}->198.51.100.2:9000: read: {errno.lower()}",
            }
        )
    kernel = [account(n, scenario) for n in range(10)]
    names = [f"{'TcpExtCounter' if n % 3 == 0 else 'IpExtInOctets'}{n}" for n in range(26)]  # two thirds of real ones say nothing
    counters = {host: dict.fromkeys(names, 7) for host in ("client", "server")}
    return {
        "kind": "play",
        "scenario": f"scenario-number-{scenario}",
        "runtime": runtime,
        "runtime_version": "1.0",
        "backend": "netns",
        "variant": variant,
        "stack": f"linux-6.{stack}",
        "verdict": "match",
        "reason": None,
        "elapsed": 0.05,
        "virtual_elapsed": None,
        "observations": observations,
        "expected": ["connect ok", "send ok", f"recv {errno}", f"recv {errno}"],
        "peer": observations[:2],
        "evidence": {"segments": segments, "counters": counters, "fault": {"ForgedReset": {"packets": 1}}, "kernel": kernel},
        "differences": [],
        "notes": [],
        "departures": [],
    }


def account(n: int, scenario: int) -> dict[str, object]:
    at, ports = ("client", "server")[n % 2], {"local": 40000, "remote": 9000}
    event = {"t": 0.0011 * n + 1e-6 * scenario, "at": at, **ports}
    match n:
        case 7:
            path = ["sk_error_report", "tcp_validate_incoming", "tcp_rcv_established", "tcp_v4_do_rcv", "tcp_v4_rcv", "tcp_close"]
            return event | {"what": "error", "errno": ERRNOS[scenario % 5], "path": path}
        case 8:
            path = ["tcp_send_active_reset", "__tcp_close", "tcp_close", "inet_release", "close(2)"]
            return event | {"what": "reset sent", "reason": "TCP_ABORT_ON_CLOSE", "path": path}
    states = ("CLOSE", "SYN_SENT", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE_WAIT", "LAST_ACK")
    return event | {"what": "state", "was": states[n % 7], "is": states[(n + 2) % 7]}


def record(path: Path, total: int) -> None:
    scenarios = 83
    stacks = max(2, -(-total // (scenarios * len(RUNTIMES) * (2 if total > 5000 else 1))))
    variants = [None, "ipv6"] if total > 5000 else [None]
    head = {
        "kind": "header",
        "record": 1,
        "lab": "0.1.0",
        "catalogue": "bench",
        "started": "2026-01-01T00:00:00+00:00",
        "system": "Linux",
        "kernel": "6",
        "machine": "x86_64",
        "runtimes": list(RUNTIMES),
        "backends": ["netns"],
        "settings": {},
    }
    plays = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head) + "\n")
        for n in range(scenarios):
            words = {
                "kind": "scenario",
                "id": f"scenario-number-{n}",
                "phase": ("connect", "accept", "established", "closing", "idle")[n % 5],
                "title": f"What fails number {n}",
                "doc": "What happens.\n\n" + "Why the kernel does that, as it can be read out in class. " * 6,
                "spec": "https://example.org/#x",
                "expected": [{"op": op, "result": "ok"} for op in ("connect", "send", "recv", "recv")],
                "diagnose": "tcpdump",
                "cure": "c",
                "hides": "h",
                "same_words": {f"scenario-number-{(n + 1) % scenarios}": "look at the wire"},
            }
            file.write(json.dumps(words) + "\n")
        for stack in range(stacks):
            for n in range(scenarios):
                for runtime in RUNTIMES:
                    for variant in variants:
                        if plays < total:
                            file.write(json.dumps(play(n, runtime, variant, stack)) + "\n")
                            plays += 1
        file.write(json.dumps({"kind": "footer", "status": "complete", "ended": "", "plays": plays, "verdicts": {"match": plays}}) + "\n")


def browse(path: Path) -> str:
    """First paint and the time a filter takes until the next frame, in Chromium."""
    from playwright.sync_api import sync_playwright

    args = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    args += "--disable-background-networking --disable-component-update --disable-sync"
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path="/usr/bin/chromium", args=args.split())
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"file://{path}")
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        ready = page.evaluate("performance.timing.domContentLoadedEventEnd - performance.timing.navigationStart")
        filters = [
            page.evaluate(
                """text => new Promise(done => {
            const field = document.querySelector('[name=q]'), start = performance.now();
            field.value = text; field.dispatchEvent(new Event('input', { bubbles: true }));
            requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
        })""",
                text,
            )
            for text in ("epipe", "number-4", "", "nothing", "")
        ]
        browser.close()
    return f"first paint {paint:.0f} ms, ready {ready} ms, filter {max(filters):.0f} ms at most"


def one(total: int, browser: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "record.jsonl", Path(folder) / "report.html"
        # In a process of its own: what making up the plays needs is no part of the figure.
        subprocess.run([sys.executable, __file__, "--record", str(source), str(total)], check=True)
        began, used = time.perf_counter(), time.process_time()
        gathered = gather([source])
        read = time.perf_counter() - began
        written = write(gathered, target)
        took, cpu = time.perf_counter() - began, time.process_time() - used
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        beside = sum(p.stat().st_size for p in written[1:]) / 1e6
        print(
            f"{total} plays ({source.stat().st_size / 1e6:.0f} MB): {took:.2f} s (reading {read:.2f}; {cpu:.2f} s of processor), "
            f"page {target.stat().st_size / 1e6:.2f} MB, beside it {beside:.1f} MB in {len(written) - 1} files, {memory:.0f} MB of memory"
        )
        if browser:
            print("  " + browse(target))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plays", nargs="*", type=int, default=[1000, 20000])
    parser.add_argument("--browser", action="store_true", help="measure it in Chromium too")
    parser.add_argument("--record", type=Path, help="only write the record")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.record:
        record(options.record, options.plays[0])
    elif options.alone:
        one(options.plays[0], options.browser)
    else:
        for total in options.plays:  # each in a process of its own: the memory is then its own too
            subprocess.run([sys.executable, __file__, "--alone", *(["--browser"] if options.browser else []), str(total)], check=True)


if __name__ == "__main__":
    main()
