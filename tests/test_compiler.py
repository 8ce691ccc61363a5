"""A line shown to a language's compiler, and scenarios that are about one language only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from fakes import Loopback

from faultlab import catalogue
from faultlab.errors import RuntimeUnavailable, Unsupported
from faultlab.play import Player
from faultlab.runtimes import Runtime, all_runtimes, playing


def runtime(*command: str) -> Runtime:
    """Python, with a compiler of our own."""
    python = all_runtimes()["python"]
    return replace(python, config={**python.config, "compile": {"file": "line.x", "command": ["{python}", "-c", *command]}})


def test_a_line_that_compiles() -> None:
    assert runtime("assert open('line.x').read() == 'source'").compile("source") is None


def test_the_compilers_words() -> None:
    said = runtime("import sys; sys.exit('# a heading\\n./line.x:3:14: too much\\n\\thave (x)')").compile("source")
    assert said == "too much\n\thave (x)", "without the place, which is the lab's"


@pytest.mark.parametrize("said", ["cannot find package net", "other.x:1:1: too much"])
def test_a_compiler_that_did_not_come_so_far(said: str) -> None:
    """Whatever else stops it says nothing about the line."""
    with pytest.raises(RuntimeUnavailable, match="its compiler failed"):
        runtime(f"import sys; sys.exit({said!r})").compile("source")


def test_a_language_without_a_compiler() -> None:
    with pytest.raises(Unsupported, match="no compiler"):
        all_runtimes()["python"].compile("source")


@pytest.mark.parametrize(
    ("named", "only", "who"), [(None, ["go"], ["go"]), (["c", "go"], ["go"], ["c", "go"]), (["python"], ["go"], ["python"])]
)
def test_who_plays(named: Sequence[str] | None, only: Sequence[str], who: list[str]) -> None:
    """Where nobody names runtimes those play that it is about; whoever is named is asked, and says why not."""
    assert playing("tcp", named, only) == who


def test_another_language_is_unsupported(loopback: Loopback) -> None:
    play, problem = Player().play(catalogue.load()["myth-dial-nil-arg"], all_runtimes()["python"], loopback)
    assert play.verdict == "unsupported" and isinstance(problem, Unsupported)
    assert play.reason == "myth-dial-nil-arg is about go only"
