"""Records: a header, what each scenario says of itself, one line a play, a footer. JSON lines, checked against `record.schema.json`.

A scenario's own words (title, docstring, what to expect, how to tell it from its neighbours) stand in the record before its first play,
so that whatever is made from a record needs nothing else.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import platform
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import IO, Any, cast

import faultlab
from faultlab import catalogue
from faultlab.errors import RecordError
from faultlab.testbed import PINNED

VERSION = 1


def header(runtimes: Sequence[str], backends: Sequence[str]) -> dict[str, Any]:
    """What a record says of where it comes from."""
    return {
        "kind": "header",
        "record": VERSION,
        "lab": faultlab.__version__,
        "catalogue": catalogue.digest(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.system(),
        "distribution": _distribution(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "runtimes": list(runtimes),
        "backends": list(backends),
        "settings": {k: str(v) for k, v in PINNED.items()},
    }


def _distribution() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return None


class RecordWriter:
    """Writes a record line by line, so that an interrupted run has everything it played."""

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        self._file: IO[str] | None = path.open("w", encoding="utf-8", errors="backslashreplace")
        self._counts: dict[str, int] = {}
        self._told: set[str] = set()
        self._line(head)

    def _line(self, line: Mapping[str, Any]) -> None:
        assert self._file is not None
        self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
        self._file.flush()

    def scenario(self, data: Mapping[str, Any]) -> None:
        """Add what a scenario says of itself; said once."""
        if data["id"] not in self._told:
            self._told.add(data["id"])
            self._line({"kind": "scenario"} | {"of" if name == "kind" else name: value for name, value in data.items()})

    def play(self, play: Mapping[str, Any]) -> None:
        """Add a play."""
        self._counts[play["verdict"]] = self._counts.get(play["verdict"], 0) + 1
        self._line(play)

    def close(self, status: str) -> None:
        """Write the footer: `complete` or `interrupted`. A second call does nothing."""
        if self._file is not None:
            ended = datetime.now(UTC).isoformat(timespec="seconds")
            total = sum(self._counts.values())
            self._line({"kind": "footer", "status": status, "ended": ended, "plays": total, "verdicts": self._counts})
            self._file.close()
            self._file = None


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was read: complete as far as its footer says."""

    source: str
    header: Mapping[str, Any]
    plays: Sequence[Mapping[str, Any]]
    footer: Mapping[str, Any]
    scenarios: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What the scenarios say of themselves, by id."""


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of a record's lines."""
    loaded: dict[str, Any] = json.loads(files("faultlab").joinpath("record.schema.json").read_text(encoding="utf-8"))
    return loaded


def opened(path: Path) -> IO[bytes]:
    """The bytes of a record, which may be packed with gzip, whatever it is called."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path)) if packed else path.open("rb")


def read(path: Path) -> Record:
    """Read a record. Raises RecordError, with the line, for anything that is not a whole one."""
    try:
        with opened(path) as file:
            text = file.read().decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as e:
        raise RecordError(f"{path}: cannot be read: {e}") from e
    return parse(text.split("\n"), str(path))  # not splitlines(): U+2028 in a message ends no line


def parse(lines: Iterable[str], source: str) -> Record:
    """The record in these lines. Raises RecordError."""
    found: dict[str, list[Mapping[str, Any]]] = {"header": [], "scenario": [], "play": [], "footer": []}
    for _, entry in scan(lines, source):
        found[entry["kind"]].append(entry)
    return Record(source, found["header"][0], found["play"], found["footer"][0], {s["id"]: s for s in found["scenario"]})


def scan(lines: Iterable[str], source: str, *, whole: bool = True) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line of a record with what it says, checked one by one and, at the end, as a whole. Raises RecordError.

    With `whole=False` a record that was cut off ends where it was cut: without a footer, its last line possibly broken.
    """
    head = footer = False
    told: set[str] = set()
    verdicts: Counter[str] = Counter()
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    for number, line in numbered:
        where = f"{source}:{number}"
        try:
            entry = _entry(line, where)
        except RecordError:
            if not whole and head and not footer and next(numbered, None) is None:
                return
            raise
        kind = entry["kind"]
        if footer:
            raise RecordError(f"{where}: there is a {kind} after the footer; two records in one file?")
        if kind == "header":
            if head:
                raise RecordError(f"{where}: a second header; two records in one file?")
            head = True
        elif not head:
            raise RecordError(f"{where}: a record begins with its header")
        elif kind == "footer":
            footer = True
            played = verdicts.total()
            if entry["plays"] != played:
                raise RecordError(f"{source}: the footer counts {entry['plays']} plays, there are {played}")
            if entry["verdicts"] != verdicts:
                raise RecordError(f"{source}: the footer counts the verdicts {dict(entry['verdicts'])}, there are {dict(verdicts)}")
        elif kind == "scenario":
            if entry["id"] in told:
                raise RecordError(f"{where}: the scenario {entry['id']} is described twice")
            told.add(entry["id"])
        else:
            verdicts[entry["verdict"]] += 1
        yield line, entry
    if not head:
        raise RecordError(f"{source}: the record is empty")
    if whole and not footer:
        raise RecordError(f"{source}: the record has no footer: it was cut off, or the run was killed")


