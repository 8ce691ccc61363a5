"""The pytest plugin: `pytest scenarios/` plays the catalogue.

A scenario's test function takes `lab`; the plugin makes one item of it for every runtime, backend and variant asked for, plays it,
and turns the verdict into pytest's own outcomes: differs -> failed, lab-error -> error, unavailable and unsupported -> skipped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from faultlab import catalogue, explain, kernels
from faultlab.backends import BACKENDS
from faultlab.catalogue import Entry
from faultlab.errors import Disagreement, LabError, ScenarioError, Unavailable, Unsupported
from faultlab.play import Player, backend_named
from faultlab.record import RecordWriter, header
from faultlab.runtimes import all_runtimes, playing
from faultlab.together import Result, SideBySide

PLAYING = pytest.StashKey[SideBySide]()
BEGUN = pytest.StashKey[Callable[[], Result]]()
WRITER = pytest.StashKey[RecordWriter]()
PLAY = "faultlab-play"
SCENARIO = "faultlab-scenario"
WHOLE = "faultlab-whole-scenarios"
BUNDLES = pytest.StashKey[dict[str, str]]()
BUNDLE = 48
"""Plays, at least: enough for the processor while some of them wait, and few enough to be spread over the processes."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options that select what is played; the same words as the command's."""
    group = parser.getgroup("faultlab", "faultlab: which plays, and where")
    group.addoption("--runtime", action="append", metavar="NAME", help="play this runtime only (repeat for more)")
    group.addoption("--backend", action="append", metavar="NAME", help="play on this backend (repeat for more; default netns)")
    group.addoption("--virtual-time", action="store_true", help="play where the clock is virtual: kernel timers at their defaults")
    group.addoption("--require", action="append", metavar="BACKEND", default=[], help="make it an error when this backend is not available")
    group.addoption("--record", metavar="FILE", help="write the plays as a record (JSON lines)")
    group.addoption("--kernel", metavar="VERSION", help="uml: how the version of the kernel begins (default: the newest that is built)")
    group.addoption("--repeat", type=int, default=1, metavar="N", help="play everything N times")


def pytest_configure(config: pytest.Config) -> None:
    """Check names early, and open the record in the process that writes it."""
    for option, known in (("runtime", all_runtimes()), ("backend", {b.name for b in BACKENDS}), ("require", {b.name for b in BACKENDS})):
        for name in config.getoption(option) or ():
            if name not in known:
                raise pytest.UsageError(f"unknown {option.replace('require', 'backend')} {name!r}{catalogue.nearest(name, known)}")
    if version := config.getoption("kernel"):
        os.environ[kernels.VARIABLE] = version
    if (path := config.getoption("record")) and not hasattr(config, "workerinput"):
        names = config.getoption("runtime") or [n for n, r in all_runtimes().items() if r.default]
        config.stash[WRITER] = RecordWriter(Path(path), header(names, _backends(config)))


def _backends(config: pytest.Config) -> list[str]:
    """Where to play."""
    named: list[str] = config.getoption("backend") or []
    return named or ([b.name for b in BACKENDS if b.virtual] if config.getoption("virtual_time") else ["netns"])


def pytest_unconfigure(config: pytest.Config) -> None:
    """A record that was opened and not finished is an interrupted one."""
    if (writer := config.stash.get(WRITER, None)) is not None:
        writer.close("interrupted")


@pytest.fixture
def lab() -> Iterator[None]:
    """What a story talks to. The plugin hands the real thing to the story itself, once the testbed stands."""
    yield None


def is_scenario(module: object) -> bool:
    """Whether a test module is a scenario file."""
    return isinstance(module, ModuleType) and hasattr(module, "SCENARIO")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item a runtime, backend, variant and repetition."""
    if "lab" not in metafunc.fixturenames or not is_scenario(metafunc.module):
        return
    config = metafunc.config
    try:
        entry = catalogue.entry(metafunc.module, Path(metafunc.module.__file__ or ""))
    except ScenarioError as e:
        raise pytest.UsageError(str(e)) from e
    runtimes = playing(entry.scenario.kind, config.getoption("runtime"), entry.scenario.only)
    backends = _backends(config)
    plays = []
    for number in range(config.getoption("repeat")):
        for backend in backends:
            for runtime in runtimes:
                for variant in (None, *entry.scenario.variants):
                    parts = [
                        runtime,
                        variant,
                        backend if len(backends) > 1 else None,
                        str(number) if config.getoption("repeat") > 1 else None,
                    ]
                    plays.append(pytest.param((entry, runtime, backend, variant), id="-".join(p for p in parts if p)))
    metafunc.fixturenames.append("_play")
    metafunc.parametrize("_play", plays)


def _play_of(item: pytest.Item) -> tuple[Entry, str, str, str | None] | None:
    """What an item plays; None for everybody else's tests."""
    found: tuple[Entry, str, str, str | None] | None = getattr(getattr(item, "callspec", None), "params", {}).get("_play")
    return found


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Play instead of calling the story with a fixture's value."""
    if (which := _play_of(pyfuncitem)) is None:
        return None
    entry = which[0]
    config = pyfuncitem.config
    if BEGUN not in pyfuncitem.stash:
        _begin(pyfuncitem)
    play, problem = pyfuncitem.stash[BEGUN]()
    pyfuncitem.user_properties.append((SCENARIO, explain.data(entry)))
    pyfuncitem.user_properties.append((PLAY, play.as_json()))
    if isinstance(problem, Unavailable):
        if problem.what in config.getoption("require"):
            raise LabError(f"required, but {problem}") from problem
        pytest.skip(str(problem))
    if isinstance(problem, Unsupported):
        pytest.skip(str(problem))
    if problem is not None:
        raise problem
    return True


