"""The catalogue: every file of a phase's folder is one scenario."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from faultlab import runtimes
from faultlab.errors import ScenarioError
from faultlab.scenario import Scenario


@dataclass(frozen=True)
class Entry:
    """One scenario of the catalogue."""

    id: str
    phase: str
    scenario: Scenario
    story: Callable[[Any], None]
    doc: str
    path: Path


def folder() -> Path:
    """Where the scenarios are: inside an installed package, or beside the harness in a checkout."""
    shipped = Path(__file__).parent / "catalogue"
    return shipped if shipped.is_dir() else Path(__file__).parents[2] / "scenarios"


def files(base: Path | None = None) -> list[Path]:
    """The scenario files, by phase and name."""
    return sorted(p for p in (base or folder()).glob("*/*.py") if not p.name.startswith("_"))


def entry(module: ModuleType, path: Path) -> Entry:
    """The scenario in a module. Raises ScenarioError where the file is not one."""
    name = path.stem
    scenario, story = getattr(module, "SCENARIO", None), getattr(module, f"test_{name}", None)
    if not isinstance(scenario, Scenario):
        raise ScenarioError(f"{path}: a scenario file has a constant SCENARIO = Scenario(…)")
    if not callable(story):
        raise ScenarioError(f"{path}: a scenario file has its story in a function test_{name}(lab)")
    if not (module.__doc__ or "").strip():
        raise ScenarioError(f"{path}: a scenario file begins with a docstring that says what happens and why")
    scenario = runtimes.amended(name.replace("_", "-"), scenario)
    return Entry(name.replace("_", "-"), path.parent.name, scenario, story, inspect.cleandoc(module.__doc__ or ""), path)


@cache
def load() -> dict[str, Entry]:
    """The whole catalogue, by id."""
    found: dict[str, Entry] = {}
    for path in files():
        spec = importlib.util.spec_from_file_location(f"faultlab_scenarios.{path.parent.name}.{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        made = entry(module, path)
        if made.id in found:
            raise ScenarioError(f"{path}: {made.id} is also in {found[made.id].path}")
        found[made.id] = made
    return found


@cache
def digest() -> str:
    """What identifies this catalogue in a record."""
    total = hashlib.sha256()
    for path in files():
        total.update(f"{path.parent.name}/{path.name}\0".encode() + path.read_bytes())
    return total.hexdigest()[:16]


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean …?)`, or nothing."""
    close = get_close_matches(word, list(known), n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(close)}?)" if close else ""
