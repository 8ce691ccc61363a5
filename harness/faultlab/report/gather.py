"""Reading any number of records into one set of plays. Whatever is odd about them has a name and is said; nothing is mixed silently.

Errors, which stop the report: `RecordError` for each file that cannot be read as a record (empty, a newer format, broken, two in one).
Warnings, which the page shows: `cut-off`, `interrupted`, `no-plays`, `same-record`, `copied-plays`, `played-again`, `other-catalogue`,
`no-words`.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import Any

from faultlab.errors import RecordError
from faultlab.ladder import causes
from faultlab.record import opened, scan
from faultlab.report.text import general

LONGEST_LINE = 64 << 20
PLAYED = ("match", "deviates", "differs")


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something about the records that a reader has to know."""

    name: str
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """One record that was read."""

    letter: str
    name: str
    header: Mapping[str, Any]
    status: str
    """complete, interrupted, or cut off."""
    plays: int
    ended: str | None = None


@dataclass(slots=True)
class Seen:
    """One play, as much of it as comparing needs; the rest is unpacked when it is shown."""

    source: int
    scenario: str
    runtime: str
    version: str
    backend: str
    variant: str
    """Empty for the play that is no variant."""
    stack: str
    verdict: str
    elapsed: float
    steps: tuple[str, ...]
    """What each operation came to, in the catalogue's symbols: `recv ECONNRESET`."""
    words: tuple[str, ...]
    """What each of them said, without addresses."""
    seconds: tuple[float, ...]
    causes: tuple[tuple[str, str], ...]
    """Who ended it and why, as the kernel says."""
    reason: str
    """Why there was nothing to see, where that is so."""
    accounts: int
    """How much its evidence tells: the wire, the kernel, and the functions that led there."""
    packed: bytes = field(repr=False)

    @property
    def where(self) -> tuple[str, str]:
        """Stack and backend."""
        return self.stack, self.backend

    @property
    def played(self) -> bool:
        """Whether the program came to see what it was to see."""
        return self.verdict in PLAYED

    @property
    def observed(self) -> bool:
        """Whether the program did anything at all."""
        return bool(self.steps)

    def whole(self) -> dict[str, Any]:
        """The play as the record has it."""
        play: dict[str, Any] = json.loads(zlib.decompress(self.packed))
        return play


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything there is to report."""

    sources: Sequence[Source]
    plays: Sequence[Seen]
    scenarios: Mapping[str, Mapping[str, Any]]
    oddities: Sequence[Oddity]
    copies: Sequence[Seen] = ()
    """Plays that another record has word for word: they count once, but this one has them, too."""


def meanings(play: Mapping[str, Any]) -> list[tuple[int, str]]:
    """For each observation: which step of the story it is, and its symbol.

    The symbol is what the program saw. Where it saw an error without an errno, or its own timer without any error, the symbol is the
    catalogue's: the comparison found that this is how that runtime says it.
    """
    departed = {d["step"]: d["sees"] for d in play.get("departures", ())}
    differing = {d.partition(" (")[0] for d in play["differences"]}
    wanted = [(n, departed.get(n, e.partition(" ")[2])) for n, e in enumerate(play.get("expected", ()), start=1)]
    wanted = [(n, symbol) for n, symbol in wanted if symbol != "absent"]
    found = []
    for i, o in enumerate(play["observations"]):
        number, symbol = wanted[i] if i < len(wanted) else (i + 1, "")
        plain = o["outcome"] in ("ok", "eof", "blocked", "unsupported") or bool(o.get("errno"))
        if plain or not symbol or play["verdict"] not in PLAYED or f"step {number}" in differing:
            symbol = said(o)
        found.append((number, symbol))
    return found


def said(o: Mapping[str, Any]) -> str:
    """What an observation itself says: its outcome, its errno, or the last part of its native class."""
    if o["outcome"] != "error":
        return str(o["outcome"])
    native = str(o.get("type") or "error").replace("::", ".")
    return str(o.get("errno") or native.rpartition(".")[2] or native)


def told(plays: Iterable[Seen], label: Callable[[str, str], str]) -> list[tuple[str, str, str]]:
    """Who ended it and why, as the kernels say: what, the functions that led there, and on which stacks where not all that tell say so."""
    found: dict[str, tuple[str, set[str]]] = {}
    tell = set()
    for play in plays:
        stack = label(*play.where)
        if play.causes:
            tell.add(stack)
        for what, path in play.causes:
            longest, stacks = found.get(what, ("", set()))
            found[what] = (path if len(path) > len(longest) else longest, stacks | {stack})
    return [(what, path, "" if stacks == tell else ", ".join(sorted(stacks))) for what, (path, stacks) in found.items()]


def gather(paths: Iterable[Path]) -> Gathered:
    """Read the records. Raises RecordError, one line for each file that is none."""
    errors: list[str] = []
    oddities: list[Oddity] = []
    sources: list[Source] = []
    plays: list[Seen] = []
    copies: list[Seen] = []
    words: list[tuple[str, str, Mapping[str, Any]]] = []
    files: dict[bytes, str] = {}
    lines: dict[bytes, int] = {}
    for path in paths:
        try:
            read = _Reading(path, len(sources))
        except RecordError as e:
            errors.append(str(e))
            continue
        name = path.name
        if read.digest in files:
            oddities.append(Oddity("same-record", name, f"is the same record as {files[read.digest]}; it is counted once"))
            continue
        files[read.digest] = name
        footer = read.footer
        status = footer["status"] if footer else "cut off"
        letter = _letter(len(sources))
        sources.append(Source(letter, name, read.header, status, len(read.plays), footer["ended"] if footer else None))
        if footer is None:
            oddities.append(Oddity("cut-off", name, "has no footer: it was cut off, or the run was killed; it is only a part of a run"))
        elif status == "interrupted":
            oddities.append(Oddity("interrupted", name, "was interrupted; it is only a part of a run"))
        if not read.plays:
            oddities.append(Oddity("no-plays", name, "has no plays"))
        copied = [h for h in read.hashes if lines.get(h, read.number) != read.number]
        # Plays that were not even begun look alike without being copies: they tell of copying only beside others that do.
        if not any(p.observed for p, h in zip(read.plays, read.hashes, strict=True) if lines.get(h, read.number) != read.number):
            copied = []
        if copied:
            others = " and ".join(sorted({sources[lines[h]].name for h in copied}))
            text = f"has {len(copied)} plays that are in {others} too, word for word; each is counted once"
            oddities.append(Oddity("copied-plays", name, text))
        known = set(copied)
        for p, h in zip(read.plays, read.hashes, strict=True):
            (copies if h in known else plays).append(p)
        for h in read.hashes:
            lines.setdefault(h, read.number)
        words += [(str(read.header["started"]), name, s) for s in read.scenarios]
    if errors:
        raise RecordError("\n".join(errors))
    if not sources:
        raise RecordError("there is no record to report on")
    scenarios = _words(words, sources, oddities)
    mute = sorted({p.scenario for p in plays} - scenarios.keys())
    if mute:
        oddities.append(Oddity("no-words", "", f"no record says what {_some(mute)} is about: made before records did"))
    _played_again(plays, sources, oddities)
    return Gathered(sources, plays, scenarios, oddities, copies)


class _Reading:
    """One file, read line by line: a record of thousands of plays is never in memory as a whole."""

    def __init__(self, path: Path, number: int) -> None:
        self.number = number
        self.header: Mapping[str, Any] = {}
        self.footer: Mapping[str, Any] | None = None
        self.scenarios: list[Mapping[str, Any]] = []
        self.plays: list[Seen] = []
        self.hashes: list[bytes] = []
        total = hashlib.sha256()
        for line, entry in scan(_lines(path), path.name, whole=False):
            raw = line.strip().encode("utf-8", "surrogatepass")
            total.update(raw + b"\n")
            match entry["kind"]:
                case "header":
                    self.header = entry
                case "footer":
                    self.footer = entry
                case "scenario":
                    self.scenarios.append(entry)
                case _:
                    self.plays.append(_seen(entry, raw, number))
                    self.hashes.append(hashlib.blake2b(raw, digest_size=12).digest())
        self.digest = total.digest()
        self._name_stacks()

    def _name_stacks(self) -> None:
        """A play that never got a testbed knows no stack: it belongs to the one that its backend has in this record, if there is one."""
        stacks: dict[str, set[str]] = defaultdict(set)
        for play in self.plays:
            if play.stack:
                stacks[play.backend].add(play.stack)
        for play in self.plays:
            if not play.stack:
                known = stacks[play.backend]
                play.stack = next(iter(known)) if len(known) == 1 else "no stack"


def _lines(path: Path) -> Iterator[str]:
    try:
        with opened(path) as file:
            while line := file.readline(LONGEST_LINE):
                if len(line) == LONGEST_LINE:
                    raise RecordError(f"{path.name}: a line of more than {LONGEST_LINE} bytes")
                yield line.decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as e:
        raise RecordError(f"{path.name}: cannot be read: {e}") from e


def _seen(play: Mapping[str, Any], raw: bytes, source: int) -> Seen:
    observations = play["observations"]
    steps = tuple(intern(f"{o['op']} {symbol}") for o, (_, symbol) in zip(observations, meanings(play), strict=True))
    return Seen(
        source=source,
        scenario=intern(play["scenario"]),
        runtime=intern(play["runtime"]),
        version=intern(play.get("runtime_version") or ""),
        backend=intern(play["backend"]),
        variant=intern(play.get("variant") or ""),
        stack=intern(play.get("stack") or ""),
        verdict=intern(play["verdict"]),
        elapsed=play["elapsed"],
        steps=steps,
        words=tuple(intern(_words_of(o)) for o in observations),
        seconds=tuple(o["elapsed"] for o in observations),
        causes=tuple((intern(what), intern(path)) for what, path in causes(play)),
        reason=intern(play.get("reason") or ""),
        accounts=_accounts(play["evidence"]),
        packed=zlib.compress(raw, 1),
    )


def _accounts(evidence: Mapping[str, Any]) -> int:
    kernel = evidence.get("kernel") or ()
    return bool(evidence.get("segments")) + bool(kernel) + any(e.get("path") for e in kernel)


def _words_of(o: Mapping[str, Any]) -> str:
    """Everything a program would see of it, without addresses."""
    return "\n".join(
        [
            o["outcome"],
            o.get("errno") or "",
            " > ".join(o.get("chain", ())) or o.get("type") or "",
            general(o.get("message") or ""),
            general(o.get("cause") or ""),
            str(o.get("status") or ""),
        ]
    )


def _words(
    words: Sequence[tuple[str, str, Mapping[str, Any]]], sources: Sequence[Source], oddities: list[Oddity]
) -> dict[str, Mapping[str, Any]]:
    """What the scenarios say of themselves, the newest of it, and a warning where records say different things."""
    found: dict[str, tuple[str, str, Mapping[str, Any]]] = {}
    other: dict[str, set[str]] = defaultdict(set)
    for started, name, s in sorted(words, key=lambda w: w[0]):
        before = found.get(s["id"])
        if before is not None and before[2]["expected"] != s["expected"]:
            other[s["id"]] |= {before[1], name}
        found[s["id"]] = started, name, s
    digests = Counter(s.header["catalogue"] for s in sources)
    if len(digests) > 1:
        newest = max(sources, key=lambda s: str(s.header["started"]))
        text = f"the records were made with {len(digests)} different catalogues ({_some(sorted(digests))})"
        text += f"; words are those of the newest, {newest.name}"
        if other:
            text += f"; and they expect different things of {_some(sorted(other))}: verdicts there are not comparable, what was seen is"
        oddities.append(Oddity("other-catalogue", "", text))
    return {id_: s for id_, (_, _, s) in found.items()}


def _played_again(plays: Sequence[Seen], sources: Sequence[Source], oddities: list[Oddity]) -> None:
    """The same cell in several records: both are kept, and where they do not agree the cell says so."""
    first: dict[tuple[str, ...], int] = {}
    again: Counter[tuple[int, int]] = Counter()
    for p in plays:
        key = (p.scenario, p.runtime, p.variant, *p.where)
        if first.setdefault(key, p.source) != p.source:
            again[first[key], p.source] += 1
    for (one, two), n in again.items():
        text = f"plays {n} times what {sources[one].name} played on the same stack; all are kept, and count as repetitions"
        oddities.append(Oddity("played-again", sources[two].name, text))


def _letter(number: int) -> str:
    return chr(65 + number) if number < 26 else _letter(number // 26 - 1) + chr(65 + number % 26)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
