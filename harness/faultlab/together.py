"""Plays side by side: while one waits for a timer of the kernel, the next one has its turn.

Most plays take some hundredths of a second of computing; some take seconds in which nothing is computed at all (a SYN that is sent
again, a NAT that forgets). So no more than a few may begin at a time, and one that has gone on for long counts as waiting, unless the
machine is busy: then it is late, and another one beside it would make both later.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from faultlab.catalogue import Entry
from faultlab.play import Play, Player
from faultlab.runtimes import Runtime
from faultlab.testbed import Backend

Result = tuple[Play, Exception | None]
TURNS = 4
"""How many plays may compute at a time: while one waits for an answer, others keep a processor and the harness busy."""
LONG = 0.3
"""Real seconds after which a play is taken to wait for a timer, so that another one may begin."""
MOST = 16
"""How many may be under way in all, the waiting ones included."""


def busy() -> bool:
    """Whether more threads of this machine want to run at this moment, ours aside, than it has processors (proc_loadavg(5))."""
    with open("/proc/loadavg", encoding="ascii") as f:
        return int(f.read().split()[3].partition("/")[0]) - 1 > (os.cpu_count() or 1)


class SideBySide:
    """Plays on threads of its own, in the order they were asked for. A context: on exit what has not begun is given up."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._threads = ThreadPoolExecutor(MOST, "play")
        self._turns = threading.Semaphore(TURNS)
        self._used: set[Backend] = set()

    def begin(self, entry: Entry, runtime: Runtime, backend: Backend, variant: str | None = None) -> Callable[[], Result]:
        """Have a play played; calling what is returned waits for its end. A backend that can hold only one plays it then."""
        if not backend.parallel:
            return lambda: self._player.play(entry, runtime, backend, variant)
        self._used.add(backend)
        return self._threads.submit(self._in_turn, entry, runtime, backend, variant).result

    def _in_turn(self, entry: Entry, runtime: Runtime, backend: Backend, variant: str | None) -> Result:
        over = threading.Event()

        def give_back() -> None:
            while not over.wait(LONG) and busy():
                pass
            self._turns.release()

        self._turns.acquire()
        threading.Thread(target=give_back, daemon=True).start()
        try:
            return self._player.play(entry, runtime, backend, variant)
        finally:
            over.set()

    def __enter__(self) -> SideBySide:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give up what has not begun, and break off what is under way: its agents end, so that nothing of it is left."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for backend in self._used:
            backend.close()
