"""A driver at a host: the conversation of `runtimes/README.md`, bounded by deadlines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from faultlab.errors import DriverBabbled, DriverCrashed, DriverHung, DriverNotReady, WaitTimedOut
from faultlab.remote import RemoteProgram, RemoteTestbed

READY_WITHIN = 30.0
PROTOCOL = 1


class DriverSession:
    """One driver process. Requests are asked or begun; answers are taken by number, in any order."""

    def __init__(self, bed: RemoteTestbed, program: RemoteProgram, runtime: str) -> None:
        self.bed, self.program, self.runtime = bed, program, runtime
        self.answers: dict[int, dict[str, Any]] = {}
        self.asked: dict[int, str] = {}
        self.hello: Mapping[str, Any] | None = None
        self._id = 0

    def _who(self) -> str:
        return f"the {self.runtime} driver at {self.program.name}"

    def ready(self) -> Mapping[str, Any]:
        """Wait for its first line. Raises DriverNotReady, DriverCrashed or DriverBabbled."""
        if self.hello is None:
            try:
                self.bed.wait_for("ready line", lambda: bool(self.program.lines or self.program.ended), READY_WITHIN, lambda: "nothing")
            except WaitTimedOut as e:
                raise DriverNotReady(f"{self._who()}: {e}") from None
            self._crashed()
            hello = self._parse(self.program.lines.pop(0)[1])
            if hello.get("event") != "ready" or hello.get("v") != PROTOCOL:
                raise DriverBabbled(f"{self._who()} began with {str(hello)[:200]}, not with a ready line of version {PROTOCOL}")
            self.hello = hello
        return self.hello

    def begin(self, op: str, **parameters: Any) -> int:
        """Make a request; returns its number."""
        self.ready()
        self._id += 1
        request = {"id": self._id, "op": op, **{k: v for k, v in parameters.items() if v is not None}}
        self.asked[self._id] = op
        self.program.tell(json.dumps(request))
        return self._id

    def done(self, number: int) -> bool:
        """Whether the answer of that number is here."""
        while self.program.lines:
            answer = self._parse(self.program.lines.pop(0)[1])
            given = answer.get("id")
            if not isinstance(given, int) or given not in self.asked:
                raise DriverBabbled(f"{self._who()} answered request {given!r}, which was not asked")
            if answer.get("outcome") not in ("ok", "eof", "timeout", "error", "unsupported") or not _well_formed(answer):
                raise DriverBabbled(f"{self._who()} answered {self.asked[given]} with {str(answer)[:200]}")
            del self.asked[given]
            self.answers[given] = answer
        if number not in self.answers:
            self._crashed()
        return number in self.answers

    def result(self, number: int, seconds: float) -> dict[str, Any]:
        """Wait for the answer of that number. Raises DriverHung, DriverCrashed or DriverBabbled."""
        op = self.asked.get(number, "request")
        try:
            self.bed.wait_for(f"answer to {op}", lambda: self.done(number), seconds, lambda: "nothing")
        except WaitTimedOut as e:
            raise DriverHung(f"{self._who()}: {e}") from None
        return self.answers.pop(number)

    def _parse(self, line: str) -> dict[str, Any]:
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise DriverBabbled(f"{self._who()} said {line[:200]!r}")
        return answer

    def _crashed(self) -> None:
        if self.program.ended is not None and not self.program.lines:
            status, words = self.program.ended
            how = f"by signal {-status}" if status < 0 else f"with status {status}"
            said = f": {words.strip()[-1000:]}" if words.strip() else ""
            raise DriverCrashed(f"{self._who()} ended {how}{said}")


def _well_formed(answer: Mapping[str, Any]) -> bool:
    """Whether the fields are of the kinds that `runtimes/README.md` gives them."""
    kinds: tuple[tuple[type | tuple[type, ...], tuple[str, ...]], ...] = (
        ((int, float), ("t", "elapsed")), ((int, str), ("errno",)), (int, ("bytes", "status")), (str, ("type", "message", "cause", "data")),
        (list, ("chain", "local", "remote", "addresses")),
    )  # fmt: skip
    given = {name: value for name, value in answer.items() if value is not None}
    return (
        all(isinstance(given[name], kind) for kind, names in kinds for name in names if name in given)
        and all(math.isfinite(given.get(name, 0)) for name in ("t", "elapsed"))
        and all(isinstance(part, str) for part in given.get("chain", ()))
        and all(len(given[end]) == 2 for end in ("local", "remote") if end in given)
    )
