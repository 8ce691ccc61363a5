"""The comparison: every kind of difference, each said in one line; deviations that happen and that no longer happen; times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from faultlab.scenario import Comparison, Deviation, Expected, Observation, Scenario, Wording, compare

RESET = Observation(
    op="recv", outcome="error", elapsed=0.1, errno="ECONNRESET", type="Broken", chain=("Broken", "Inner"), message="gone: ECONNRESET"
)
OK = Observation(op="connect", outcome="ok", elapsed=0.001)
DATA = Observation(op="recv", outcome="ok", elapsed=0.001, bytes=4, data="echo")
SCENARIO = Scenario(title="", spec="", expected=[Expected("connect"), Expected("recv", "ECONNRESET")])
WHY = "a test's"


def rules(want: Expected, saw: Observation, overrides: Mapping[str, object]) -> Wording:
    """A runtime that has one shape for everything."""
    if want.result in ("ok", "eof", "timeout", "blocked"):
        return Wording(outcome=want.result)
    fields: dict[str, object] = {"type": "Broken", "message": f"gone: {want.result}", "errno": want.result, **overrides}
    errno, kind, message = (str(fields[name]) for name in ("errno", "type", "message"))
    return Wording(outcome="error", errno=errno, type=kind, chains=(("Broken", "Inner"), ("Broken", "Other")), message=message)


def found(scenario: Scenario, *observed: Observation, variant: str | None = None, stack: str = "linux-6.18", virtual: bool = False,
          slow: float = 1.0, partial: bool = False) -> Comparison:  # fmt: skip
    return compare(scenario, observed, runtime="go", rules=rules, variant=variant, stack=stack, virtual=virtual, slow=slow, partial=partial)


def test_all_as_expected() -> None:
    comparison = found(SCENARIO, OK, RESET)
    assert comparison == Comparison((), ())
    assert comparison.verdict == "match"


def test_either_chain_will_do() -> None:
    assert found(SCENARIO, OK, replace(RESET, chain=("Broken", "Other"))).verdict == "match"


DIFFERENCES: list[tuple[str, dict[str, object], str]] = [
    ("errno", {"errno": "EPIPE"}, "step 2 (recv): errno: 'ECONNRESET' expected, 'EPIPE' seen"),
    ("errno-hidden", {"errno": None}, "step 2 (recv): errno: 'ECONNRESET' expected, None seen"),
    ("type", {"type": "Bent"}, "step 2 (recv): type: 'Broken' expected, 'Bent' seen"),
    ("message", {"message": "gone"}, "step 2 (recv): message: 'gone: ECONNRESET' expected, 'gone' seen"),
    ("chain", {"chain": ("Broken",)}, "step 2 (recv): chain: Broken > Inner or Broken > Other expected, Broken seen"),
    ("ok", {"outcome": "ok", "message": None}, "step 2 (recv): ECONNRESET expected, ok seen"),
    ("eof", {"outcome": "eof", "message": None}, "step 2 (recv): ECONNRESET expected, eof seen"),
    ("timeout", {"outcome": "timeout", "message": "late"}, "step 2 (recv): ECONNRESET expected, timeout seen (late)"),
    ("blocked", {"outcome": "blocked", "message": None}, "step 2 (recv): ECONNRESET expected, blocked seen"),
    ("operation", {"op": "send"}, "step 2 (recv): the story performed send here"),
]


@pytest.mark.parametrize(("changes", "line"), [pytest.param(c, line, id=name) for name, c, line in DIFFERENCES])
def test_one_difference(changes: dict[str, object], line: str) -> None:
    comparison = found(SCENARIO, OK, replace(RESET, **changes))  # type: ignore[arg-type]
    assert comparison.differences == (line,)
    assert comparison.verdict == "differs"


def test_all_differences_at_once() -> None:
    bad = replace(RESET, errno="EPIPE", type="Bent", message="gone", chain=())
    lines = found(SCENARIO, replace(OK, outcome="error", errno="ENETDOWN"), bad, OK).differences
    assert [line.partition(":")[0] for line in lines] == ["step 1 (connect)", *["step 2 (recv)"] * 4, "2 operations expected, 3 observed"]


def test_error_where_none_is_expected() -> None:
    seen = replace(OK, outcome="error", errno="ECONNREFUSED", message="refused")
    assert found(SCENARIO, seen, RESET).differences == ("step 1 (connect): ok expected, ECONNREFUSED seen (refused)",)


def test_error_without_errno_is_called_by_its_class() -> None:
    assert found(SCENARIO, replace(OK, outcome="error", type="Odd"), RESET).differences == ("step 1 (connect): ok expected, Odd seen",)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_operations(count: int) -> None:
    assert found(SCENARIO, *[OK, RESET][:count]).differences == (f"2 operations expected, {count} observed",)
    assert found(SCENARIO, *[OK, RESET][:count], partial=True).verdict == "match"


@pytest.mark.parametrize("partial", [False, True])
def test_too_many_operations(partial: bool) -> None:
    assert found(SCENARIO, OK, RESET, OK, partial=partial).differences == ("2 operations expected, 3 observed",)


def test_bytes_and_data() -> None:
    scenario = replace(SCENARIO, expected=[Expected("recv", bytes=4, data="echo")])
    assert found(scenario, DATA).verdict == "match"
    assert found(scenario, replace(DATA, bytes=3, data="ech")).differences == (
        "step 1 (recv): bytes: 4 expected, 3 seen",
        "step 1 (recv): data: 'echo' expected, 'ech' seen",
    )
    assert found(replace(scenario, expected=[Expected("recv")]), DATA).verdict == "match"


# ---- variants ------------------------------------------------------------------------------------------------------


def test_a_variant_has_a_sequence_of_its_own() -> None:
    scenario = replace(SCENARIO, variants=["ipv6"], expected_in={"ipv6": [Expected("connect", "ENETDOWN")]})
    down = replace(RESET, op="connect", errno="ENETDOWN", message="gone: ENETDOWN")
    assert found(scenario, down, variant="ipv6").verdict == "match"
    assert found(scenario, OK, RESET).verdict == "match"
    assert found(scenario, OK, RESET, variant="ipv6").verdict == "differs"


# ---- deviations ----------------------------------------------------------------------------------------------------


def deviating(**fields: object) -> Scenario:
    return replace(SCENARIO, deviations=[Deviation(**{"step": 2, "note": WHY, "sees": "eof", **fields})])  # type: ignore[arg-type]


EOF = replace(DATA, outcome="eof", bytes=None, data=None)


def test_a_deviation_that_happens() -> None:
    comparison = found(deviating(), OK, EOF)
    assert comparison.verdict == "deviates"
    assert [d.note for d in comparison.deviations] == [WHY]


def test_a_deviation_that_no_longer_happens_fails() -> None:
    assert found(deviating(), OK, RESET).differences == ("step 2 (recv): eof expected, ECONNRESET seen (gone: ECONNRESET)",)


def test_a_deviation_in_words_alone() -> None:
    scenario = deviating(sees="ECONNRESET", words={"message": "connection lost", "type": "Lost"})
    assert found(scenario, OK, replace(RESET, message="connection lost", type="Lost")).verdict == "deviates"
    assert len(found(scenario, OK, RESET).differences) == 2


def test_a_deviation_to_another_errno() -> None:
    assert found(deviating(sees="EPIPE"), OK, replace(RESET, errno="EPIPE", message="gone: EPIPE")).verdict == "deviates"


def test_absent() -> None:
    assert found(deviating(sees="absent"), OK).verdict == "deviates"
    assert found(deviating(sees="absent"), OK, RESET).differences == ("1 operations expected, 2 observed",)
    first = found(deviating(sees="absent", step=1), RESET)
    assert first.verdict == "deviates"
    wrong = found(deviating(sees="absent", step=1), replace(RESET, type="Bent"))
    assert wrong.differences == ("step 2 (recv): type: 'Broken' expected, 'Bent' seen",)  # counted as the scenario counts


@pytest.mark.parametrize(
    ("fields", "applies"),
    [
        ({}, True), ({"runtime": "go"}, True), ({"runtime": "python"}, False), ({"variant": "ipv6"}, False),
        ({"stack": "linux-6."}, True), ({"stack": "gvisor"}, False), ({"runtime": "go", "stack": "gvisor"}, False),
    ],
)  # fmt: skip
def test_whose_deviation_it_is(fields: dict[str, str], applies: bool) -> None:
    assert found(deviating(**fields), OK, EOF).verdict == ("deviates" if applies else "differs")
    assert found(deviating(**fields), OK, RESET).verdict == ("differs" if applies else "match")


def test_a_deviation_of_a_variant() -> None:
    scenario = deviating(variant="ipv6")
    assert found(scenario, OK, EOF, variant="ipv6").verdict == "deviates"
    assert found(scenario, OK, EOF, variant="other").verdict == "differs"


def test_what_was_expected_to_be_read_is_not_asked_of_a_deviation() -> None:
    scenario = Scenario(
        title="", spec="", expected=[Expected("recv", bytes=4, data="echo")], deviations=[Deviation(step=1, sees="eof", note=WHY)]
    )
    assert found(scenario, EOF).verdict == "deviates"


# ---- times ---------------------------------------------------------------------------------------------------------

TIMED = Scenario(title="", spec="", expected=[Expected("connect", within=(0.5, 2), by_default=(120, 130))])


@pytest.mark.parametrize(
    ("elapsed", "slow", "virtual", "line"),
    [
        (0.5, 1, False, None),
        (2.0, 1, False, None),
        (2.5, 1, False, "step 1 (connect): took 2.500 s, expected 0.5 to 2 s"),
        (2.5, 2, False, None),
        (4.5, 2, False, "step 1 (connect): took 4.500 s, expected 0.5 to 4 s"),
        (0.4, 1, False, "step 1 (connect): took 0.400 s, expected 0.5 to 2 s"),
        (0.4, 9, False, "step 1 (connect): took 0.400 s, expected 0.5 to 18 s"),  # a slow machine is never early
        (125, 1, True, None),
        (125, 1, False, "step 1 (connect): took 125.000 s, expected 0.5 to 2 s"),
        (1, 1, True, "step 1 (connect): took 1.000 s, expected 120 to 130 s"),
    ],
)
def test_time(elapsed: float, slow: float, virtual: bool, line: str | None) -> None:
    seen = found(TIMED, replace(OK, elapsed=elapsed), slow=slow, virtual=virtual)
    assert seen.differences == ((line,) if line else ())


def test_no_range_no_bound() -> None:
    scenario = replace(TIMED, expected=[Expected("connect", within=(0, 1))])
    assert found(scenario, replace(OK, elapsed=99), virtual=True).verdict == "match"
