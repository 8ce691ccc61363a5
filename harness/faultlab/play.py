"""Playing a scenario once: testbed, drivers, story, evidence, verdict."""

from __future__ import annotations

import os
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from faultlab import wire
from faultlab.account import account
from faultlab.backends import BACKENDS
from faultlab.catalogue import Entry
from faultlab.driver import DriverSession
from faultlab.errors import Disagreement, DriverHung, LabError, PeerFailed, Unavailable, Unsupported, WaitTimedOut, WireMismatch
from faultlab.lab import Lab
from faultlab.remote import RemoteTestbed
from faultlab.runtimes import Driver, Runtime, all_runtimes
from faultlab.scenario import Observation, compare
from faultlab.testbed import Backend, Plan

KEPT = 128
"""Bytes of a packet that the evidence keeps: all headers there are, and the beginning of the data."""
VERDICTS = ("match", "deviates", "differs", "lab-error", "unavailable", "unsupported")


@dataclass(slots=True, kw_only=True)
class Play:
    """A scenario played once by one runtime on one backend."""

    scenario: str
    runtime: str
    backend: str
    variant: str | None = None
    runtime_version: str | None = None
    stack: str | None = None
    verdict: str = "lab-error"
    reason: str | None = None
    """Why it was not played to its end, and the remedy."""
    elapsed: float = 0.0
    virtual_elapsed: float | None = None
    observations: Sequence[Observation] = ()
    expected: Sequence[str] = ()
    peer: Sequence[Observation] = ()
    segments: Sequence[wire.Segment] = ()
    evidence: dict[str, Any] = field(default_factory=dict)
    differences: Sequence[str] = ()
    notes: Sequence[str] = ()
    """The notes of the deviations that were declared and happened."""
    departures: Sequence[Mapping[str, Any]] = ()
    """At which step each of them was, and what was seen instead."""

    @property
    def name(self) -> str:
        """`read-eof [go ipv6 netns]`."""
        return f"{self.scenario} [{' '.join(filter(None, (self.runtime, self.variant, self.backend)))}]"

    def as_json(self) -> dict[str, Any]:
        """The play as a line of a record."""
        return {
            "kind": "play",
            "scenario": self.scenario,
            "runtime": self.runtime,
            "runtime_version": self.runtime_version,
            "backend": self.backend,
            "variant": self.variant,
            "stack": self.stack,
            "verdict": self.verdict,
            "reason": self.reason,
            "elapsed": round(self.elapsed, 6),
            "virtual_elapsed": None if self.virtual_elapsed is None else round(self.virtual_elapsed, 6),
            "observations": [_observation(o) for o in self.observations],
            "expected": list(self.expected),
            "peer": [_observation(o) for o in self.peer],
            "evidence": self.evidence,
            "differences": list(self.differences),
            "notes": list(self.notes),
            "departures": list(self.departures),
        }


def _observation(o: Observation) -> dict[str, Any]:
    line: dict[str, Any] = {"op": o.op, "outcome": o.outcome, "t": round(o.t, 6), "elapsed": round(o.elapsed, 6)}
    for name in ("errno", "type", "message", "cause", "status", "bytes", "data"):
        if (value := getattr(o, name)) is not None:
            line[name] = value
    if o.chain:
        line["chain"] = list(o.chain)
    return line


def peer_runtime(there: Callable[[Runtime], object] = Runtime.prepare) -> Runtime:
    """What the peer's program is written in: the first that is there of those that offer themselves (`peer` in runtime.toml)."""
    offers = sorted((r for r in all_runtimes().values() if "peer" in r.config), key=lambda r: int(r.config["peer"]))
    for runtime in offers:
        with suppress(Unavailable):
            there(runtime)
            return runtime
    return offers[-1]


