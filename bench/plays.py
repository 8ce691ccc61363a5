"""What a play costs, as ratios: figures of one run on one machine, compared with each other and with a floor measured beside them.

The floor is the same event made by hand with the tools that everybody has: two namespaces, a veth pair, a refused connect, all undone; no
capture, no evidence, no check. A play includes all of that, from nothing to everything undone.

    python bench/plays.py                  # some two minutes
    python bench/plays.py --sessions 1 100 --plays 10

Prints and never judges: absolute times belong to the machine, and a busy one has other ratios.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from faultlab import catalogue
from faultlab.backends.netns import Netns
from faultlab.errors import Unavailable
from faultlab.play import Player, peer_runtime
from faultlab.runtimes import Runtime, all_runtimes

SCENARIO = "connect-refused-rst"
CONNECT = (
    "import socket\ntry: socket.create_connection(('198.51.100.2', 9000))\nexcept ConnectionRefusedError: pass\nelse: raise SystemExit(1)"
)


def in_namespace(pid: int, *argv: str, text: str = "") -> None:
    subprocess.run(["nsenter", "-t", str(pid), "-n", *argv], input=text, text=True, check=True, timeout=20)


def floor_once() -> float:
    """Two namespaces, a veth pair, a refused connect, everything undone."""
    began = time.monotonic()
    # A namespace lives as long as its process, which says when it is there and ends with its standard input.
    holders = [
        subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)
    ]
    for holder in holders:
        assert holder.stdout is not None
        holder.stdout.readline()
    client, server = (holder.pid for holder in holders)
    up = "addr add 198.51.100.{}/24 dev eth0\nlink set eth0 up\n"
    in_namespace(client, "ip", "-batch", "-", text=f"link add eth0 type veth peer name eth0 netns {server}\n" + up.format(1))
    in_namespace(server, "ip", "-batch", "-", text=up.format(2))
    in_namespace(client, sys.executable, "-I", "-S", "-c", CONNECT)
    for holder in holders:
        holder.communicate()
    return time.monotonic() - began


def floor(times: int) -> list[float]:
    """Measured in a namespace of its own, so that an ordinary user can do it too."""
    missing = [tool for tool in ("unshare", "nsenter", "ip") if shutil.which(tool) is None]
    if missing:
        print(f"no floor: {', '.join(missing)} not found")
        return []
    user = [] if os.getuid() == 0 else ["--map-root-user"]
    argv = ["unshare", *user, "--net", sys.executable, __file__, "--floor", str(times)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60 + 5 * times, check=False)
    if done.returncode:
        print(f"no floor: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
        return []
    return [float(line) for line in done.stdout.split()]


def plays(runtime: Runtime, times: int) -> list[float]:
    """The time of each play in one session, which the backend's agent and the built drivers outlive."""
    entry, player, backend = catalogue.load()[SCENARIO], Player(), Netns()
    found = []
    try:
        for number in range(times + 1):
            play, problem = player.play(entry, runtime, backend)
            if problem is not None:
                raise problem
            if number:  # the first one starts the agent
                found.append(play.elapsed)
    finally:
        backend.close()
    return found


def account_cost(runtime: Runtime, times: int) -> None:
    """What the kernel's own account costs a play: with and without it in turn, in one session."""
    entry, backend = catalogue.load()[SCENARIO], Netns()
    found: dict[bool, list[float]] = {True: [], False: []}
    players = {asked: Player(account=asked) for asked in found}
    kernel: object = None
    try:
        for number in range(times + 1):
            for asked, player in players.items():
                play, problem = player.play(entry, runtime, backend)
                if problem is not None:
                    raise problem
                kernel = play.evidence["kernel"] if asked else kernel
                if number:
                    found[asked].append(play.elapsed)
    finally:
        backend.close()
    if kernel is None:
        print("no account of the kernel's own here")
        return
    with_it, without = (statistics.median(found[asked]) for asked in (True, False))
    print(f"the kernel's own account, {times} plays of {runtime.name} with and without in turn: ", end="")
    print(f"{(with_it - without) * 1000:+.1f} ms a play, {with_it / without:.2f} x ({with_it * 1000:.1f} and {without * 1000:.1f} ms)")


def rss(pid: str) -> float:
    """Resident memory of a process in MB; 0 where it cannot be read."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def session(runtime: Runtime, times: int) -> None:
    """One session of so many plays, its agent's start and end included."""
    entry, player, backend = catalogue.load()[SCENARIO], Player(), Netns()
    began = time.monotonic()
    first = None
    for number in range(times):
        _, problem = player.play(entry, runtime, backend)
        if problem is not None:
            raise problem
        if number == 0:
            first = memory(backend)
    last = memory(backend)
    backend.close()
    rate = times / (time.monotonic() - began)
    print(f"{times:6d} plays   {rate:6.1f} a second   harness {last[0]:5.1f} MB   agent {last[1]:5.1f} MB   ", end="")
    print(f"since the first play {last[0] - (first or last)[0]:+.1f} MB, {last[1] - (first or last)[1]:+.1f} MB")


def memory(backend: Netns) -> tuple[float, float]:
    """Resident memory of this process and of the agent with its parent."""
    pid = backend._agent().process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return rss("self"), sum(rss(p) for p in (str(pid), *children))


def spread(times: Sequence[float]) -> str:
    ordered = sorted(times)
    return f"median {statistics.median(ordered) * 1000:6.1f} ms   {ordered[0] * 1000:6.1f} to {ordered[-1] * 1000:6.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--plays", type=int, default=20, metavar="N", help="of each runtime, and of the floor (default 20)")
    parser.add_argument(
        "--sessions", type=int, nargs="*", default=[1, 100, 1000], metavar="N", help="lengths of sessions (default 1 100 1000)"
    )
    parser.add_argument("--floor", type=int, metavar="N", help=argparse.SUPPRESS)
    wish = parser.parse_args()
    if wish.floor is not None:
        print(*(floor_once() for _ in range(wish.floor)))
        return
    bare = floor(wish.plays)
    print(
        f"{SCENARIO}, from nothing to everything undone; {wish.plays} of each, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    )
    if bare:
        print(f"  {'floor':10s} {spread(bare)}   by hand with unshare, ip and python, nothing observed")
    kind = catalogue.load()[SCENARIO].scenario.kind
    for runtime in (r for r in all_runtimes().values() if r.kind == kind):
        try:
            runtime.prepare()
            found = plays(runtime, wish.plays)
        except Unavailable as e:
            print(f"  {runtime.name:10s} {e}")
            continue
        ratio = f"   {statistics.median(found) / statistics.median(bare):5.2f} x the floor" if bare else ""
        print(f"  {runtime.name:10s} {spread(found)}{ratio}")
    fastest = peer_runtime()
    account_cost(fastest, 5 * wish.plays)
    print(f"sessions of {fastest.name}, start and end included")
    for times in wish.sessions:
        session(fastest, times)


if __name__ == "__main__":
    main()
