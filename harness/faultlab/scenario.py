"""What a scenario says, what a program saw, and the comparison of the two. Pure: no clock, no files, no processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one operation of a program returned, word for word."""

    op: str
    """connect, send, recv, close, …"""
    outcome: str
    """ok, eof, timeout (the program's own timer, where the language has no error for it), error, unsupported."""
    elapsed: float
    """Seconds on the testbed's own clock."""
    t: float = 0.0
    """When it began, in seconds since the play's first event."""
    errno: str | None = None
    """Name of the errno; None where the runtime hides it."""
    type: str | None = None
    """Native class or kind."""
    chain: tuple[str, ...] = ()
    """Classes found by unwrapping, outermost first."""
    message: str | None = None
    """Verbatim."""
    bytes: int | None = None
    data: str | None = None
    status: int | None = None
    """Of an HTTP answer, also of one that broke off."""
    cause: str | None = None
    """The words of the innermost error, where a library wraps one in another."""
    facts: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What the words of a message may mention: local, remote, name, syscall …"""

    @property
    def symbol(self) -> str:
        """The shortest true name of what was seen: ok, eof, timeout, an errno, or the native class."""
        if self.outcome != "error":
            return self.outcome
        return self.errno or self.type or "error"


@dataclass(frozen=True, slots=True)
class Expected:
    """What one operation has to return: a symbol, which each runtime's rules put into its own words.

    `result` is `ok`, `eof`, an errno name, or another symbol of `runtimes/README.md` (`DEADLINE`, `CLOSED`, `EAI_NONAME`, …).
    `within` bounds the operation's seconds with the scenario's own settings, `by_default` with the kernel's defaults;
    `syscall` names the system call that fails inside the operation, where some runtime's words mention it; `at_once` that the call
    itself refuses, before anything is sent (Node words that differently from an answer that came later); `during` how far an HTTP
    exchange had come: `connect`, `request` or `body`, and nothing for the wait for the answer's head. With `since` the time runs
    from the beginning of that step: a deadline that was set there is an instant in some languages, and a duration in others.
    """

    op: str
    result: str = "ok"
    within: Range | None = None
    by_default: Range | None = None
    syscall: str | None = None
    at_once: bool = False
    during: str | None = None
    bytes: int | None = None
    data: str | None = None
    status: int | None = None
    since: int | None = None
    message: str | None = None
    """The words themselves, where no rule can know them: those of a compiler about one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One runtime (or stack, or variant) that departs from the rule, and why. A departure that stops happening fails too."""

    runtime: str | None = None
    """Name of the runtime, or None for all of them."""
    step: int
    """Which operation, counted from 1."""
    sees: str
    """The symbol seen instead; or `unsupported`, or `absent` where the operation never happens. `EPROTO or ok` where a race inside the
    runtime decides, which the note has to explain."""
    note: str
    """Why. Mandatory."""
    variant: str | None = None
    """In which variant; `""` is the play that is no variant, None any of them."""
    stack: str | None = None
    """How the stack's name begins (`linux-6.1.`, `gvisor`), or None for all of them."""
    within: Range | None = None
    """The seconds it takes, where they are what departs."""
    words: Mapping[str, object] = field(default_factory=dict)
    """Fields of the rule that differ (type, chain, message, cause, errno), or of what is expected (during, bytes, data, status), where the
    symbol alone does not say it."""

    @property
    def either(self) -> list[str]:
        """The symbols of which one is seen: more than one where a race decides."""
        return self.sees.split(" or ")

    def applies(self, runtime: str, variant: str | None, stack: str) -> bool:
        """Whether it is about this play."""
        here = self.runtime in (None, runtime) and self.variant in (None, variant or "")
        return here and (self.stack is None or stack.startswith(self.stack))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One documented way a socket fails; everything about it that is data."""

    title: str
    spec: str
    """Link to the document that says so, with its fragment."""
    expected: Sequence[Expected]
    variants: Sequence[str] = ()
    """Further plays of the same story: `ipv6`, or a name the story asks for (`lab.variant`)."""
    expected_in: Mapping[str, Sequence[Expected]] = field(default_factory=dict)
    """The sequence of a variant that differs from `expected`."""
    wire: Sequence[str] = ()
    """Segments that must be seen, in this order, others between them allowed: `> S` from the client, `< RA` to it."""
    wire_in: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The same for a variant, or for a runtime that does something of its own on the wire (its deviations say why)."""
    never: Sequence[str] = ()
    """Segments that must not be seen: `< *` is anything to the client."""
    never_in: Mapping[str, Sequence[str]] = field(default_factory=dict)
    counters: Mapping[str, int | Range] = field(default_factory=dict)
    """Kernel counters at the end: `{"server TcpExtTCPAbortOnClose": 1}`; a pair is a range, both ends included."""
    counters_in: Mapping[str, Mapping[str, int | Range]] = field(default_factory=dict)
    deviations: Sequence[Deviation] = ()
    shortened: Mapping[str, int | str] = field(default_factory=dict)
    """Kernel settings that shorten its timers for a play in real time; left at their defaults in virtual time."""
    settings: Mapping[str, int | str] = field(default_factory=dict)
    """Kernel settings that the failure itself needs, on any clock."""
    kind: str = "tcp"
    """Which runtimes play it: `tcp`, or `http` for HTTP clients (`kind` in their runtime.toml)."""
    only: Sequence[str] = ()
    """Names of the runtimes it is about, where it is about the library of one language; empty: all of its kind."""
    observe: str = "client"
    """Which host's program is under observation; the other one is its peer."""
    without: Sequence[str] = ()
    """Capabilities that the observed program has to do without: `net_bind_service` (capabilities(7))."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files that the programs find in the place of the machine's own; `{server}` is the server's IPv4 address."""
    router: bool = False
    """Whether a third host stands between the two."""
    published: bool = False
    """Whether a container engine publishes the server's port (`lab.published`), as only the docker backend's does."""
    virtual_only: bool = False
    """Whether it makes sense only where the kernel is the lab's own: its default timers are played in full, or its limits are set."""
    null_of: str | None = None
    """The phase whose null case this is: same story, no fault, everything succeeds."""
    claim: str = ""
    """What is often said, in our words; the play is the evidence for or against it."""
    judged: str = ""
    """`true`, `false`, or `true only on …`: what the play, and what is known of other systems, make of the claim."""
    same_words: Mapping[str, str] = field(default_factory=dict)
    """Scenarios that give the same words, and the one observation or command that tells them apart."""
    production: str = ""
    """Where people meet it."""
    diagnose: str = ""
    """The one command that shows it."""
    cure: str = ""
    """What really helps."""
    hides: str = ""
    """What only hides it."""

    @staticmethod
    def family(variant: str | None) -> int:
        """4 or 6: which of IP's versions a play of this variant is in."""
        return 6 if variant == "ipv6" else 4

    def expected_for(self, variant: str | None) -> Sequence[Expected]:
        """The sequence a play of this variant has to show."""
        return self.expected_in.get(variant or "", self.expected)

    def wire_for(self, variant: str | None, runtime: str = "") -> tuple[Sequence[str], Sequence[str]]:
        """What must be, and what must not be, on the wire; a runtime's own entry comes before a variant's."""
        keys = [key for key in (runtime, variant or "") if key]
        must = next((self.wire_in[key] for key in keys if key in self.wire_in), self.wire)
        return must, next((self.never_in[key] for key in keys if key in self.never_in), self.never)

    def counters_for(self, variant: str | None, runtime: str = "") -> Mapping[str, int | Range]:
        """The kernel counters a play of this variant by this runtime has to show."""
        return {**self.counters, **self.counters_in.get(variant or "", {}), **self.counters_in.get(runtime, {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How one runtime puts one symbol: what a rule of its `runtime.toml` says, with the facts filled in."""

    outcome: str
    errno: str | None = None
    type: str | None = None
    chains: tuple[tuple[str, ...], ...] = ()
    """More than one where the runtime chooses at random."""
    message: str | None = None
    cause: str | None = None


Rules = Callable[[Expected, Observation, Mapping[str, object]], Wording]
"""(what is expected, what was observed with its facts, fields that override) -> how the runtime puts it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences found, and the deviations that were declared and happened."""

    differences: tuple[str, ...]
    deviations: tuple[Deviation, ...]

    @property
    def verdict(self) -> str:
        """match, deviates or differs."""
        if self.differences:
            return "differs"
        return "deviates" if self.deviations else "match"


def compare(
    scenario: Scenario,
    observed: Sequence[Observation],
    *,
    runtime: str,
    rules: Rules,
    habits: Sequence[Deviation] = (),
    variant: str | None = None,
    stack: str = "linux",
    virtual: bool = False,
    slow: float = 1.0,
    partial: bool = False,
) -> Comparison:
    """Compare what was seen with what the scenario says, every field of every step, and report all differences at once.

    `habits` are deviations of the runtime in every scenario; what the scenario itself declares of a step comes first.
    `slow` stretches upper bounds of time only. With `virtual` the `by_default` ranges hold instead of `within`.
    A `partial` play is one that was broken off: only what happened is compared.
    """
    differences: list[str] = []
    used: list[Deviation] = []
    declared = {d.step: d for d in (*habits, *scenario.deviations) if d.applies(runtime, variant, stack)}
    steps: list[tuple[int, Expected, Mapping[str, object]]] = []
    for number, step in enumerate(scenario.expected_for(variant), start=1):
        deviation = declared.get(number)
        either = deviation.either if deviation else []
        seen = observed[len(steps)].symbol if len(steps) < len(observed) else ""
        sees = seen if seen in either else "".join(either[:1])
        if deviation is None or (len(either) > 1 and sees == step.result):
            steps.append((number, step, {}))
            continue
        used.append(deviation)
        if sees == "absent":
            continue
        fields: Mapping[str, object] = deviation.words
        within, by_default = (deviation.within,) * 2 if deviation.within else (step.within, step.by_default)
        other = replace(step, result=sees, bytes=None, data=None, status=None, within=within, by_default=by_default)
        told: dict[str, Any] = {name: fields[name] for name in ("during", "bytes", "data", "status") if name in fields}
        other = replace(other, **told)
        steps.append((number, other, fields))

    for (number, want, overrides), saw in zip(steps, observed, strict=False):
        where = f"step {number} ({want.op})"
        if want.op != saw.op:
            differences.append(f"{where}: the story performed {saw.op} here")
            continue
        differences += [f"{where}: {line}" for line in _step(want, saw, rules(want, saw, overrides))]
        bounds = want.by_default if virtual else want.within
        took = saw.elapsed if want.since is None else saw.t + saw.elapsed - observed[want.since - 1].t
        if bounds is not None and not bounds[0] <= took <= bounds[1] * slow:
            low, high = bounds
            differences.append(f"{where}: took {took:.3f} s, expected {low:g} to {high * slow:g} s")
    if len(observed) > len(steps) or (len(observed) < len(steps) and not partial):
        differences.append(f"{len(steps)} operations expected, {len(observed)} observed")
    return Comparison(tuple(differences), tuple(used))


def _step(want: Expected, saw: Observation, wording: Wording) -> list[str]:
    """The differences of one step."""
    found: list[str] = []
    if saw.outcome != wording.outcome:
        return [f"{want.result} expected, {saw.symbol} seen" + (f" ({saw.message})" if saw.message else "")]
    pairs: list[tuple[str, object, object]] = []
    if wording.outcome == "error":
        pairs = [("errno", wording.errno, saw.errno), ("type", wording.type, saw.type)]
        pairs.append(("message", want.message or wording.message or None, saw.message or None))
        pairs.append(("cause", wording.cause, saw.cause))
        if saw.chain not in wording.chains:
            expected = " or ".join(" > ".join(chain) for chain in wording.chains)
            found.append(f"chain: {expected} expected, {' > '.join(saw.chain)} seen")
    elif want.op == "error":
        pairs = [("errno", wording.errno, saw.errno)]
    if want.bytes is not None:
        pairs.append(("bytes", want.bytes, saw.bytes))
    if want.data is not None:
        pairs.append(("data", want.data, saw.data))
    if want.status is not None:
        pairs.append(("status", want.status, saw.status))
    return [f"{name}: {a!r} expected, {b!r} seen" for name, a, b in pairs if a != b] + found