class Player:
    """Plays scenarios; keeps between them only what a session may keep: which drivers and backends there are.

    Several threads may have it play at a time, where the backend is one that holds several testbeds.
    """

    def __init__(self, *, number: int = 0, slow: float | None = None, peer: Runtime | None = None, account: bool = True) -> None:
        self.number, self.peer, self.account = number, peer, account
        self.slow = slow if slow is not None else float(os.environ.get("FAULTLAB_SLOW", "1"))
        self._drivers: dict[str, Driver | Unavailable] = {}
        self._checked: dict[str, Unavailable | None] = {}
        self._once = threading.Lock()

    def driver(self, runtime: Runtime) -> Driver:
        """The runtime's driver; what made it unavailable once is said again, not tried again."""
        with self._once:
            if runtime.name not in self._drivers:
                try:
                    self._drivers[runtime.name] = runtime.prepare()
                except Unavailable as e:
                    self._drivers[runtime.name] = e
        driver = self._drivers[runtime.name]
        if isinstance(driver, Unavailable):
            raise driver
        return driver

    def check(self, backend: Backend) -> None:
        """Raise BackendUnavailable where the backend cannot play; found out once a session."""
        with self._once:
            if backend.name not in self._checked:
                try:
                    backend.check()
                    self._checked[backend.name] = None
                except Unavailable as e:
                    self._checked[backend.name] = e
        if (problem := self._checked[backend.name]) is not None:
            raise problem

    def _driver_at(self, bed: RemoteTestbed, runtime: Runtime) -> Driver:
        return self.driver(runtime) if bed.drivers is None else runtime.made_elsewhere(bed.drivers)

    def play(self, entry: Entry, runtime: Runtime, backend: Backend, variant: str | None = None) -> tuple[Play, Exception | None]:
        """Play once. Whatever goes wrong is in the play; the exception is for those who want to raise it."""
        play = Play(scenario=entry.id, runtime=runtime.name, backend=backend.name, variant=variant)
        play.expected = [f"{e.op} {e.result}" for e in entry.scenario.expected_for(variant)]
        problem: Exception | None = None
        began = time.monotonic()
        try:
            if runtime.kind != entry.scenario.kind:
                raise Unsupported(f"{entry.id} is about {entry.scenario.kind} clients, and {runtime.name} is a {runtime.kind} one")
            if entry.scenario.only and runtime.name not in entry.scenario.only:
                raise Unsupported(f"{entry.id} is about {' and '.join(entry.scenario.only)} only")
            self.check(backend)
            if not backend.foreign:
                self.driver(runtime)
            began = time.monotonic()
            self._perform(entry, runtime, backend, variant, play)
        except Disagreement as e:
            play.verdict, play.differences, problem = "differs", e.differences, e
        except Unsupported as e:
            play.verdict, play.reason, problem = "unsupported", str(e), e
        except Unavailable as e:
            play.verdict, play.reason, problem = "unavailable", str(e), e
        except Exception as e:  # a LabError, or a mistake in a story
            play.verdict, play.reason, problem = "lab-error", f"{type(e).__name__}: {e}", e
        play.elapsed = time.monotonic() - began
        return play, problem

    def _perform(self, entry: Entry, runtime: Runtime, backend: Backend, variant: str | None, play: Play) -> None:
        scenario = entry.scenario
        virtual = backend.virtual
        if scenario.virtual_only and not virtual:
            why = "it needs a kernel of its own: default timers, or limits of the whole kernel"
            raise Unavailable(entry.id, why, "play it in virtual time: --backend uml")
        settings = {**scenario.settings, **({} if virtual else scenario.shortened)}
        plan = Plan(settings=settings, router=scenario.router, published=scenario.published, number=self.number)
        with ExitStack() as stack:
            bed = stack.enter_context(backend.testbed(plan))
            bed.family = entry.scenario.family(variant)
            play.stack = bed.stack
            for path, text in scenario.files.items():
                bed.host(scenario.observe).file(path, text.format(server=bed.host("server").address(4)))
            driver = self._driver_at(bed, runtime)
            play.runtime_version = driver.version
            peer = self.peer or peer_runtime(lambda r: self._driver_at(bed, r))
            drivers = {}
            for host in ("client", "server"):
                which = (runtime, driver) if host == scenario.observe else (peer, self._driver_at(bed, peer))
                without = scenario.without if host == scenario.observe else ()
                program = bed.spawn(host, host, which[1].argv, which[1].env, without=without)
                drivers[host] = DriverSession(bed, program, which[0].name)
            for session in drivers.values():
                session.ready()
                if bed.virtual and (threads := all_runtimes()[session.runtime].config.get("housekeeping")):
                    session.program.still(threads)
            play.runtime_version = str(drivers[scenario.observe].ready().get("version", driver.version))
            clock = bed.wait(0.0)

            def gap(asked: frozenset[str], seen: Observation) -> None:
                if not asked & runtime.unsupported.keys() and sys.platform == "linux":  # elsewhere a language has less, and says so
                    said = f"the {runtime.name} driver says {seen.op} is unsupported ({seen.message})"
                    raise LabError(f"{said}, but its runtime.toml names none of {', '.join(sorted(asked))}")

            lab = Lab(bed, scenario, drivers, variant, gap, runtime.compile)
            broken_off: Exception | None = None
            silent = (bed.blind or bed.begin_account()) if self.account else "nobody asked it"
            try:
                entry.story(lab)
            except (WaitTimedOut, PeerFailed, DriverHung, AssertionError) as e:
                broken_off = e
            finally:
                play.observations = lab.observed.observations
                play.peer = (lab.server if lab.observed is lab.client else lab.client).observations
                if not any(channel.broken for channel in bed.channels):
                    now = bed.wait(0.0)
                    play.virtual_elapsed = now - clock if bed.virtual else None
                    self._gather(lab, play, silent)
            self._judge(lab, entry, runtime, variant, play, broken_off)

    def _gather(self, lab: Lab, play: Play, silent: str | None) -> None:
        """Evidence: segments, the kernel's account, counters, what the faults say; on one clock that starts with the play's first event."""
        packets = [] if lab.bed.blind else [p for p in lab.bed.packets if p.proto != "other"]
        times = [o.t for o in (*play.observations, *play.peer) if o.t] + [p.t for p in packets]
        start = min(times, default=0.0)
        play.segments = seen = wire.segments(packets, lab.bed.names, start, lab.bed.forged)
        play.observations = [_at(o, start) for o in play.observations]
        play.peer = [_at(o, start) for o in play.peer]
        play.evidence = {
            "segments": [_segment(s) for s in seen],
            "counters": {name: dict(host.counters()) for name, host in lab.bed.hosts.items()},
            "fault": {name: dict(found) for name, found in lab.evidence.items()},
            **({"wire": lab.bed.blind} if lab.bed.blind else {}),
        }
        if silent is None:
            from faultlab import tracepoints  # no other system has what it imports

            told, functions = lab.bed.account(), tracepoints.symbols
            play.evidence |= account(
                told, lab.bed.names, packets, start, alone=lab.bed.virtual, function=lambda address: functions().name(address)
            )
        else:
            play.evidence |= {"kernel": None, "kernel_silent": silent}
        lost = lab.bed.lost_packets()
        if lost:
            raise LabError(f"the capture lost {lost} packets, so it proves nothing")

    def _judge(self, lab: Lab, entry: Entry, runtime: Runtime, variant: str | None, play: Play, broken_off: Exception | None) -> None:
        """Compare. A story that was broken off is to blame on what the program saw before, if that was something else already."""
        scenario = entry.scenario
        found = compare(
            scenario, play.observations, runtime=runtime.name, rules=partial(runtime.wording, version=play.runtime_version),
            habits=runtime.habits(scenario, variant), variant=variant,
            stack=play.stack or "", virtual=lab.bed.virtual, slow=self.slow,
            partial=broken_off is not None,
        )  # fmt: skip
        if broken_off is not None and not found.differences:
            raise broken_off
        play.verdict, play.notes = found.verdict, [d.note for d in found.deviations]
        play.departures = [{"step": d.step, "sees": d.sees, "note": d.note} for d in found.deviations]
        if found.differences:
            differences = [*found.differences, *([f"so the story was broken off: {broken_off}"] if broken_off else [])]
            raise Disagreement(differences, "\n".join(_line(o) for o in play.observations)) from broken_off
        if lab.bed.blind:  # what the programs saw is all there is; the evidence says so
            return
        must, never = scenario.wire_for(variant, runtime.name)
        problems = wire.check(must, never, play.segments)
        problems += counter_problems(scenario.counters_for(variant, runtime.name), play.evidence["counters"])
        if problems:
            raise WireMismatch("; ".join(problems))


