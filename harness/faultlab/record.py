"""Records: a header, one line a play, a footer. JSON lines, checked against `record.schema.json`."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import IO, Any

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
        self._line(head)

    def _line(self, line: Mapping[str, Any]) -> None:
        assert self._file is not None
        self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
        self._file.flush()

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


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of a record's lines."""
    loaded: dict[str, Any] = json.loads(files("faultlab").joinpath("record.schema.json").read_text(encoding="utf-8"))
    return loaded


def read(path: Path) -> Record:
    """Read a record. Raises RecordError, with the line, for anything that is not a whole one."""
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise RecordError(f"{path}: cannot be read: {e}") from e
    return parse(text.split("\n"), str(path))  # not splitlines(): U+2028 in a message ends no line


def parse(lines: Iterable[str], source: str) -> Record:
    """The record in these lines. Raises RecordError."""
    head: Mapping[str, Any] | None = None
    plays: list[Mapping[str, Any]] = []
    footer: Mapping[str, Any] | None = None
    for number, line in enumerate(lines, start=1):
        where = f"{source}:{number}"
        if not line.strip():
            continue
        entry = _entry(line, where)
        kind = entry["kind"]
        if footer is not None:
            raise RecordError(f"{where}: there is a {kind} after the footer; two records in one file?")
        if kind == "header":
            if head is not None:
                raise RecordError(f"{where}: a second header; two records in one file?")
            head = entry
        elif head is None:
            raise RecordError(f"{where}: a record begins with its header")
        elif kind == "footer":
            footer = entry
        else:
            plays.append(entry)
    if head is None:
        raise RecordError(f"{source}: the record is empty")
    if footer is None:
        raise RecordError(f"{source}: the record has no footer: it was cut off, or the run was killed")
    if footer["plays"] != len(plays):
        raise RecordError(f"{source}: the footer counts {footer['plays']} plays, there are {len(plays)}")
    verdicts = Counter(play["verdict"] for play in plays)
    if footer["verdicts"] != verdicts:
        raise RecordError(f"{source}: the footer counts the verdicts {dict(footer['verdicts'])}, there are {dict(verdicts)}")
    return Record(source, head, plays, footer)


def _entry(line: str, where: str) -> dict[str, Any]:
    import jsonschema

    try:
        entry = json.loads(line, parse_constant=_no_number)
    except (ValueError, RecursionError) as e:
        raise RecordError(f"{where}: not JSON: {e}") from e
    if isinstance(entry, dict) and entry.get("kind") == "header" and isinstance(entry.get("record"), int) and entry["record"] > VERSION:
        raise RecordError(f"{where}: version {entry['record']} of the format; this lab reads up to {VERSION}: update faultlab")
    problem = next(iter(_validator().iter_errors(entry)), None)
    if problem is not None:
        best = jsonschema.exceptions.best_match([problem]) or problem
        raise RecordError(f"{where}: {best.json_path}: {best.message[:300]}")
    assert isinstance(entry, dict)
    return entry


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


@cache
def _validator() -> Any:
    import jsonschema

    return jsonschema.Draft202012Validator(schema())


def merged(records: Iterable[Record]) -> Iterator[tuple[Record, Mapping[str, Any]]]:
    """Every play with the record it comes from."""
    for record in records:
        for play in record.plays:
            yield record, play