def _entry(line: str, where: str) -> dict[str, Any]:
    import jsonschema

    try:
        entry = json.loads(line, parse_constant=_no_number, parse_float=_number)
    except (ValueError, RecursionError) as e:
        raise RecordError(f"{where}: not JSON: {e}") from e
    if isinstance(entry, dict) and entry.get("kind") == "header" and isinstance(entry.get("record"), int) and entry["record"] > VERSION:
        raise RecordError(f"{where}: version {entry['record']} of the format; this lab reads up to {VERSION}: update faultlab")
    problem = None if _fits()(entry) else next(iter(_validator().iter_errors(entry)), None)
    if problem is not None:
        best = jsonschema.exceptions.best_match([problem]) or problem
        raise RecordError(f"{where}: {best.json_path}: {best.message[:300]}")
    assert isinstance(entry, dict)
    return entry


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):  # 1e999
        raise ValueError(f"{text} is too large a number")
    return value


Check = Callable[[Any], bool]
TYPES: Mapping[str, Check] = {
    "object": lambda v: type(v) is dict,
    "array": lambda v: type(v) is list,
    "string": lambda v: type(v) is str,
    "null": lambda v: v is None,
    "boolean": lambda v: type(v) is bool,
    "integer": lambda v: type(v) is int,
    "number": lambda v: type(v) is int or type(v) is float,
}


@cache
def _fits() -> Check:
    """Whether an entry certainly fits the schema: the same schema, made into plain functions.

    The library takes two milliseconds a play, which at thousands of plays is all the time there is. It has the last word: only what
    these functions cannot accept is shown to it, and it says what is wrong.
    """
    kinds = {kind: _compiled({"$ref": f"#/$defs/{kind}"}) for kind in schema()["properties"]["kind"]["enum"]}
    return lambda entry: type(entry) is dict and type(kind := entry.get("kind")) is str and kind in kinds and kinds[kind](entry)


def _compiled(node: Mapping[str, Any]) -> Check:
    """The check that a node of the schema describes. Knows the keywords that the schema uses, and no others."""
    checks = [_keyword(name, value, node) for name, value in node.items() if name != "additionalProperties" or "properties" not in node]
    return checks[0] if len(checks) == 1 else lambda v: all(check(v) for check in checks)


def _keyword(name: str, value: Any, node: Mapping[str, Any]) -> Check:
    match name:
        case "$ref":
            return _compiled(schema()["$defs"][value.rpartition("/")[2]])
        case "type":
            types = [TYPES[t] for t in ([value] if isinstance(value, str) else value)]
            return types[0] if len(types) == 1 else lambda v: any(t(v) for t in types)
        case "enum":
            return lambda v: type(v) is str and v in value
        case "const":
            return lambda v: type(v) is type(value) and v == value
        case "required":
            return lambda v: all(key in v for key in value)
        case "minimum":
            return lambda v: v is None or v >= value
        case "maximum":
            return lambda v: v is None or v <= value
        case "pattern":
            return lambda v: re.search(value, v) is not None
        case "items":
            item = _compiled(value)
            return lambda v: v is None or all(map(item, v))
        case "properties":
            known = {key: _compiled(child) for key, child in value.items()}
            return lambda v: all(known[key](child) for key, child in v.items() if key in known)
        case "additionalProperties":
            each = _compiled(value)
            return lambda v: all(map(each, v.values()))
    raise NotImplementedError(f"{name} in {node}")  # a keyword of the schema that has no function here


@cache
def _validator() -> Any:
    import jsonschema

    return jsonschema.Draft202012Validator(schema())