def _segment(s: wire.Segment) -> dict[str, Any]:
    line: dict[str, Any] = {"t": round(s.t, 6), "from": s.sender, "to": s.receiver, "proto": s.proto}
    line |= {"flags": s.flags, "seq": s.seq, "ack": s.ack, "len": s.len, "window": s.window}
    line |= {name: value for name in ("icmp", "sport", "dport", "at") if (value := getattr(s, name))}
    line |= {"forged": True} if s.forged else {}
    return line | {"raw": b64encode(s.raw[:KEPT]).decode()}


def _at(o: Observation, start: float) -> Observation:
    return replace(o, t=max(0.0, o.t - start))


def _line(o: Observation) -> str:
    words = " ".join(str(x) for x in (o.errno, o.type, o.message and repr(o.message)) if x)
    return f"  {o.op}: {o.outcome} {words} ({o.elapsed:.4f} s)"


def counter_problems(wanted: Mapping[str, int | tuple[float, float]], seen: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Kernel counters that are not what the scenario says."""
    problems = []
    for key, value in wanted.items():
        host, name = key.split()
        have = seen.get(host, {}).get(name, 0)
        low, high = value if isinstance(value, tuple) else (value, value)
        if not low <= have <= high:
            problems.append(f"{name} at the {host} is {have}, expected {low:g}" + (f" to {high:g}" if high != low else ""))
    return problems


def backend_named(name: str) -> Backend:
    """The backend of that name. Raises KeyError."""
    return {b.name: b for b in BACKENDS}[name]
