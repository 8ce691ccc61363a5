"""The backend whose clock is virtual: it plays, stands still while nobody asks, is bounded in real time, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from faultlab import catalogue, kernels
from faultlab.backends.uml import Guest, Uml
from faultlab.errors import BackendUnavailable, GuestDied, GuestHung
from faultlab.play import Player
from faultlab.remote import topology
from faultlab.runtimes import all_runtimes
from faultlab.testbed import Plan

needs_kernel = pytest.mark.skipif(kernels.chosen() is None, reason="no kernel is built: faultlab kernel build")


@pytest.fixture
def guest() -> Iterator[Guest]:
    kernel = kernels.chosen()
    assert kernel is not None
    guest = Guest(kernel)
    yield guest
    guest.close()


def test_without_a_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(BackendUnavailable, match="faultlab kernel build"):
        Uml().check()


@needs_kernel
def test_time_stands_still(guest: Guest) -> None:
    before = guest.ask("wait", seconds=0.0)["now"]
    time.sleep(0.3)
    assert guest.ask("wait", seconds=0.0)["now"] - before < 0.001


@needs_kernel
def test_time_jumps(guest: Guest) -> None:
    before, real = guest.ask("wait", seconds=0.0)["now"], time.monotonic()
    after = guest.ask("wait", 60, seconds=10_000.0)["now"]
    assert 10_000 <= after - before < 10_001
    assert time.monotonic() - real < 30


@needs_kernel
def test_spins_on_the_clock(guest: Guest) -> None:
    guest.ask("build", **topology(Plan()))
    with pytest.raises(GuestHung, match="asked run"):
        guest.ask("run", 2.0, host="client", argv=[sys.executable, "-S", "-c", "while True: pass"])
    assert guest.broken


@needs_kernel
def test_killed(guest: Guest) -> None:
    guest.process.terminate()
    with pytest.raises(GuestDied):
        for _ in range(3):
            guest.ask("wait", 5.0, seconds=0.0)


OVERWRITE = """
import re
text = next(line for line in open("/proc/1/maps") if " r-xp " in line and "libc" in line)
begin, end = (int(word, 16) for word in re.split("[- ]", text)[:2])
with open("/proc/1/mem", "r+b", 0) as memory:
    memory.seek(begin)
    memory.write(b"\\xcc" * (end - begin))
"""
"""Process 1's own code becomes traps: it ends by a signal, and that is a panic."""


def panic(guest: Guest) -> None:
    guest.ask("run", 10.0, host="client", argv=[sys.executable, "-S", "-c", OVERWRITE])


@needs_kernel
def test_panics(guest: Guest) -> None:
    guest.ask("build", **topology(Plan()))
    with pytest.raises(GuestDied, match=r"asked run; its console: (?s:.)*Kernel panic - not syncing: Attempted to kill init"):
        panic(guest)
    assert guest.broken


@needs_kernel
def test_the_rest_is_played_in_a_new_boot() -> None:
    backend, player, entry = Uml(), Player(), catalogue.load()["connect-refused-rst"]
    try:
        verdicts = []
        for number in range(4):
            if number == 1:
                with pytest.raises(GuestDied), backend.testbed(Plan()) as bed:
                    panic(bed.channels[0])  # type: ignore[arg-type]  # it is this backend's
            if number == 2:  # between two plays, when nobody looks
                guest = backend._booted()
                guest.process.terminate()
                guest.process.wait()
            play, _ = player.play(entry, all_runtimes()["python"], backend)
            verdicts.append((play.verdict, (play.reason or "").partition(":")[0]))
    finally:
        backend.close()
    assert verdicts == [("match", ""), ("match", ""), ("lab-error", "GuestDied"), ("match", "")]


@needs_kernel
def test_nothing_is_left_of_it(guest: Guest) -> None:
    """The harness is killed: the guest ends by itself, and its folder goes."""
    code = "import time; from faultlab import kernels; from faultlab.backends.uml import Guest\n"
    code += "g = Guest(kernels.chosen()); print(g.process.pid, g.folder, flush=True); time.sleep(60)"
    harness = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert harness.stdout is not None
    pid, folder = harness.stdout.readline().split()
    watchdog = os.pidfd_open(int(pid))
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    harness.stdout.close()
    import select

    assert select.select([watchdog], [], [], 10)[0], "the watchdog still runs"
    os.close(watchdog)
    assert not Path(folder).exists()


@needs_kernel
def test_a_keepalive_timeout_at_its_default() -> None:
    backend = Uml()
    try:
        play, problem = Player().play(catalogue.load()["keepalive-timeout"], all_runtimes()["python"], backend)
    finally:
        backend.close()
    assert problem is None and play.virtual_elapsed is not None
    assert play.virtual_elapsed > 7875 and play.virtual_elapsed > 100 * play.elapsed
