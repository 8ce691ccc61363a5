"""The runtimes: one folder each, found by listing. What a folder has to hold is in the README beside this file."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from faultlab import errnos, identity
from faultlab.errors import LabError, RuntimeUnavailable, Unsupported
from faultlab.scenario import Deviation, Expected, Observation, Scenario, Wording

HERE = Path(__file__).parent
BUILD_WITHIN = 300.0
CONDITIONS = ("op", "symbol", "when", "syscall", "since", "until")
"""What a rule asks for; its other fields are what it says."""
ABOUT_WIRE = ("wire", "never", "counters")
READY_MADE = "FAULTLAB_DRIVERS"
"""Environment: a file that says where drivers are, for an image without toolchains; written by `python -m faultlab.runtimes`."""


def cache_folder() -> Path:
    """Where drivers and kernels of this user are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "faultlab"


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver ready to be started."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    version: str


@dataclass(frozen=True)
class Runtime:
    """A language and library whose programs are observed."""

    name: str
    folder: Path
    """Where the source is: another runtime's where `extends` says so."""
    config: Mapping[str, Any]

    @property
    def title(self) -> str:
        """What people call it."""
        return str(self.config["title"])

    @property
    def unsupported(self) -> Mapping[str, str]:
        """Operation, `OPERATION.PARAMETER`, `option.NAME` or `closed` -> why the language has no such thing."""
        found: Mapping[str, str] = self.config.get("unsupported", {})
        return found

    @property
    def default(self) -> bool:
        """Whether it is played when nobody names runtimes."""
        return bool(self.config.get("default", True))

    @property
    def kind(self) -> str:
        """`tcp`, or `http` for an HTTP client."""
        return str(self.config.get("kind", "tcp"))

    def tools(self) -> dict[str, str]:
        """The toolchain's programs. Raises RuntimeUnavailable with the remedy where one is missing."""
        chain = dict(self.config.get("toolchain", {}))
        remedy = chain.pop("remedy", "install it")
        chain.pop("version", None)
        # `venv` is the interpreter that finds the lab's own packages, and those of its extras.
        found = {"python": os.path.realpath(sys.executable), "venv": sys.executable}
        # Programs that a package brought along lie beside the interpreter of a virtual environment.
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), os.path.dirname(sys.executable), "/usr/local/bin", "/usr/bin"])
        for tool, candidates in chain.items():
            places = [c.format(purelib=sysconfig.get_path("purelib")) for c in candidates]
            hit = next((p for c in places if (p := shutil.which(c, path=path))), None)
            if hit is None:
                raise RuntimeUnavailable(self.name, f"{' or '.join(candidates)} not found", remedy)
            found[tool] = hit
        return found

    def prepare(self) -> Driver:
        """The driver, built if this user's cache lacks it. Raises RuntimeUnavailable with the compiler's first error line."""
        if file := os.environ.get(READY_MADE):
            return self.made_elsewhere(json.loads(Path(file).read_text(encoding="utf-8")))
        tools = self.tools()
        key = self._key(tools)
        out = cache_folder() / "drivers" / f"{self.name}-{key}"
        if not (out / "built.json").exists():
            self._build(tools, out)
        built = json.loads((out / "built.json").read_text(encoding="utf-8"))
        places = {**tools, "out": str(out), "src": str(self.folder)}
        argv = tuple(part.format_map(places) for part in self.config["run"]["command"])
        env = {k: str(v).format_map(places) for k, v in self.config["run"].get("env", {}).items()}
        return Driver(argv, env, built["version"])

    def made_elsewhere(self, there: Mapping[str, Mapping[str, Any]]) -> Driver:
        """The driver of hosts that have their own. Raises RuntimeUnavailable where it is missing, or made from another source than ours."""
        made = there.get(self.name, {"reason": "the image has no driver for it"})
        if "reason" in made:
            raise RuntimeUnavailable(self.name, str(made["reason"]), "build the whole image: docker build -t faultlab FOLDER")
        if made["fingerprint"] != self.fingerprint:
            reason = "the image's driver was made from another source"
            raise RuntimeUnavailable(self.name, reason, "build the image again: docker build -t faultlab FOLDER")
        return Driver(tuple(made["argv"]), dict(made["env"]), str(made["version"]))

    @property
    def fingerprint(self) -> str:
        """What the driver is made of, whoever builds it: tells whether one built elsewhere is this one."""
        digest = hashlib.sha256(repr((self.config.get("build"), self.config["run"])).encode())
        for source in self.config["source"]:
            digest.update((self.folder / source).read_bytes())
        return digest.hexdigest()[:16]

    def _key(self, tools: Mapping[str, str]) -> str:
        digest = hashlib.sha256(repr((sorted(tools), self.config.get("build"), self.config["run"])).encode())
        for tool in sorted(tools.values()):
            status = os.stat(tool)
            digest.update(f"{os.path.realpath(tool)} {status.st_size} {status.st_mtime_ns}".encode())
        for source in self.config["source"]:
            digest.update((self.folder / source).read_bytes())
        return digest.hexdigest()[:16]

    def _build(self, tools: Mapping[str, str], out: Path) -> None:
        """Build beside the final place and move there, so that two workers at once do no harm."""
        out.parent.mkdir(parents=True, exist_ok=True)
        identity.remove_half_built(out.parent)
        made = out.parent / f".{out.name}.{identity.own()}"
        made.mkdir(exist_ok=True)
        try:
            places = {**tools, "out": str(made), "src": str(self.folder)}
            build = self.config.get("build", {})
            # Toolchains keep caches of their own: inside the folder that goes away, so that nothing else is left at home.
            env = {**os.environ, "GOCACHE": f"{made}/.cache", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false", "LC_ALL": "C"}
            env |= {k: str(v).format_map(places) for k, v in build.get("env", {}).items()}
            for command in build.get("commands", [build["command"]] if "command" in build else []):
                self._step([part.format_map(places) for part in command], env)
            shutil.rmtree(f"{made}/.cache", ignore_errors=True)
            version = self._version(tools)
            Path(made, "built.json").write_text(json.dumps({"version": version}), encoding="utf-8")
            try:
                os.rename(made, out)
            except OSError:  # another worker was first
                if not (out / "built.json").exists():
                    raise
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _step(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        try:
            done = subprocess.run(
                argv, cwd=self.folder, env=env, capture_output=True, text=True, timeout=BUILD_WITHIN, check=False, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as e:
            raise RuntimeUnavailable(self.name, f"{argv[0]} cannot be run: {e}", "mend the toolchain") from e
        if done.returncode != 0:
            lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            first = next((line for line in lines if "error" in line.lower()), lines[0] if lines else f"status {done.returncode}")
            if missing := next((line for line in lines if line.startswith("ModuleNotFoundError")), None):
                raise RuntimeUnavailable(self.name, missing.strip(), str(self.config.get("toolchain", {}).get("remedy", "install it")))
            raise RuntimeUnavailable(self.name, f"its driver does not build: {first.strip()}", "mend the toolchain; see `faultlab doctor`")

    def _version(self, tools: Mapping[str, str]) -> str:
        command = self.config.get("toolchain", {}).get("version")
        if command is None:
            return ".".join(map(str, sys.version_info[:3]))
        argv = [part.format_map(tools) for part in command]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
        lines = (done.stdout + done.stderr).strip().splitlines()
        return lines[0].strip() if lines else "unknown"

    # ---- the compiler ----------------------------------------------------------------------------------------------

    def compile(self, source: str) -> str | None:
        """The compiler's words about a source file, or None where it has nothing to say. Raises Unsupported where there is no compiler."""
        how = self.config.get("compile")
        if how is None:
            raise Unsupported(f"{self.name} has no compiler that looks at a line before it runs")
        tools = self.tools()
        cache = cache_folder() / "drivers" / f"{self.name}-compiled"  # the standard library's part, kept from one time to the next
        with tempfile.TemporaryDirectory(prefix=f"faultlab-{identity.own()}-") as place:
            Path(place, how["file"]).write_text(source, encoding="utf-8")
            places = {**tools, "out": place, "cache": str(cache)}
            env = {**os.environ, "LC_ALL": "C", **{k: str(v).format_map(places) for k, v in how.get("env", {}).items()}}
            argv = [part.format_map(places) for part in how["command"]]
            try:
                done = subprocess.run(
                    argv, cwd=place, env=env, capture_output=True, text=True, timeout=BUILD_WITHIN, check=False, stdin=subprocess.DEVNULL
                )
            except (OSError, subprocess.TimeoutExpired) as e:
                raise RuntimeUnavailable(self.name, f"{argv[0]} cannot be run: {e}", "mend the toolchain") from e
            if done.returncode == 0:
                return None
            said = "\n".join(line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("#"))
            where = re.match(rf"(?:\./)?{re.escape(how['file'])}:\d+:\d+: ", said)
            if where is None:  # it did not come so far as to look at the line
                raise RuntimeUnavailable(self.name, f"its compiler failed: {said.strip()[:300]}", "mend the toolchain")
            return said[where.end() :].strip()

    # ---- words -----------------------------------------------------------------------------------------------------

    def words(self) -> Mapping[str, str]:
        """errno name -> the runtime's own words."""
        words = self.config["words"]
        if isinstance(words, str):
            return errnos.words(words)
        table: Mapping[str, str] = words
        return table

    def rule(
        self, symbol: str, op: str, *, when: frozenset[str] = frozenset(), syscall: str | None = None, version: str | None = None
    ) -> dict[str, Any]:
        """What the rules say of a symbol: the fields of all rules that fit, later ones first in authority.

        Of a version that nobody knows the oldest that is described is taken: no rule with `since` fits it.
        """
        fields: dict[str, Any] = {}
        number = _version(version or "")
        for rule in self.config.get("rule", ()):
            if op not in rule.get("op", (op,)) or symbol not in rule.get("symbol", (symbol,)):
                continue
            if not set(rule.get("when", ())) <= when or syscall not in rule.get("syscall", (syscall,)):
                continue
            if ("since" in rule and number < _version(rule["since"])) or ("until" in rule and number >= _version(rule["until"])):
                continue
            fields |= {k: v for k, v in rule.items() if k not in CONDITIONS}
        return fields

    def wording(self, want: Expected, saw: Observation, overrides: Mapping[str, object], version: str | None = None) -> Wording:
        """How this runtime, in that version, puts what is expected, with the facts of the observation filled in."""
        symbol = want.result
        if symbol in ("ok", "eof", "timeout", "blocked"):
            return Wording(outcome=symbol)
        if want.op == "error" and symbol != "CLOSED":  # the call succeeds, and its answer is the errno
            return Wording(outcome="ok", errno=symbol)
        facts = dict(saw.facts)
        when = frozenset(facts.get("when", "").split()) | ({"at-once"} if want.at_once else frozenset())
        when |= {want.during} if want.during else frozenset()
        fields = {**self.rule(symbol, want.op, when=when, syscall=want.syscall, version=version), **overrides}
        outcome = str(fields.get("outcome", "error"))
        if outcome != "error":
            return Wording(outcome=outcome)
        errno = fields.get("errno", symbol)
        chain = fields.get("chain", ())
        chains = tuple(tuple(c) for c in chain) if chain and isinstance(chain[0], (list, tuple)) else (tuple(chain),)
        words = {field: fields.get(field) for field in ("message", "cause", "type")}
        name = str(errno or symbol)
        if any(words.values()):
            facts |= {
                "errno": name, "number": str(errnos.number_of(name)), "words": self.words().get(name, name),
                "op": want.op, "syscall": want.syscall or {"listen": "bind"}.get(want.op, want.op),
                **_seen_in(saw.message or ""),
            }  # fmt: skip
            try:
                words = {field: said and str(said).format_map(facts) for field, said in words.items()}
            except KeyError as e:
                raise LabError(f"{self.name}: the message rule {words} asks for {e}, which a {want.op} does not have") from e
        chains = tuple(tuple(part.replace("{errno}", name) for part in one) for one in chains)
        return Wording(outcome="error", errno=errno or None, type=words["type"], chains=chains, message=words["message"] or None,
                       cause=words["cause"] or None)  # fmt: skip

    def about(self, name: str, scenario: Scenario) -> Scenario:
        """A scenario, and what this runtime's own folder declares of it: where it departs, and what it then does on the wire."""
        own = [d for d in self.config.get("deviation", ()) if d["scenario"] == name]
        made = [Deviation(runtime=self.name, **{k: v for k, v in d.items() if k not in ("scenario", *ABOUT_WIRE)}) for d in own]
        told: dict[str, Any] = {f"{k}_in": {**getattr(scenario, f"{k}_in"), self.name: d[k]} for d in own for k in ABOUT_WIRE if k in d}
        return replace(scenario, deviations=[*scenario.deviations, *made], **told)

    def habits(self, scenario: Scenario, variant: str | None) -> list[Deviation]:
        """The steps of a play at which this runtime departs from the kernel's answer in every scenario alike."""
        steps, (must, _) = scenario.expected_for(variant), scenario.wire_for(variant)
        found = []
        for number, step in enumerate(steps, start=1):
            said = [f"{e.op} {e.result}" for e in steps[:number]]
            for habit in self.config.get("habit", ()):
                fits = fnmatchcase(said[-1], habit["instead_of"])
                fits &= "after" not in habit or habit["after"] in said[:-1]
                fits &= "segment" not in habit or any(one.startswith(habit["segment"]) for one in must)
                fits &= "family" not in habit or habit["family"] == scenario.family(variant)
                if fits:
                    sees = habit["sees"].format(result=step.result)
                    found.append(Deviation(runtime=self.name, step=number, sees=sees, note=habit["note"]))
                    break
        return found


def _version(text: str) -> tuple[int, ...]:
    """The first dotted number of a version, to be compared: `glibc 2.36` is (2, 36)."""
    found = re.search(r"\d+(\.\d+)*", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def _seen_in(message: str) -> dict[str, str]:
    """What a library puts into its words that nobody can know before: an object's place in memory, milliseconds, how much came in them."""
    patterns = {"place": r"0x[0-9a-f]+", "ms": r"\b\d+(?= (?:ms|milliseconds)\b)", "got": r"\b\d+(?= out of)"}
    found = {name: re.search(pattern, message) for name, pattern in patterns.items()}
    return {name: hit[0] if hit else name.upper() for name, hit in found.items()}


def playing(kind: str, named: Sequence[str] | None, only: Sequence[str] = ()) -> list[str]:
    """The runtimes that play scenarios of a kind: those named of that kind, or else all that are played by default,
    of `only` those where it says some.

    Where those named are all of another kind they are kept, so that the play says why it cannot be.
    """
    known = all_runtimes()
    if named:
        return [n for n in named if known[n].kind == kind] or list(named)
    return [n for n, r in known.items() if r.default and r.kind == kind and (not only or n in only)]


@cache
def all_runtimes() -> dict[str, Runtime]:
    """Every runtime there is a folder for, in the order of their `order`."""
    found = {}
    for file in HERE.glob("*/runtime.toml"):
        config = tomllib.loads(file.read_text(encoding="utf-8"))
        folder = file.parent
        if base := config.get("extends"):
            folder = HERE / base
            inherited = tomllib.loads((folder / "runtime.toml").read_text(encoding="utf-8"))
            config = {**inherited, **config, "rule": [*inherited.get("rule", ()), *config.get("rule", ())]}
        found[file.parent.name] = Runtime(file.parent.name, folder, config)
    return dict(sorted(found.items(), key=lambda item: (item[1].config.get("order", 99), item[0])))


def amended(name: str, scenario: Scenario) -> Scenario:
    """A scenario, and what the runtimes' own folders declare of it: so a runtime with ways of its own touches nobody else's file."""
    for runtime in all_runtimes().values():
        scenario = runtime.about(name, scenario)
    return scenario
