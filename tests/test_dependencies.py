"""Which module may know which: one direction, as the design draws it; and every module can be imported alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import faultlab

ROOT = Path(__file__).parents[1]
PACKAGE = Path(faultlab.__file__).parent
# A module or folder -> all of the package that it may import. What is not listed here may import anything that knows it not.
MAY_KNOW = {
    "scenarios": {"lab", "web", "scenario", "faults", "testbed", "errors"},
    "web": {"lab", "scenario", "errors"},
    "scenario": set(), "errors": set(), "wire": set(), "errnos": set(), "identity": set(), "watchdog": set(),
    "agent": {"agent", "tracepoints", "tcp_states"},
    "tracepoints": {"tcp_states"}, "account": {"wire", "errnos"},
    "testbed": {"errors", "wire"},
    "faults": {"testbed", "errors", "wire", "faults"},
    "backends": {"testbed", "errors", "wire", "remote", "identity", "backends", "kernels", "watchdog", "connections"},
    "connections": {"tcp_states"}, "stacks": set(), "tcp_states": set(),
    "remote": {"testbed", "errors", "wire"},
    "driver": {"errors", "remote"},
    "lab": {"testbed", "scenario", "errors", "errnos", "wire", "remote", "driver", "scripted"},
    "kernels": {"identity", "errors", "runtimes"},
    "scripted": {"faults", "remote", "wire"},
    "runtimes": {"scenario", "errors", "errnos", "identity", "runtimes"},
    "catalogue": {"scenario", "errors", "runtimes"},
    "record": {"errors", "catalogue", "testbed"},
    "report": {"record", "errors", "ladder", "report", "stacks"},
    "ladder": set(),
}  # fmt: skip
PURE = ["scenario", "wire", "errors", "record", "ladder", "account"]


def modules() -> dict[str, Path]:
    """Every module of the package, and every scenario, by name."""
    found = {
        ".".join(p.relative_to(PACKAGE).with_suffix("").parts): p
        for p in PACKAGE.rglob("*.py")
        if p.name != "driver.py" or p.parent == PACKAGE
    }
    found = {name.removesuffix(".__init__"): path for name, path in found.items() if not name.startswith("catalogue.")}
    return found | {f"scenarios.{p.stem}": p for p in (ROOT / "scenarios").glob("*/*.py")}


MODULES = modules()


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def of_the_package(path: Path) -> set[str]:
    """The package's modules that a file imports, by their first name: `faults`, `lab`; `` is the package itself."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("faultlab.")} - {"__version__"}


@pytest.mark.parametrize("name", MODULES)
def test_direction(name: str) -> None:
    allowed = MAY_KNOW.get(name.split(".")[0])
    known = of_the_package(MODULES[name])
    if name in ("__init__", "faultlab"):
        allowed = set()
    assert allowed is None or known <= allowed, f"{MODULES[name]}: may not know {', '.join(sorted(known - allowed))}"


def test_no_circle() -> None:
    graph = {name.split(".")[0]: set[str]() for name in MODULES}
    for name, path in MODULES.items():
        graph[name.split(".")[0]] |= of_the_package(path) - {name.split(".")[0]}
    list(TopologicalSorter(graph).static_order())  # raises CycleError


@pytest.mark.parametrize("name", MODULES)
def test_only_the_plugin_knows_pytest(name: str) -> None:
    roots = {module.split(".")[0] for module in imported(MODULES[name])}
    assert name == "pytest_plugin" or not roots & {"pytest", "_pytest"}, f"{MODULES[name]}: nothing but the plugin imports pytest"


@pytest.mark.parametrize("name", PURE)
def test_pure(name: str) -> None:
    roots = {module.split(".")[0] for module in imported(MODULES[name])}
    forbidden = roots & {"subprocess", "socket", "threading", "time", "random", "signal", "ctypes"}
    assert not forbidden, f"{MODULES[name]}: imports {forbidden}; it is to be a matter of values"


IMPORTS = """
import os, sys
sys.path.insert(0, sys.argv[1])
children = {}
for name in sys.argv[2:]:  # each in a process of its own that has imported nothing yet
    if (child := os.fork()) == 0:
        __import__(name)
        os._exit(0)
    children[child] = name
failed = []
while children:
    child, status = os.wait()
    name = children.pop(child)
    if status:
        failed.append(name)
sys.exit("cannot be imported alone: " + ", ".join(failed) if failed else 0)
"""


def test_each_can_be_imported_alone() -> None:
    """With warnings as errors: a deprecated import is one."""
    names = [f"faultlab.{name}".removesuffix(".__init__") for name in MODULES if not name.startswith("scenarios.")]
    assert len(names) > 15
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORTS, str(PACKAGE.parent), *names],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_what_a_play_imports_is_little() -> None:
    """A play takes tens of milliseconds: what only some plays or only reports need is imported where it is needed."""
    code = "import sys, faultlab.play, faultlab.backends; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT)
    assert not {"scapy", "pyroute2", "jsonschema", "rich", "jinja2", "docker", "asyncio"} & set(done.stdout.split())
