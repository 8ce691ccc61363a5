"""The rules of the catalogue, one small test each. A failure names the file and says what to do.

`spec_documents.txt`: the documents a scenario may cite, without fragment. `planned.txt`: ids that scenarios may refer to before they exist.
"""

from __future__ import annotations

import ast
import errno
import ipaddress
import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faultlab import catalogue, errnos
from faultlab.backends import BACKENDS
from faultlab.catalogue import Entry
from faultlab.cli import markdown_table
from faultlab.errors import LabError
from faultlab.runtimes import Runtime, all_runtimes
from faultlab.scenario import Deviation, Expected, Observation

HERE = Path(__file__).parent
ROOT = HERE.parent
LONGEST, MEDIAN = 60, 40
PLAIN = {"ok", "eof", "timeout", "blocked"}
SYMBOLS = PLAIN | {"DEADLINE", "CLOSED", "BADNAME", "BADPORT", "REFUSED", "EOF_BEFORE_ANSWER", "EOF_IN_HEAD", "TRUNCATED"}
FAMILIES = {"accept": "connect", "limits": "connect"} | dict.fromkeys(("myths", "idle", "local", "time-wait"), "established")
"""Phases without a null case of their own -> the phase whose null case is the same story without the fault."""

FILES = catalogue.files(ROOT / "scenarios")
CATALOGUE = catalogue.load()
RUNTIMES = all_runtimes()
README = (ROOT / "harness" / "faultlab" / "runtimes" / "README.md").read_text(encoding="utf-8")
OPERATIONS = set(re.findall(r"^\| `(\w+)` \|", README.partition("| op | parameters | does |")[2].partition("\n\n")[0], re.MULTILINE))
each_file = pytest.mark.parametrize("path", [pytest.param(p, id=p.stem) for p in FILES])
each = pytest.mark.parametrize("entry", [pytest.param(e, id=e.id) for e in CATALOGUE.values()])


