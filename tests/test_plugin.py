"""The pytest plugin: the four outcomes stay apart, names are checked, records are whole. Played on the loopback, without namespaces."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest
from fakes import Loopback, Nowhere

from faultlab import play, pytest_plugin
from faultlab.errors import RuntimeUnavailable
from faultlab.record import read
from faultlab.runtimes import Driver, Runtime, cache_folder

CACHE = str(cache_folder().parent)  # pytester moves HOME; the drivers need not be built again for that
TESTS = str(Path(__file__).parent)

CONFTEST = """
from fakes import Loopback, Nowhere
from faultlab import play, pytest_plugin

play.BACKENDS = pytest_plugin.BACKENDS = (Loopback(), Nowhere())
"""
SCENARIO = '''"""Something happens.

And there is a reason for it.
"""

from faultlab.errors import FaultNotObserved, Unsupported
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(title="a test's", spec="#", expected=[Expected("connect", "{result}")], variants={variants!r})


def test_{name}(lab):
    {body}
'''


@pytest.fixture(autouse=True)
def folder(pytester: pytest.Pytester, loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", CACHE)
    monkeypatch.setenv("PYTHONPATH", TESTS)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setattr(play, "BACKENDS", (loopback, Nowhere()))
    monkeypatch.setattr(pytest_plugin, "BACKENDS", (loopback, Nowhere()))
    monkeypatch.setattr(pytest_plugin, "_config", None)
    pytester.makeini("[pytest]\npython_files = test_*.py scenarios/*/*.py\naddopts = --import-mode=importlib -ra\n")


def scenario(pytester: pytest.Pytester, name: str = "refused", body: str = "lab.client.connect(1)", result: str = "ECONNREFUSED",
             variants: tuple[str, ...] = ()) -> None:  # fmt: skip
    path = pytester.path / "scenarios" / "connect" / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCENARIO.format(name=name, body=body, result=result, variants=variants), encoding="utf-8")


def run(pytester: pytest.Pytester, *options: str, backend: str = "loopback") -> pytest.RunResult:
    return pytester.runpytest_inprocess("scenarios", "--backend", backend, "--runtime", "python", "-p", "no:xdist", *options)


def verdicts(record: Path) -> list[str]:
    return [p["verdict"] for p in read(record).plays]


# ---- outcomes ------------------------------------------------------------------------------------------------------


def test_match_passes(pytester: pytest.Pytester) -> None:
    scenario(pytester)
    result = run(pytester, "--record", "r.jsonl")
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    assert verdicts(pytester.path / "r.jsonl") == ["match"]
    assert "nothing was played" not in result.stdout.str()


def test_disagreement_fails(pytester: pytest.Pytester) -> None:
    scenario(pytester, result="ETIMEDOUT")
    result = run(pytester, "--record", "r.jsonl")
    result.assert_outcomes(failed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*the program saw something else than the catalogue says", "step 1 (connect): errno: 'ETIMEDOUT' expected*"]
    )
    assert "Traceback" not in result.stdout.str() and "play.py" not in result.stdout.str()
    assert verdicts(pytester.path / "r.jsonl") == ["differs"]


def test_lab_error_is_an_error(pytester: pytest.Pytester) -> None:
    scenario(pytester, body='raise FaultNotObserved("Fault()", "it left no trace")')
    result = run(pytester, "--record", "r.jsonl")
    result.assert_outcomes(errors=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*FaultNotObserved: 'Fault()' did not act: it left no trace"])
    assert verdicts(pytester.path / "r.jsonl") == ["lab-error"]


def test_a_mistake_in_a_story_is_an_error_with_its_place(pytester: pytest.Pytester) -> None:
    scenario(pytester, body="lab.client.levitate()")
    result = run(pytester)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*lab.client.levitate()", "*refused.py*AttributeError*"])


def test_unavailable_is_skipped_with_reason_and_remedy(pytester: pytest.Pytester) -> None:
    scenario(pytester)
    result = run(pytester, "--record", "r.jsonl", backend="nowhere")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*nowhere is not available here: it is a test's. Remedy: none is needed*"])
    assert verdicts(pytester.path / "r.jsonl") == ["unavailable"]


def test_nothing_played_does_not_look_green(pytester: pytest.Pytester) -> None:
    scenario(pytester)
    run(pytester, backend="nowhere").stdout.fnmatch_lines(["*nothing was played; --require BACKEND makes that an error"])


def test_required_and_unavailable_is_an_error(pytester: pytest.Pytester) -> None:
    scenario(pytester)
    result = run(pytester, "--require", "nowhere", backend="nowhere")
    result.assert_outcomes(errors=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*required, but nowhere is not available here*"])


def test_required_and_available_is_no_matter(pytester: pytest.Pytester) -> None:
    scenario(pytester)
    run(pytester, "--require", "loopback").assert_outcomes(passed=1)


def test_no_toolchain_is_skipped(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(runtime: Runtime) -> Driver:
        raise RuntimeUnavailable(runtime.name, "no compiler", "get one")

    monkeypatch.setattr(Runtime, "prepare", missing)
    scenario(pytester)
    result = run(pytester)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*python is not available here: no compiler. Remedy: get one*"])


def test_unsupported_is_skipped(pytester: pytest.Pytester) -> None:
    scenario(pytester, body='raise Unsupported("python cannot levitate")')
    result = run(pytester, "--record", "r.jsonl")
    result.assert_outcomes(skipped=1)
    assert verdicts(pytester.path / "r.jsonl") == ["unsupported"]


# ---- names and items -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "word", "hint"),
    [
        ("--runtime", "pyhton", "unknown runtime 'pyhton' (did you mean python"),
        ("--backend", "lopback", "unknown backend 'lopback' (did you mean loopback"),
        ("--require", "nowhre", "unknown backend 'nowhre' (did you mean nowhere"),
        ("--runtime", "%%%", "unknown runtime '%%%'"),
    ],
)
def test_unknown_name(pytester: pytest.Pytester, option: str, word: str, hint: str) -> None:
    scenario(pytester)
    result = pytester.runpytest_inprocess("scenarios", option, word)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert hint in result.stderr.str()


def test_virtual_time_is_the_backend_that_has_it(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loopback, "virtual", True)
    scenario(pytester)
    result = pytester.runpytest_inprocess("scenarios", "--virtual-time", "--runtime", "python", "-p", "no:xdist")
    result.assert_outcomes(passed=1)


def test_one_item_a_runtime_and_variant(pytester: pytest.Pytester) -> None:
    scenario(pytester, variants=("ipv6",))
    result = pytester.runpytest_inprocess("scenarios", "--runtime", "python", "--runtime", "go", "--collect-only", "-q", "-p", "no:xdist")
    assert [line.partition("[")[2] for line in result.outlines if "[" in line] == ["python]", "python-ipv6]", "go]", "go-ipv6]"]


def test_repeat(pytester: pytest.Pytester) -> None:
    scenario(pytester)
    run(pytester, "--repeat", "3").assert_outcomes(passed=3)


def test_a_file_that_is_no_scenario(pytester: pytest.Pytester) -> None:
    scenario(pytester)
    path = pytester.path / "scenarios" / "connect" / "refused.py"
    path.write_text(path.read_text(encoding="utf-8").replace("test_refused", "test_other"), encoding="utf-8")
    result = run(pytester)
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*refused.py: a scenario file has its story in a function test_refused(lab)*"])


def test_other_people_s_tests_are_left_alone(pytester: pytest.Pytester) -> None:
    """Also those of a module that happens to have a constant of that name."""
    pytester.makepyfile(test_theirs="SCENARIO = 1\n\ndef test_passes():\n    pass\n\ndef test_fails():\n    assert False\n")
    result = pytester.runpytest_inprocess("test_theirs.py", "-p", "no:xdist")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*assert False*"])


# ---- records -------------------------------------------------------------------------------------------------------


def test_record_of_two_workers(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    for number in range(4):
        scenario(pytester, f"refused_{number}")
    scenario(pytester, "differs", result="ETIMEDOUT")
    result = pytester.runpytest_subprocess(
        "scenarios", "--backend", "loopback", "--runtime", "python", "-n", "2", "--record", "r.jsonl", timeout=60
    )
    result.assert_outcomes(passed=4, failed=1)
    record = read(pytester.path / "r.jsonl")
    assert sorted(p["scenario"] for p in record.plays) == ["differs", *(f"refused-{n}" for n in range(4))]
    assert record.footer["status"] == "complete"
    assert record.footer["verdicts"] == {"match": 4, "differs": 1}
    assert record.header["runtimes"] == ["python"] and record.header["backends"] == ["loopback"]


def test_record_of_an_interrupted_run(pytester: pytest.Pytester) -> None:
    scenario(pytester, "a_first")
    scenario(pytester, "b_second", body="raise KeyboardInterrupt")
    scenario(pytester, "c_third")
    with pytest.raises(KeyboardInterrupt):
        run(pytester, "--record", "r.jsonl")
    record = read(pytester.path / "r.jsonl")
    assert [p["scenario"] for p in record.plays] == ["a-first"]
    assert record.footer["status"] == "interrupted"


def test_record_of_two_interrupted_workers(pytester: pytest.Pytester) -> None:
    """Ctrl-C reaches the process that writes the record."""
    pytester.makeconftest(CONFTEST)
    body = "import os, signal; lab.client.connect(1); os.kill(os.getppid(), signal.SIGINT)"
    for number in range(6):
        scenario(pytester, f"refused_{number}", body=body)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background inherits that it is ignored
    try:
        pytester.runpytest_subprocess(
            "scenarios", "--backend", "loopback", "--runtime", "python", "-n", "2", "--record", "r.jsonl", timeout=60
        )
    finally:
        signal.signal(signal.SIGINT, before)
    record = read(pytester.path / "r.jsonl")
    assert record.footer["status"] == "interrupted"
    assert len(record.plays) < 6


def test_record_of_a_run_that_stopped_at_the_first_failure(pytester: pytest.Pytester) -> None:
    scenario(pytester, "a_first", result="ETIMEDOUT")
    scenario(pytester, "b_second")
    run(pytester, "-x", "--record", "r.jsonl")
    assert read(pytester.path / "r.jsonl").footer["status"] == "interrupted"


def test_record_has_the_whole_play(pytester: pytest.Pytester) -> None:
    scenario(pytester)
    run(pytester, "--record", "r.jsonl")
    (line,) = read(pytester.path / "r.jsonl").plays
    assert (line["scenario"], line["runtime"], line["backend"], line["expected"]) == (
        "refused",
        "python",
        "loopback",
        ["connect ECONNREFUSED"],
    )
    (seen,) = line["observations"]
    assert (seen["errno"], seen["type"], seen["message"]) == ("ECONNREFUSED", "ConnectionRefusedError", "[Errno 111] Connection refused")
    assert line["runtime_version"] and line["stack"].startswith("linux-")
    assert line["elapsed"] > 0


def test_bundles_hold_scenarios_whole() -> None:
    """A play's neighbours are those of its scenario, whatever the bundle's size; other people's tests stay single functions."""
    plays = [f"s/a_{n}.py::test_a_{n}[{runtime}]" for n in range(9) for runtime in ("c", "go-ipv6", *(f"r{i}" for i in range(20)))]
    others = [f"tests/test_x.py::test_{n}[{i}]" for n in range(2) for i in ("a", "b")]
    found = pytest_plugin._bundles([*plays, *others])
    for file in {nodeid.partition("::")[0] for nodeid in plays}:
        assert len({bundle for nodeid, bundle in found.items() if nodeid.startswith(file)}) == 1
    sizes = Counter(found[nodeid] for nodeid in plays)
    assert min(list(sizes.values())[:-1]) >= pytest_plugin.BUNDLE
    assert len(sizes) == 3
    assert {found[nodeid] for nodeid in others} == {"tests/test_x.py::test_0", "tests/test_x.py::test_1"}


def test_bundles_keep_repetitions_apart() -> None:
    repeated = [f"s/a.py::test_a[c-{n}]" for n in range(pytest_plugin.BUNDLE * 2)]
    assert len(set(pytest_plugin._bundles(repeated).values())) == 2
