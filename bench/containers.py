"""What plays on containers cost: figures of one run on one machine with one engine.

    python bench/containers.py                  # some two minutes
    python bench/containers.py --plays 50

Prints and never judges.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

from faultlab import catalogue
from faultlab.backends import docker
from faultlab.play import Player
from faultlab.runtimes import all_runtimes

SIXTEEN = (
    "bind-ok", "bind-not-local", "connect-ok", "connect-refused-rst", "connect-blackhole-app-timeout", "connect-icmp-host-unreach",
    "connect-no-route", "connect-ephemeral-exhausted", "self-connect", "exchange-ok", "read-eof", "read-reset", "read-deadline",
    "write-close-wait", "write-reset-first", "use-after-close",
)  # fmt: skip


def play(player: Player, backend: docker.Docker, scenario: str, runtime: str) -> float:
    """Play once; its time, or NaN where it did not go as it should."""
    done, _ = player.play(catalogue.load()[scenario], all_runtimes()[runtime], backend)
    if done.verdict not in ("match", "deviates", "unsupported"):
        print(f"  {done.name}: {done.verdict} {done.reason or '; '.join(done.differences)}")
        return float("nan")
    return done.elapsed


def sigkills(times: int) -> None:
    """Kill sessions at moments spread over their first two seconds; how long until nothing of them is left."""
    from test_docker import SESSION

    client, waits = docker.connect(), []
    for number in range(times):
        session = subprocess.Popen([sys.executable, "-c", SESSION], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert session.stdout is not None and session.stdin is not None
        owner = session.stdout.readline().split()[0]
        time.sleep(2.0 * number / times)
        session.kill()
        session.wait()
        began = quiet = time.monotonic()
        while time.monotonic() - quiet < 2.0:  # what the engine was just making may still come
            if docker._labelled(client, owner):
                quiet = time.monotonic()
                if quiet - began > 60:
                    print(f"  {owner}: still there after 60 s")
                    break
            time.sleep(0.1)
        waits.append(quiet - began)
    print(f"nothing left after SIGKILL: {times} times, median {statistics.median(waits):.1f} s, at most {max(waits):.1f} s")


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--plays", type=int, default=30)
    options.add_argument("--sigkills", type=int, default=0)
    given = options.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    client = docker.connect()
    version = client.version()
    print(f"engine {version['Version']}, API {version['ApiVersion']}, kernel {version.get('KernelVersion')}, {version.get('Arch')}")
    print(f"image {docker.image()}: {client.images.get(docker.image()).attrs['Size'] / 1e6:.0f} MB")
    client.close()
    firsts = []
    for _ in range(3):
        backend, player = docker.Docker(), Player()
        began = time.monotonic()
        play(player, backend, "connect-refused-rst", "c")
        firsts.append(time.monotonic() - began)
        backend.close()
    print(f"first play of a session: median {statistics.median(firsts):.2f} s ({', '.join(f'{t:.2f}' for t in firsts)})")
    backend, player = docker.Docker(), Player()
    for runtime in ("c", "go", "python"):
        play(player, backend, "connect-refused-rst", runtime)
        times = sorted(play(player, backend, "connect-refused-rst", runtime) for _ in range(given.plays))
        middle, worst = 1000 * statistics.median(times), 1000 * times[-1]
        print(f"further plays, {runtime}: median {middle:.0f} ms, worst {worst:.0f} ms ({len(times)} plays)")
    began = time.monotonic()
    for scenario in SIXTEEN:
        for runtime in ("python", "go", "c"):
            play(player, backend, scenario, runtime)
    print(f"sixteen scenarios, three runtimes: {time.monotonic() - began:.1f} s")
    backend.close()
    if given.sigkills:
        sys.path.insert(0, os.path.join(os.path.dirname(__file__), os.pardir, "tests"))
        sigkills(given.sigkills)


if __name__ == "__main__":
    main()