def kept(name: str) -> set[str]:
    return {line for line in (HERE / name).read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")}


def where(entry: Entry) -> str:
    return f"scenarios/{entry.phase}/{entry.path.name}"


def sequences(entry: Entry) -> Iterator[tuple[str | None, list[Expected]]]:
    """Every variant with the sequence it has to show."""
    for variant in (None, *entry.scenario.variants):
        yield variant, list(entry.scenario.expected_for(variant))


def symbols(entry: Entry) -> set[str]:
    """Every symbol a scenario uses, in its sequences and in its deviations."""
    expected = {step.result for _, steps in sequences(entry) for step in steps}
    return expected | {one for d in entry.scenario.deviations for one in d.either} - {"absent", "unsupported"}


# ---- files ---------------------------------------------------------------------------------------------------------


@each_file
def test_one_scenario_a_file(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    functions = [n.name for n in body if isinstance(n, ast.FunctionDef) and n.name.startswith("test")]
    assert functions == [f"test_{path.stem}"], f"{path}: a scenario is one story in one file; name it test_{path.stem}"
    assert re.fullmatch(r"[a-z][a-z0-9_]*", path.stem), f"{path}: the name is the id with underscores"


def test_length() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    long = {str(p): n for p, n in lengths.items() if n > LONGEST}
    assert not long, f"more than {LONGEST} lines: move what is a mechanism into a fault, shorten the rest: {long}"
    assert statistics.median(lengths.values()) <= MEDIAN, f"half of the files have more than {MEDIAN} lines: scenarios are growing fat"


@each
def test_docstring(entry: Entry) -> None:
    first, _, rest = entry.doc.partition("\n")
    hint = f"{where(entry)}: the docstring's first line is the event, one sentence of at most 140 characters, ending in a full stop"
    sentence = first[:1].isupper() or first[:1].isdigit() or first.split()[0] in OPERATIONS
    assert len(first) <= 140 and sentence and first.endswith((".", "?", "!")), f"{hint}; it is {first!r}"
    assert len(rest.split()) >= 10, f"{where(entry)}: after the event the docstring says why the kernel does that"
    story = ast.get_docstring(_story(entry.path))
    assert story, f"{where(entry)}: the story has a docstring of one line, what it does"


@each
def test_title(entry: Entry) -> None:
    title = entry.scenario.title
    assert 0 < len(title) <= 70 and not title.endswith("."), f"{where(entry)}: a title is a heading of at most 70 characters: {title!r}"
    twins = [e.id for e in CATALOGUE.values() if e.scenario.title == title]
    assert twins == [entry.id], f"{where(entry)}: {' and '.join(twins)} have the same title"


# ---- data ----------------------------------------------------------------------------------------------------------


@each
def test_spec(entry: Entry) -> None:
    document, _, fragment = entry.scenario.spec.partition("#")
    assert fragment, f"{where(entry)}: spec needs a #fragment, so that the reader lands at the sentence: {entry.scenario.spec}"
    assert document in kept("spec_documents.txt"), (
        f"{where(entry)}: look whether {document} exists, then add it to tests/spec_documents.txt"
    )


@each
def test_sequences(entry: Entry) -> None:
    scenario = entry.scenario
    for variant, steps in sequences(entry):
        assert steps, f"{where(entry)}: the sequence of {variant or 'the story'} is empty"
        unknown = {s.op for s in steps} - OPERATIONS
        assert not unknown, f"{where(entry)}: no such operation: {unknown}; they are listed in runtimes/README.md"
    assert len(set(scenario.variants)) == len(scenario.variants), f"{where(entry)}: a variant is there twice"
    told = {*scenario.wire_in, *scenario.never_in, *scenario.counters_in} - {*scenario.variants, *RUNTIMES}
    told |= set(scenario.expected_in) - set(scenario.variants)
    assert not told, f"{where(entry)}: something is said of {told}, which are not among the variants {list(scenario.variants)}"


@each
def test_ranges(entry: Entry) -> None:
    for _, steps in sequences(entry):
        for step in steps:
            for low, high in filter(None, (step.within, step.by_default)):
                assert 0 <= low < high, f"{where(entry)}: {step.op} within {low} to {high} s is no range"
            if entry.scenario.shortened and step.within:
                assert step.by_default, (
                    f"{where(entry)}: timers are shortened, so say by_default what {step.op} takes with the kernel's own"
                )


@each
def test_errnos(entry: Entry) -> None:
    # A deviation may name a runtime's own error, if that runtime's rules know it.
    own = {s for d in entry.scenario.deviations for rule in _rules_of(d.runtime) for s in rule.get("symbol", ())}
    unknown = symbols(entry) - SYMBOLS - errnos.table().keys() - own
    unknown = {s for s in unknown if not s.startswith("signal ") and not _is_native(s)}
    assert not unknown, f"{where(entry)}: {unknown} are neither in errnos.toml nor symbols of runtimes/README.md"


def _rules_of(runtime: str | None) -> list[dict[str, Any]]:
    return RUNTIMES[runtime].config.get("rule", []) if runtime in RUNTIMES else []


def _is_native(symbol: str) -> bool:
    """Whether it is the name of some runtime's class, not an errno."""
    return not re.fullmatch(r"[A-Z0-9_]+", symbol)


def test_errnos_are_the_systems() -> None:
    unknown = {name for name in errnos.table() if not name.startswith("EAI_") and not hasattr(errno, name)}
    assert not unknown, f"errnos.toml: this system's <errno.h> does not have {unknown}"
    empty = {name for name, entry in errnos.table().items() if not entry.get("glibc") or not entry.get("means")}
    assert not empty, f"errnos.toml: say the words (glibc) and the meaning (means) of {empty}"


@pytest.mark.parametrize("name", RUNTIMES)
def test_words(name: str) -> None:
    """Every errno that the catalogue uses has words in a runtime whose messages have words."""
    runtime = RUNTIMES[name]
    missing = set()
    for entry in CATALOGUE.values():
        for want in _steps(entry, runtime):
            if (
                want.result in errnos.table()
                and "{words}" in str(_rule(runtime, want).get("message"))
                and want.result not in runtime.words()
            ):
                missing.add(want.result)
    assert not missing, f"runtimes/{name}/runtime.toml: add to [words]: {', '.join(sorted(missing))}"


@pytest.mark.parametrize("name", RUNTIMES)
def test_rules(name: str) -> None:
    """Each operation and symbol of the catalogue has a class, a chain and a message in each runtime, or is declared unsupported."""
    runtime, problems = RUNTIMES[name], set()
    for entry in CATALOGUE.values():
        for want in _steps(entry, runtime):
            if want.result in PLAIN or want.op in runtime.unsupported or (want.result == "CLOSED" and "closed" in runtime.unsupported):
                continue
            try:
                wording = runtime.wording(want, _seen(want), {})
            except LabError as e:
                problems.add(str(e))
                continue
            lacks = [field for field in ("type", "message") if wording.outcome == "error" and not getattr(wording, field)]
            lacks += ["chain"] if wording.outcome == "error" and not all(wording.chains) else []
            if lacks and runtime.rule(want.result, want.op).get("message") != "":
                problems.add(f"{want.op} {want.result} has no {' and no '.join(lacks)}")
    assert not problems, f"runtimes/{name}/runtime.toml: mend its rules: " + "; ".join(sorted(problems))


def _steps(entry: Entry, runtime: Runtime) -> Iterator[Expected]:
    """The steps of a scenario that the runtime's rules have to put into words: those that it does not deviate at."""
    if entry.scenario.kind != runtime.kind or (entry.scenario.only and runtime.name not in entry.scenario.only):
        return
    for variant, steps in sequences(entry):
        declared = (*entry.scenario.deviations, *runtime.habits(entry.scenario, variant))
        away = {d.step: d for d in declared if d.applies(runtime.name, variant, "linux-6.")}
        for number, step in enumerate(steps, start=1):
            if step.op in runtime.unsupported:  # here its play ends
                break
            if number not in away or step.result in away[number].either:
                yield step


def _rule(runtime: Runtime, want: Expected) -> dict[str, object]:
    return runtime.rule(want.result, want.op, when=frozenset({"at-once"} if want.at_once else ()), syscall=want.syscall)


def _seen(want: Expected) -> Observation:
    """An observation with the facts that such an operation has."""
    facts = {"when": ""}
    if want.op in ("accept", "listen", "bind") or want.op not in ("connect", "resolve", "socket"):
        facts |= {"local": "198.51.100.1:40000", "local_ip": "198.51.100.1", "local_port": "40000", "local_bytes": "12"}
    if want.op not in ("accept", "listen", "bind", "resolve", "socket"):
        facts |= {"remote": "198.51.100.2:9000", "remote_ip": "198.51.100.2", "remote_port": "9000", "remote_bytes": "12"}
    if want.op in ("resolve", "connect", "listen"):
        facts |= {"name": "a.example", "resolver": "198.51.100.2:53"}
    if want.op == "resolve":
        facts |= {"local": "198.51.100.1:40000"}
    if want.op == "fetch":
        facts |= {"url": "http://198.51.100.2:9000/", "path": "/", "verb": "Get", "seconds": "0.3"}
        facts |= {"had": "3", "announced": "100", "lacks": "97"}
    return Observation(op=want.op, outcome="error", elapsed=0, facts=facts)


@each
def test_deviations(entry: Entry) -> None:
    scenario, seen = entry.scenario, set()
    for d in scenario.deviations:
        what = f"{where(entry)}: the deviation of {d.runtime or 'all'} at step {d.step}"
        assert d.note.strip(), f"{what} has no note: say why"
        assert d.runtime is None or d.runtime in RUNTIMES, f"{what}: no such runtime{catalogue.nearest(d.runtime or '', RUNTIMES)}"
        assert d.variant in (None, "", *scenario.variants), f"{what}: no such variant {d.variant!r}"
        longest = max(len(steps) for variant, steps in sequences(entry) if d.variant in (None, variant or ""))
        assert 1 <= d.step <= longest, f"{what}: there is no such step; they count from 1 to {longest}"
        assert d.runtime is not None or d.stack is not None or d.variant is not None, f"{what}: what everybody sees is not a deviation"
        key = (d.runtime, d.step, d.variant, d.stack)
        assert key not in seen, f"{what} is declared twice"
        seen.add(key)


@each
def test_deviations_deviate(entry: Entry) -> None:
    """A deviation that says what the rule says would never be missed."""
    for d in entry.scenario.deviations:
        for variant, steps in sequences(entry):
            if d.variant in (None, variant or "") and d.step <= len(steps) and d.sees == steps[d.step - 1].result:
                what = f"{where(entry)}: the deviation of {d.runtime} at step {d.step}"
                assert d.words or d.within, f"{what} says {d.sees}, which is expected anyway"


@each
def test_wire_patterns(entry: Entry) -> None:
    scenario = entry.scenario
    patterns = [*scenario.wire, *scenario.never, *(p for ps in (*scenario.wire_in.values(), *scenario.never_in.values()) for p in ps)]
    good = r"[<>] (\*|[SFRPA]*\*?!?(/\d+)?|ICMP( [a-z0-9/-]+)?!?|ARP|UDP(/\d+)?!?)"
    bad = [p for p in patterns if not re.fullmatch(good, p)]
    assert not bad, f"{where(entry)}: {bad} are not in the notation of wire.py"
    flags = [re.sub(r"[^SFRPA]", "", p) for p in patterns if p[2] in "SFRPA" and not p[2:].startswith("ARP")]
    unordered = [f for f in flags if f != "".join(sorted(f, key="SFRPA".index))]
    assert not unordered, f"{where(entry)}: flags are written in the order S F R P A: {unordered}"


@each
def test_counters(entry: Entry) -> None:
    for key in {**entry.scenario.counters, **{k: v for c in entry.scenario.counters_in.values() for k, v in c.items()}}:
        assert re.fullmatch(r"(client|server|router) \w+", key), f"{where(entry)}: a counter is `host Name`, as nstat names it: {key!r}"


@each
def test_proof(entry: Entry) -> None:
    """A play that proves nothing on the wire and nothing in the kernel passes for the wrong reason."""
    scenario = entry.scenario
    proof = scenario.wire or scenario.never or scenario.counters
    assert proof, f"{where(entry)}: say what the wire or the kernel's counters must, or must not, show: wire, never, counters"


@each
def test_advice(entry: Entry) -> None:
    scenario = entry.scenario
    if scenario.null_of is None:
        empty = [name for name in ("production", "diagnose", "cure", "hides") if not getattr(scenario, name)]
        assert not empty, f"{where(entry)}: fill in {', '.join(empty)}: that is what a person with a log has come for"


@each
def test_claim(entry: Entry) -> None:
    """What is often said, and what the play makes of it: both or none."""
    scenario = entry.scenario
    assert bool(scenario.claim) == bool(scenario.judged), f"{where(entry)}: claim and judged belong together"
    assert bool(scenario.claim) == entry.id.startswith("myth-"), f"{where(entry)}: a myth has a claim, and nothing else has"
    good = scenario.judged in ("", "true", "false") or re.fullmatch(r"true only on \S.*[^.]", scenario.judged)
    assert good, f"{where(entry)}: judged is true, false, or true only on …: {scenario.judged!r}"


@each
def test_only(entry: Entry) -> None:
    for name in entry.scenario.only:
        fits = name in RUNTIMES and RUNTIMES[name].kind == entry.scenario.kind
        assert fits, f"{where(entry)}: only {name}: no {entry.scenario.kind} runtime of that name{catalogue.nearest(name, RUNTIMES)}"


# ---- between scenarios ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", sorted({e.phase for e in CATALOGUE.values()}))
def test_null_case(phase: str) -> None:
    nulls = {e.scenario.null_of for e in CATALOGUE.values()}
    hint = f"scenarios/{phase}/: no scenario has null_of={phase!r}; write the same story without a fault, or name its family in FAMILIES"
    assert phase in nulls or FAMILIES.get(phase) in nulls, hint


@each
def test_null_case_is_one(entry: Entry) -> None:
    if entry.scenario.null_of is not None:
        assert entry.scenario.null_of == entry.phase, f"{where(entry)}: null_of names the phase it is in, {entry.phase!r}"
        failing = symbols(entry) - {"ok", "eof"}
        assert not failing, f"{where(entry)}: in a null case everything succeeds, not {failing}"


@each
def test_same_words(entry: Entry) -> None:
    for other, apart in entry.scenario.same_words.items():
        assert other != entry.id, f"{where(entry)}: same_words names the scenario itself"
        assert apart.strip(), f"{where(entry)}: say what tells {other} apart"
        assert other in CATALOGUE or other in kept("planned.txt"), (
            f"{where(entry)}: no scenario {other!r}{catalogue.nearest(other, CATALOGUE)}"
        )
        back = CATALOGUE.get(other)
        if back is not None and back.scenario.null_of is None:  # what succeeds has no words that could be mistaken
            named = entry.id in back.scenario.same_words
            assert named, f"{where(back)}: same_words lacks {entry.id!r}, which names it"


def test_planned_is_not_there_twice() -> None:
    names = (HERE / "planned.txt").read_text(encoding="utf-8").split()
    assert names == sorted(set(names)), "tests/planned.txt: one id a line, sorted"


# ---- stories -------------------------------------------------------------------------------------------------------


def _story(path: Path) -> ast.FunctionDef:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == f"test_{path.stem}")


def _literals(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
            yield node.value if isinstance(node.value, str) else node.value.decode("latin-1")


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_interface(word.partition("%")[0])
    except ValueError:
        return False
    return True


@each_file
def test_story_names_no_address(path: Path) -> None:
    """Those that mean the same on every host (unspecified, loopback, link-local, multicast) may be what a story is about."""
    addresses = [ipaddress.ip_interface(word.partition("%")[0]).ip for word in _literals(_story(path)) if _is_address(word)]
    named = [str(a) for a in addresses if not (a.is_unspecified or a.is_loopback or a.is_link_local or a.is_multicast)]
    hint = "say lab.client.address or lab.server.address; somebody else's address is a constant of the file, from a documentation range"
    assert not named, f"{path}: the story names {named}; {hint}"


@each_file
def test_story_names_no_runtime_and_no_backend(path: Path) -> None:
    names = {*RUNTIMES, *(b.name for b in BACKENDS), "docker", "uml", "native"}
    story = _story(path)
    words = {*_literals(story)}
    words |= {n.id for n in ast.walk(story) if isinstance(n, ast.Name)} | {n.attr for n in ast.walk(story) if isinstance(n, ast.Attribute)}
    named = (names | {"runtime", "backend", "driver"}) & words
    assert not named, f"{path}: the story names {named}; what a language does otherwise is a Deviation"


@each_file
def test_story_does_not_sleep(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert "time" not in modules, f"{path}: wait for an event: conn.until(…), lab.until_wire(…), pending.result()"


@each_file
def test_addresses_are_the_labs(path: Path) -> None:
    from faultlab.testbed import refuse_foreign

    for word in _literals(ast.parse(path.read_text(encoding="utf-8"))):
        if _is_address(word) and re.search(r"[.:].*[.:]", word):
            refuse_foreign(word.partition("/")[0])


# ---- the README ----------------------------------------------------------------------------------------------------


def test_readme_table() -> None:
    """`.venv/bin/faultlab list --markdown` prints what has to stand between the two marks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- catalogue: faultlab list --markdown -->\n(.*?)\n?<!-- /catalogue -->", text, re.DOTALL)
    assert found, "README.md: the marks <!-- catalogue: … --> and <!-- /catalogue --> are gone"
    have, want = found[1].strip().splitlines(), markdown_table(list(CATALOGUE.values())).splitlines()
    changed = [line for line in want if line not in have] + [f"(gone) {line}" for line in have if line not in want]
    assert have == want, "README.md: put the output of `faultlab list --markdown` between the marks; first difference: " + "".join(
        changed[:1]
    )


def test_deviation_notes_end_in_no_stop() -> None:
    """Notes are printed in tables, beside each other."""
    notes = [(where(e), d.note) for e in CATALOGUE.values() for d in e.scenario.deviations if d.note.rstrip().endswith(".")]
    assert not notes, f"a note is a clause, without a full stop: {notes}"


def test_the_tests_know_the_deviation() -> None:
    """These rules read its fields; a new one needs a rule."""
    assert set(Deviation.__slots__) == {"runtime", "step", "sees", "note", "variant", "stack", "within", "words"}
