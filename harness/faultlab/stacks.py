"""The network stacks there are to play on (`stacks.toml`), and on which of them something was played."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Stack:
    """A network stack that the catalogue is meant for."""

    begins: str
    """How its name begins in a play."""
    title: str
    how: str
    """How to get a record of it."""
    played: str = ""
    """When its reference record was made; empty where there is none."""


@cache
def known() -> tuple[Stack, ...]:
    """All of them, in the order they are shown."""
    found = tomllib.loads(files("faultlab").joinpath("stacks.toml").read_text(encoding="utf-8"))
    return tuple(Stack(**entry) for entry in found["stack"])


def never_run(names: Iterable[str]) -> list[Stack]:
    """Those of which no play is among these stacks."""
    seen = tuple(names)
    return [stack for stack in known() if not any(name.startswith(stack.begins) for name in seen)]
