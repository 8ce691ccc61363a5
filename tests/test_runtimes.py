"""What a runtime.toml may say beyond plain rules: versions, classes named for errnos, and departures in single scenarios."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faultlab import catalogue
from faultlab.runtimes import Runtime, all_runtimes
from faultlab.scenario import Deviation, Expected, Observation, Scenario, compare

RULES: list[dict[str, Any]] = [
    {"type": "Errno::{errno}", "chain": ["Errno::{errno}"], "message": "old"},
    {"since": "3.9", "message": "middle"},
    {"since": "3.12", "until": "3.13", "message": "new"},
]


def runtime(**config: Any) -> Runtime:
    return Runtime("parrot", Path(), {"words": "glibc", "rule": RULES, **config})


@pytest.mark.parametrize(
    ("version", "words"),
    [(None, "old"), ("unknown", "old"), ("3.8.18", "old"), ("3.9", "middle"), ("3.10.13", "middle"), ("v3.12.1", "new"),
     ("parrot 3.12 (beta)", "new"), ("3.13.0", "middle"), ("4", "middle")],
)  # fmt: skip
def test_words_of_a_version(version: str | None, words: str) -> None:
    saw = Observation(op="recv", outcome="error", elapsed=0)
    wording = runtime().wording(Expected("recv", "ECONNRESET"), saw, {}, version)
    assert (wording.message, wording.type, wording.chains) == (words, "Errno::ECONNRESET", (("Errno::ECONNRESET",),))


@pytest.mark.parametrize("name", all_runtimes())
def test_versions_are_strings(name: str) -> None:
    """3.10 as a number is 3.1."""
    rules = all_runtimes()[name].config["rule"]
    assert all(isinstance(rule.get(field, ""), str) for rule in rules for field in ("since", "until"))


@pytest.mark.parametrize("name", all_runtimes())
def test_departures_are_of_scenarios(name: str) -> None:
    known = catalogue.load()
    named = {d["scenario"] for d in all_runtimes()[name].config.get("deviation", ())}
    assert named <= known.keys(), f"runtimes/{name}/runtime.toml: no scenario {', '.join(sorted(named - known.keys()))}"


def test_a_folder_declares_its_departures() -> None:
    declared = {"scenario": "a-b", "step": 1, "sees": "ok", "note": "why", "wire": ["> S"]}
    base = Scenario(title="", spec="", expected=[Expected("recv", "EPROTO")], wire_in={"ipv6": []}, never=["< R"])
    amended = runtime(deviation=[declared]).about("a-b", base)
    assert amended.deviations == [Deviation(runtime="parrot", step=1, sees="ok", note="why")]
    assert amended.wire_for("ipv6", "parrot") == (["> S"], ["< R"])
    assert amended.wire_for("ipv6", "go")[0] == []
    assert runtime(deviation=[declared]).about("c", base) == replace(base, deviations=[])


ICMP = {"segment": "< ICMP", "family": 4, "instead_of": "connect E*", "sees": "{result} or ok", "note": "a race"}


@pytest.mark.parametrize(
    ("variant", "steps", "wire", "found"),
    [
        (None, [Expected("connect", "EPROTO")], ["> S", "< ICMP proto-unreachable!"], [(1, "EPROTO or ok")]),
        ("ipv6", [Expected("connect", "EPROTO")], ["> S", "< ICMP next-header-unknown!"], []),
        (None, [Expected("connect", "EPROTO")], ["> S", "< RA"], []),
        (None, [Expected("connect"), Expected("recv", "EPROTO")], ["> S", "< ICMP proto-unreachable!"], []),
    ],
)
def test_a_habit_holds_by_its_mechanism(
    variant: str | None, steps: list[Expected], wire: list[str], found: list[tuple[int, str]]
) -> None:
    scenario = Scenario(title="", spec="", expected=steps, wire=wire)
    assert [(d.step, d.sees) for d in runtime(habit=[ICMP]).habits(scenario, variant)] == found


@pytest.mark.parametrize(("result", "found"), [("ECONNRESET", [2]), ("eof", [])])
def test_a_habit_that_remembers(result: str, found: list[int]) -> None:
    habit = {"after": "recv ECONNRESET", "instead_of": "recv eof", "sees": "ECONNRESET", "note": "remembers"}
    scenario = Scenario(title="", spec="", expected=[Expected("recv", result), Expected("recv", "eof")])
    assert [d.step for d in runtime(habit=[habit]).habits(scenario, None)] == found


@pytest.mark.parametrize(("seen", "verdict"), [("EPROTO", "match"), ("ok", "deviates"), ("EPIPE", "differs")])
def test_either(seen: str, verdict: str) -> None:
    """A race inside a runtime: what the scenario says, or what its note explains, and nothing else."""
    either = [Deviation(runtime="parrot", step=1, sees="EPROTO or ok", note="a race")]
    scenario = Scenario(title="", spec="", expected=[Expected("recv", "EPROTO")], deviations=either)
    name = f"Errno::{seen}"
    error = Observation(op="recv", outcome="error", elapsed=0, errno=seen, type=name, chain=(name,), message="old")
    saw = error if seen != "ok" else Observation(op="recv", outcome="ok", elapsed=0)
    assert compare(scenario, [saw], runtime="parrot", rules=runtime().wording).verdict == verdict