def _unit(nodeid: str) -> str:
    """All plays of a scenario, once; of anybody else's tests, a function."""
    function, _, parameters = nodeid.partition("[")
    number = parameters.rpartition("-")[2].rstrip("]")
    return f"{function} {number}" if number.isdigit() else function


def _bundles(nodeids: Sequence[str]) -> dict[str, str]:
    """What one process plays side by side, under the name of its first unit: some scenarios that follow each other, each of them whole."""
    bundles: dict[str, str] = {}
    names: dict[str, str] = {}
    room = 0
    for nodeid in nodeids:
        unit = _unit(nodeid)
        file, _, function = unit.partition(" ")[0].rpartition("::")
        if unit not in names:
            scenario = function == f"test_{Path(file).stem}"
            if room <= 0 or not scenario:
                names[unit], room = unit, BUNDLE if scenario else 0
            else:
                names[unit] = next(reversed(names.values()))
        bundles[nodeid] = names[unit]
        room -= 1
    return bundles


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes play: deal out the scenarios that wait long, so that each bundle has some, and begins with them."""
    if not hasattr(config, "workerinput") or WHOLE not in config.workerinput or not all(_play_of(item) for item in items):
        return
    units: dict[str, list[pytest.Item]] = {}
    for item in items:
        units.setdefault(_unit(item.nodeid), []).append(item)
    longest = sorted(units.values(), key=lambda unit: -_waits(unit[0]))
    number = max(1, len(items) // BUNDLE)
    items[:] = [item for first in range(number) for unit in longest[first::number] for item in unit]


def _waits(item: pytest.Item) -> float:
    """Seconds that a play lasts at least, as far as its scenario says so."""
    which = _play_of(item)
    return sum(e.within[0] for e in which[0].scenario.expected_for(None) if e.within) if which else 0.0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where plain `-n` would give single tests to whichever process is free: give it whole scenarios."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class InBundles(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
        _known: dict[str, str] | None = None

        def _split_scope(self, nodeid: str) -> str:
            if self._known is None:
                self._known = _bundles(self.collection)
            return self._known[nodeid]

    config.option.loadscopereorder = False
    return InBundles(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process that it has scenarios as a whole."""
    if node.config.getoption("dist") == "load":
        node.workerinput[WHOLE] = True


def _begin(first: pytest.Item) -> None:
    """Begin a bundle of plays, as far as they are this process's to play; each item takes its own result."""
    config = first.config
    if PLAYING not in config.stash:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
        config.stash[PLAYING] = SideBySide(Player(number=int(worker)))
        config.stash[BUNDLES] = _bundles([item.nodeid for item in first.session.items])
    mine = not hasattr(config, "workerinput") or WHOLE in config.workerinput
    bundles = config.stash[BUNDLES]
    for item in [i for i in first.session.items if bundles[i.nodeid] == bundles[first.nodeid]] if mine else [first]:
        if (which := _play_of(item)) is not None:
            entry, runtime, backend, variant = which
            item.stash[BEGUN] = config.stash[PLAYING].begin(entry, all_runtimes()[runtime], backend_named(backend), variant)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say a disagreement or an error of the lab in its own words, without a traceback through the harness."""
    report = yield
    if call.excinfo is not None and _play_of(item) is not None:
        error = call.excinfo.value
        if isinstance(error, Disagreement):
            report.longrepr = f"{item.name}: the program saw something else than the catalogue says\n{error}"
        elif isinstance(error, LabError):
            report.longrepr = f"{item.name}: {type(error).__name__}: {error}"
        if isinstance(error, Exception) and not isinstance(error, Disagreement):  # an error of the lab, or a mistake in a story
            report.user_properties.append(("faultlab-lab-error", True))
    return report


def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
    """An error of the lab is an error, not a failure."""
    if getattr(report, "when", None) == "call" and report.failed and ("faultlab-lab-error", True) in getattr(report, "user_properties", ()):
        return "error", "E", "LAB ERROR"
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write the play into the record as it comes, in the process that has it open."""
    if report.when == "call" and _config is not None and (writer := _config.stash.get(WRITER, None)) is not None:
        for name, value in report.user_properties:
            if name == SCENARIO and isinstance(value, dict):
                writer.scenario(value)
            elif name == PLAY and isinstance(value, dict):
                writer.play(value)


_config: pytest.Config | None = None


def pytest_sessionstart(session: pytest.Session) -> None:
    """Reports come without their session; remember whose they are."""
    global _config
    _config = session.config


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Break off what is still being played, and close the record with a footer that says how the session ended."""
    if (playing := session.config.stash.get(PLAYING, None)) is not None:
        playing.close()
    if (writer := session.config.stash.get(WRITER, None)) is not None:
        whole = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not (session.shouldfail or session.shouldstop)
        writer.close("complete" if whole else "interrupted")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Nothing played is not a success: say so where everything was skipped."""
    stats = terminalreporter.stats
    if not stats.get("passed") and not stats.get("failed") and not stats.get("error") and stats.get("skipped"):
        terminalreporter.write_line("faultlab: nothing was played; --require BACKEND makes that an error", yellow=True)
