"""Plays side by side: who begins when, whose result is whose, and what is given up."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from pathlib import Path

import pytest
from fakes import Loopback

from faultlab import together
from faultlab.catalogue import Entry
from faultlab.play import Play, Player
from faultlab.runtimes import Runtime, all_runtimes
from faultlab.scenario import Scenario
from faultlab.testbed import Backend
from faultlab.together import Result, SideBySide

PATIENCE = 20.0


class Parallel(Loopback):
    """It would hold any number of testbeds."""

    parallel = True


class Waiting(Player):
    """Its plays last until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[str] = []
        self.news = threading.Condition()
        self.go = threading.Event()

    def play(self, entry: Entry, runtime: Runtime, backend: Backend, variant: str | None = None) -> Result:
        """Nothing but the waiting."""
        with self.news:
            self.begun.append(entry.id)
            self.news.notify_all()
        assert self.go.wait(PATIENCE)
        return Play(scenario=entry.id, runtime=runtime.name, backend=backend.name), None

    def have_begun(self, number: int) -> bool:
        """Whether so many begin in time."""
        with self.news:
            return self.news.wait_for(lambda: len(self.begun) >= number, PATIENCE)


def entries(number: int) -> list[Entry]:
    """Scenarios that are never really played."""
    nothing = Scenario(title="A test", spec="#", expected=[])
    return [Entry(f"a-test-{n}", "connect", nothing, lambda lab: None, "A test.", Path(__file__)) for n in range(number)]


def test_results_in_order_however_long_they_take() -> None:
    player, backend = Waiting(), Parallel()
    player.go.set()
    with SideBySide(player) as side:
        results = [side.begin(entry, all_runtimes()["python"], backend) for entry in entries(40)]
        assert [result()[0].scenario for result in results] == [entry.id for entry in entries(40)]


def test_only_so_many_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "LONG", PATIENCE * 10)
    player = Waiting()
    with SideBySide(player) as side:
        results = [side.begin(entry, all_runtimes()["python"], Parallel()) for entry in entries(together.TURNS + 2)]
        assert player.have_begun(together.TURNS)
        assert not side._turns.acquire(blocking=False), "another one could begin"
        player.go.set()
        assert all(result()[0].verdict for result in results)


def test_who_waits_long_gives_the_turn_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "LONG", 0.001)
    monkeypatch.setattr(together, "busy", lambda: False)
    player = Waiting()
    with SideBySide(player) as side:
        results = [side.begin(entry, all_runtimes()["python"], Parallel()) for entry in entries(together.MOST + 5)]
        assert player.have_begun(together.MOST)
        player.go.set()
        assert len([result() for result in results]) == together.MOST + 5


def test_who_is_late_because_the_machine_is_busy_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = threading.Semaphore(0)

    def busy() -> bool:
        looks.release()
        return True

    monkeypatch.setattr(together, "LONG", 0.001)
    monkeypatch.setattr(together, "busy", busy)
    player = Waiting()
    with SideBySide(player) as side:
        results = [side.begin(entry, all_runtimes()["python"], Parallel()) for entry in entries(together.TURNS + 2)]
        assert player.have_begun(together.TURNS)
        assert all(looks.acquire(timeout=PATIENCE) for _ in range(20))
        assert len(player.begun) == together.TURNS
        player.go.set()
        assert all(result()[0].verdict for result in results)


def test_a_backend_for_one_plays_when_it_is_asked() -> None:
    player = Waiting()
    player.go.set()
    with SideBySide(player) as side:
        results = [side.begin(entry, all_runtimes()["python"], Loopback()) for entry in entries(2)]
        assert player.begun == []
        results[1]()
        assert player.begun == ["a-test-1"]


def test_what_has_not_begun_is_given_up() -> None:
    player = Waiting()
    with SideBySide(player) as side:
        results = [side.begin(entry, all_runtimes()["python"], Parallel()) for entry in entries(together.MOST * 2)]
        assert player.have_begun(together.TURNS)
    player.go.set()
    with pytest.raises(CancelledError):
        results[-1]()
    assert results[0]()[0].scenario == "a-test-0"
