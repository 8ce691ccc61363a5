"""How fast hours pass: python bench/virtual.py [speed] [defaults].

`speed` prints each figure with what it has to be, and the ratio of virtual to real time; `defaults` the kernel's default timeouts as every
runtime meets them, measured on each kernel that is built. Without a word both. What is not as expected is said.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

from faultlab import catalogue, kernels
from faultlab.backends.uml import Uml
from faultlab.play import Play, Player
from faultlab.runtimes import all_runtimes

THREE = ["connect-blackhole-kernel-timeout", "write-unacked-timeout", "keepalive-timeout"]
LONGEST = {THREE[0]: 64, THREE[1]: 120, THREE[2]: 7200}
"""Seconds of the longest single timer in each."""
SIXTEEN = [
    "bind-not-local", "linger0-rst", "peer-close-unread-data", "use-after-close", "connect-blackhole-app-timeout",
    "connect-blackhole-kernel-timeout", "connect-ephemeral-exhausted", "connect-icmp-host-unreach", "connect-no-route",
    "connect-refused-rst", "self-connect", "read-deadline", "read-eof", "read-reset", "write-close-wait", "write-reset-first",
]  # fmt: skip
SIX = ["c", "go", "python", "node", "java", "rust"]
# What each scenario is a measurement of: the column, the step whose duration it is, and where that counts from another step's beginning.
MEASURED = {
    "connect-blackhole-kernel-timeout": ("connect", 1, None),
    "write-unacked-timeout": ("unacknowledged data", 3, None),
    "keepalive-timeout": ("keepalive, switched on", 3, None),
    "read-hang-silent-peer": ("keepalive, as the language leaves it", 2, None),
    "fin-wait2-expired": ("FIN_WAIT_2", 5, 4),
    "bind-time-wait-60s": ("TIME_WAIT", 7, 4),
}


def plays(backend: Uml, ids: Sequence[str], runtimes: Sequence[str]) -> tuple[list[Play], float]:
    entries, known, player = catalogue.load(), all_runtimes(), Player()
    for name in runtimes:
        known[name].prepare()
    began = time.monotonic()
    done = [player.play(entries[i], known[r], backend)[0] for i in ids for r in runtimes]
    real = time.monotonic() - began
    slowest = sorted(done, key=lambda p: -p.elapsed)[:3]
    print(f"  the slowest: {', '.join(f'{p.name} {p.elapsed:.1f} s' for p in slowest)}")
    return done, real


def say(what: str, done: Sequence[Play], real: float, must: str) -> None:
    virtual = sum(p.virtual_elapsed or 0 for p in done)
    bad = [p.name for p in done if p.verdict not in ("match", "deviates", "unsupported")]
    print(f"{what}: {real:.2f} s of real time for {virtual:,.0f} s, {virtual / real:,.0f} × faster ({must})", flush=True)
    if bad:
        print(f"  NOT as expected: {', '.join(bad)}")


def speed() -> None:
    kernel = kernels.chosen()
    assert kernel is not None
    print(f"kernel {kernel.name}: {kernel.size / 1e6:.1f} MB (at most 10)")
    backend = Uml()
    try:
        say("boot to the end of the first play, C", *plays(backend, ["connect-refused-rst"], ["c"]), "at most 2 s")
        say("three default timeouts, C", *plays(backend, THREE, ["c"]), "at most 3 s for 9,000 s")
        first = plays(backend, SIXTEEN, ["c", "go", "python"])
        say("sixteen first scenarios × 3 runtimes, the same boot", *first, "at most 15 s")
        idle = [e.id for e in catalogue.load().values() if e.phase == "idle"]
        say(f"{len(idle)} long-timer scenarios × {len(SIX)} runtimes", *plays(backend, idle, SIX), "at least 1,000 ×, at most 120 s")
        again, real = plays(backend, THREE * 50, ["c"])
        say("three default timeouts, 50 times", again, real, "same verdicts, times within 1 % or a tick of the timer wheel")
        for i in THREE:
            times = [p.virtual_elapsed or 0 for p in again if p.scenario == i]
            verdicts = {p.verdict for p in again if p.scenario == i}
            spread = f"{min(times):.2f} to {max(times):.2f} s, {100 * (max(times) / min(times) - 1):.2f} %"
            print(f"  {i}: {' '.join(verdicts)}, {spread}; a tick is {_tick(LONGEST[i]):.2f} s")
    finally:
        backend.close()


def _tick(seconds: float, hz: int = 100) -> float:
    """To what the timer wheel rounds a timer up: each level is eight times coarser than the one before (kernel/time/timer.c)."""
    level = 0
    while seconds * hz >= 63 << 3 * level:
        level += 1
    return (1 << 3 * level) / hz


def defaults() -> None:
    columns = [column for column, _, _ in MEASURED.values()]
    print("\n| kernel | runtime | " + " | ".join(columns) + " |\n" + "| --- " * (len(columns) + 2) + "|")
    for kernel in kernels.built():
        os.environ[kernels.VARIABLE] = kernel.name
        backend, player, entries = Uml(), Player(), catalogue.load()
        try:
            for name in SIX:
                cells = []
                for i, (_, step, since) in MEASURED.items():
                    if since is not None and name != SIX[0]:
                        cells.append("the same")  # the program has closed: it is the kernel's alone
                        continue
                    cells.append(_cell(player.play(entries[i], all_runtimes()[name], backend)[0], step, since))
                print(f"| {kernel.version} | {name} | " + " | ".join(cells) + " |", flush=True)
        finally:
            backend.close()


def _cell(play: Play, step: int, since: int | None) -> str:
    if play.verdict not in ("match", "deviates"):
        return play.verdict
    seen = play.observations[step - 1]
    if seen.outcome == "blocked":
        return "never (30 d)"
    seconds = seen.elapsed if since is None else seen.t - play.observations[since - 1].t
    return f"{seconds:,.1f} s"


def main() -> None:
    if kernels.chosen() is None:
        raise SystemExit("no kernel is built: faultlab kernel build")
    wanted = sys.argv[1:] or ["speed", "defaults"]
    if "speed" in wanted:
        speed()
    if "defaults" in wanted:
        defaults()


if __name__ == "__main__":
    main()
