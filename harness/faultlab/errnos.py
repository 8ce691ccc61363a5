"""Names, numbers and words of errnos and of the resolver's EAI codes.

The words are data (`errnos.toml`), the numbers the operating system's own.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import tomllib
from functools import cache
from importlib.resources import files


@cache
def table() -> dict[str, dict[str, str]]:
    """errno name -> what the C libraries say and what it means."""
    return tomllib.loads(files("faultlab").joinpath("errnos.toml").read_text(encoding="utf-8"))


def words(libc: str) -> dict[str, str]:
    """errno name -> what that C library's strerror says; `glibc` or `musl`. On another system: what that system's own says."""
    if sys.platform != "linux":
        return {name: _strerror(number) for name in table() if (number := number_of(name))}
    return {name: entry.get(libc, entry["glibc"]) for name, entry in table().items()}


def name_of(number: int | str | None) -> str | None:
    """The errno's name from its number (either sign) or name; `E999` for a number without a name, None for 0."""
    if number is None or isinstance(number, str):
        return number
    if number == 0:
        return None
    name = errno.errorcode.get(abs(number), f"E{abs(number)}")
    # Windows has two numbers for each of sockets' errors, its own and C's; other systems have two names for a number.
    name = name.removeprefix("WSA") if name.startswith("WSAE") else name
    return SAME.get(name, name)


SAME = {"EWOULDBLOCK": "EAGAIN", **({"ENOTSUP": "EOPNOTSUPP"} if errno.EOPNOTSUPP == errno.ENOTSUP else {})}
"""Of two names for a number, the one that scenarios use."""


def _strerror(number: int) -> str:
    if sys.platform == "win32":
        import ctypes

        return ctypes.FormatError(number).strip()
    return os.strerror(number)


def number_of(name: str) -> int:
    """The errno's number on this system, of sockets where it has two; 0 where it has none."""
    return int(getattr(errno, f"WSA{name}", 0) or getattr(errno, name, 0) or getattr(socket, name, 0))
