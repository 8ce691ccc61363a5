"""Names, numbers and words of errnos and of the resolver's EAI codes.

The words are data (`errnos.toml`), the numbers the operating system's own.
"""

from __future__ import annotations

import errno
import socket
import tomllib
from functools import cache
from importlib.resources import files


@cache
def table() -> dict[str, dict[str, str]]:
    """errno name -> what the C libraries say and what it means."""
    return tomllib.loads(files("faultlab").joinpath("errnos.toml").read_text(encoding="utf-8"))


def words(libc: str) -> dict[str, str]:
    """errno name -> what that C library's strerror says; `glibc` or `musl`."""
    return {name: entry.get(libc, entry["glibc"]) for name, entry in table().items()}


def name_of(number: int | str | None) -> str | None:
    """The errno's name from its number (either sign) or name; `E999` for a number without a name, None for 0."""
    if number is None or isinstance(number, str):
        return number
    if number == 0:
        return None
    if abs(number) == errno.EOPNOTSUPP:  # on Linux ENOTSUP is the same number; of sockets everybody says this
        return "EOPNOTSUPP"
    return errno.errorcode.get(abs(number), f"E{abs(number)}")


def number_of(name: str) -> int:
    """The errno's number on this system; 0 where it has none."""
    return int(getattr(errno, name, 0) or getattr(socket, name, 0))
