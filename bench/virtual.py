"""How fast hours pass: python bench/virtual.py. Prints each figure with what it has to be, and the ratio of virtual to real time."""

from __future__ import annotations

import time
from collections.abc import Sequence

from faultlab import catalogue, kernels
from faultlab.backends.uml import Uml
from faultlab.play import Play, Player
from faultlab.runtimes import all_runtimes

THREE = ["connect-blackhole-kernel-timeout", "write-unacked-timeout", "keepalive-timeout"]


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
    print(f"{what}: {real:.2f} s of real time for {virtual:,.0f} s, {virtual / real:,.0f} × faster ({must})")
    if bad:
        print(f"  NOT as expected: {', '.join(bad)}")


def main() -> None:
    kernel = kernels.chosen()
    if kernel is None:
        raise SystemExit("no kernel is built: faultlab kernel build")
    print(f"kernel {kernel.name}: {kernel.size / 1e6:.1f} MB (at most 10)")
    backend = Uml()
    try:
        say("boot to the end of the first play, C", *plays(backend, ["connect-refused-rst"], ["c"]), "at most 2 s")
        say("three default timeouts, C", *plays(backend, THREE, ["c"]), "at most 3 s for 9,000 s")
        six = [n for n, r in all_runtimes().items() if n in ("c", "go", "python", "node", "java", "rust")]
        idle = [e.id for e in catalogue.load().values() if e.phase == "idle"]
        say(f"{len(idle)} long-timer scenarios × {len(six)} runtimes", *plays(backend, idle, six), "at least 1,000 ×, at most 120 s")
        again, real = plays(backend, THREE * 50, ["c"])
        say("three default timeouts, 50 times", again, real, "same verdicts, times within 1 %")
        for i in THREE:
            times = [p.virtual_elapsed or 0 for p in again if p.scenario == i]
            print(f"  {i}: {min(times):.2f} to {max(times):.2f} s, {100 * (max(times) / min(times) - 1):.2f} %")
    finally:
        backend.close()


if __name__ == "__main__":
    main()
