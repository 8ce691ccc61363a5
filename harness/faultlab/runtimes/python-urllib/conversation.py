"""The conversation of ../README.md for the HTTP clients that are driven from Python: one line, one fetch, one answer."""

from __future__ import annotations

import json
import sys
import threading
import time

TYPE_CHECKING = False  # typing's constant, without typing
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Fields = dict[str, Any]


class Stopwatch:
    """Times the fetch: `with clock:`."""

    def __init__(self) -> None:
        self.t = time.time()
        self.elapsed = 0.0

    def __enter__(self) -> None:
        self.t = time.time()
        self.began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.elapsed = time.monotonic() - self.began


def body_of(request: Fields) -> bytes | None:
    """What the request carries."""
    if "size" in request:
        return b"x" * int(request["size"])
    return str(request["data"]).encode() if "data" in request else None


def answered(status: int, body: bytes) -> Fields:
    """An answer that is whole."""
    return {"status": status, "bytes": len(body), **({"data": body.decode(errors="replace")} if len(body) <= 1024 else {})}


def class_name(error: BaseException) -> str:
    """The class as a traceback spells it."""
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def unwrapped(error: BaseException) -> list[BaseException]:
    """An error and what it came from, as a traceback shows them: `raise … from …`, or what was being handled."""
    found = [error]
    while (inner := found[-1].__cause__ or (None if found[-1].__suppress_context__ else found[-1].__context__)) is not None:
        found.append(inner)
    return found


def describe(error: BaseException) -> Fields:
    """An exception in the words of a traceback's last line, and the innermost in its own."""
    chain = unwrapped(error)
    numbers = [n for e in chain if isinstance(n := getattr(e, "errno", None), int)]
    found: Fields = {"outcome": "error", "type": class_name(error), "chain": [class_name(e) for e in chain], "message": str(error)}
    found |= {"errno": numbers[0]} if numbers else {}
    return found | ({"cause": str(chain[-1])} if len(chain) > 1 else {})


def converse(name: str, version: str, fetch: Callable[[Fields, Stopwatch], Fields]) -> None:
    """Serve until stdin ends; whatever still runs in the background ends with the program."""
    writing = threading.Lock()

    def say(answer: Fields) -> None:
        with writing:
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()

    def serve(request: Fields) -> None:
        clock = Stopwatch()
        answer: Fields = {"id": request["id"], "op": request["op"], "outcome": "ok"}
        if request["op"] != "fetch":
            answer.update(outcome="unsupported", message="an HTTP client can only fetch")
        else:
            try:
                answer.update(fetch(request, clock))
            except NotImplementedError as why:
                answer.update(outcome="unsupported", message=str(why))
            except Exception as error:  # whatever the library throws is what is observed
                answer.update(describe(error))
        say({**answer, "t": round(clock.t, 6), "elapsed": round(clock.elapsed, 6)})

    say({"v": 1, "event": "ready", "runtime": name, "version": version})
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if request.get("background"):
            threading.Thread(target=serve, args=(request,), daemon=True).start()
        else:
            serve(request)
