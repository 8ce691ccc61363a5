"""Kernels that run as a process: built from a distribution's source package, a tarball or a tree, and kept in the user's cache.

A kernel is a folder `kernels/<version>-<hash>` of the cache: the binary, the configuration it was built with, the log of the build, its
licence, and `kernel.json` with where the source came from. The hash is of the lab's options and the compiler.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from faultlab import identity
from faultlab.errors import LabError
from faultlab.runtimes import cache_folder

OPTIONS = Path(__file__).with_name("kernel.config")
SOURCES = Path("/usr/src")
VARIABLE = "FAULTLAB_KERNEL"
"""Environment: how the version of the kernel to be used begins."""
NEWEST_PACKAGE = "linux-source-6.12"
STEPS = 1450
"""About how many files a build makes, for the progress until it is known better."""
REGISTERS = ("arch/x86/um/user-offsets.c", "DEFINE_LONGS(HOST_FP_SIZE, 2696);", "DEFINE_LONGS(HOST_FP_SIZE, 12288);")
"""Up to 6.12 the kernel has place for the registers of processors without AMX only. On one with AMX they are 11,008 bytes (CPUID 13), the
host takes them whole or not at all (xstateregs_set), and process 1 dies of `ptrace set fp regs failed, errno = 14`. Since 6.13 it asks
for their size. So in the copy that is built, the number is made larger; nothing of the network is touched."""
# program -> Debian's package
TOOLS = {
    "make": "make", "gcc": "gcc", "ld": "binutils", "strip": "binutils", "flex": "flex", "bison": "bison", "bc": "bc", "tar": "tar",
    "xz": "xz-utils",
}  # fmt: skip

Progress = Callable[[str, int, int], None]
"""(what is being done, how far, of how much) -> nothing"""


class KernelError(LabError):
    """A kernel cannot be built; says what is missing and the one command that gets it, or where the log is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel in the cache."""

    folder: Path
    version: str
    source: str
    """What it was built from."""
    digest: str
    """Of that source."""
    compiler: str
    built: float
    size: int

    @property
    def binary(self) -> Path:
        """What is started."""
        return self.folder / "linux"

    @property
    def name(self) -> str:
        """`6.12.117-1f2e3d4c`."""
        return self.folder.name

    def is_called(self, prefix: str) -> bool:
        """Whether its name begins so, up to a whole number: `6.1` is not 6.12."""
        return not prefix or re.match(re.escape(prefix.rstrip(".-")) + r"(?![0-9a-z])", self.name) is not None

    @property
    def order(self) -> tuple[list[int], float]:
        """Newer versions and builds are greater."""
        return [int(n) for n in re.findall(r"\d+", self.version)], self.built


def folder() -> Path:
    """Where they are."""
    return cache_folder() / "kernels"


def built() -> list[Kernel]:
    """The kernels of this user, the newest version first."""
    found = []
    for record in folder().glob("[!.]*/kernel.json"):
        with suppress(OSError, ValueError, TypeError):
            kernel = Kernel(folder=record.parent, **json.loads(record.read_text(encoding="utf-8")))
            if os.access(kernel.binary, os.X_OK):
                found.append(kernel)
    return sorted(found, key=lambda k: k.order, reverse=True)


def chosen(wanted: str | None = None) -> Kernel | None:
    """The newest of those whose version (or name) begins as wanted; FAULTLAB_KERNEL where nothing is said."""
    prefix = wanted or os.environ.get(VARIABLE) or ""
    return next((k for k in built() if k.is_called(prefix)), None)


def remove(wanted: str) -> list[Kernel]:
    """Remove the kernels whose version or name begins so; returns which."""
    gone = [k for k in built() if wanted and k.is_called(wanted)]
    for kernel in gone:
        shutil.rmtree(kernel.folder)
    return gone


# ---- building ------------------------------------------------------------------------------------------------------


def build(source: str | None = None, *, jobs: int | None = None, progress: Progress = lambda *_: None) -> Kernel:
    """Build a kernel, or find it in the cache. Raises KernelError."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise KernelError(f"user-mode Linux is for Linux on x86-64, this is {platform.system()} on {platform.machine()}")
    given = _given(source)
    _tools()
    identity.remove_half_built(folder())
    place = given or _place(source, progress)
    progress(f"reading {place}", 0, 1)
    digest = _digest(place)
    compiler = _output(["gcc", "--version"]).splitlines()[0]
    key = hashlib.sha256(OPTIONS.read_bytes() + repr(REGISTERS).encode() + compiler.encode()).hexdigest()[:8]
    same = next((k for k in built() if k.digest == digest and k.name.endswith(f"-{key}")), None)
    if same is not None:
        return same
    folder().mkdir(parents=True, exist_ok=True)
    made = folder() / f".build.{identity.own()}"
    log = folder() / "build.log"
    made.mkdir()
    try:
        with log.open("wb") as words:
            version = _make(place, made, jobs or os.cpu_count() or 1, words, log, progress)
        shutil.move(log, made / "build.log")
        binary = made / "linux"
        about: dict[str, Any] = {
            "version": version, "source": str(place), "digest": digest, "compiler": compiler, "built": time.time(),
            "size": binary.stat().st_size,
        }  # fmt: skip
        (made / "kernel.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        final = folder() / f"{version}-{key}"
        if final.exists():  # the same version from another source: the one that was asked for last
            shutil.rmtree(final)
        os.rename(made, final)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return Kernel(folder=final, **about)


def _tools() -> None:
    missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if missing:
        raise KernelError(f"build tools are missing; get them with: {_sudo()}{_install(*missing)}")


def _install(*packages: str) -> str:
    if shutil.which("dnf"):
        return "dnf install " + " ".join({"xz-utils": "xz"}.get(p, p) for p in packages)
    return "apt-get install " + " ".join(packages)


def _sudo() -> str:
    return "" if os.getuid() == 0 else "sudo "


def _given(source: str | None) -> Path | None:
    """The tarball or tree that is meant, where it is none of a package. Looked at before all that takes time."""
    if source is not None and Path(source).exists():
        path = Path(source).resolve()
        if path.is_dir() and not (path / "arch/um/Makefile").is_file():
            raise KernelError(f"{path} is not a Linux source tree: it has no arch/um/Makefile")
        return path
    if source is not None and not source.startswith("linux-source"):
        raise KernelError(f"{source} is no file, no folder, and no package linux-source-VERSION")
    return None


def _place(source: str | None, progress: Progress) -> Path:
    """The package's tarball; one that is not there is installed where we may."""
    if (found := _tarball(source)) is not None:
        return found
    package = source or _offered()
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        raise KernelError(
            f"there is no kernel source in {SOURCES}; get it with: sudo apt-get install {package} (or name a tarball or tree: --source)"
        )
    progress(f"apt-get install {package}", 0, 1)
    for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
        done = subprocess.run(["apt-get", "-q", *command], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    found = _tarball(package)
    if found is None:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["it brought no tarball"]
        raise KernelError(f"apt-get install {package} failed: {words[-1]}")
    return found


def _tarball(package: str | None) -> Path | None:
    """The newest tarball of a source package (Debian keeps it in /usr/src, Ubuntu in a folder there)."""
    name = package or "linux-source-*"
    found = [p for pattern in (f"{name}.tar.*", f"{name}/{name}.tar.*") for p in SOURCES.glob(pattern)]
    return max(found, key=lambda p: [int(n) for n in re.findall(r"\d+", p.name)], default=None)


def _offered() -> str:
    """The newest source package that the distribution offers."""
    found = _output(["apt-cache", "search", "--names-only", "^linux-source-[0-9.]+$"])
    names = re.findall(r"^linux-source-[\d.]+(?= )", found, re.MULTILINE)
    return max(names, key=lambda n: [int(x) for x in re.findall(r"\d+", n)], default=NEWEST_PACKAGE)


def _output(argv: Sequence[str]) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False).stdout.strip()
    except OSError:
        return ""


def _digest(place: Path) -> str:
    """Tells sources apart: a tarball by its content, a tree by its place and what it says of itself."""
    digest = hashlib.sha256()
    if place.is_dir():
        commit = _output(["git", "-C", str(place), "rev-parse", "HEAD"])
        digest.update(f"{place} {(place / 'Makefile').stat().st_mtime_ns} {commit}".encode())
    else:
        with place.open("rb") as f:
            while chunk := f.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()[:16]


def _make(place: Path, made: Path, jobs: int, words: BinaryIO, log: Path, progress: Progress) -> str:
    """Unpack, configure, compile and strip; what stays in the folder is what is kept. Returns the version."""
    tree, work = place, made / "work"
    work.mkdir()

    def step(what: str, argv: Sequence[str], total: int = 0) -> None:
        progress(what, 0, max(total, 1))
        _step(what, argv, words, log, lambda n: progress(what, min(n, total), total) if total else None)

    if not place.is_dir():
        tree = made / "source"
        tree.mkdir()
        step("unpacking", ["tar", "-C", str(tree), "--strip-components=1", "-xf", str(place)])
    make = ["make", "-C", str(tree), f"O={work}", "ARCH=um", "LC_ALL=C", f"-j{jobs}"]
    version = _output([*make, "-s", "kernelversion"]).splitlines()
    if not version:
        raise KernelError(f"{place} is not a Linux source tree")
    file, few, enough = REGISTERS
    if tree != place and (code := tree / file).is_file():
        code.write_text(code.read_text(encoding="utf-8").replace(few, enough), encoding="utf-8")
    step("configuring", [*make, "tinyconfig"])
    with (work / ".config").open("ab") as config:
        config.write(b"\n" + OPTIONS.read_bytes())  # of two lines about one option the later one holds
    step("configuring", [*make, "olddefconfig"])
    step(f"compiling Linux {version[-1]}", [*make, "linux"], STEPS)
    step("stripping", ["strip", "-o", str(made / "linux"), str(work / "linux")])
    shutil.copy(work / ".config", made / "config")
    shutil.copy(tree / "COPYING", made / "COPYING")
    shutil.rmtree(work)
    if tree != place:
        shutil.rmtree(tree)
    return version[-1]


def _step(what: str, argv: Sequence[str], words: BinaryIO, log: Path, count: Callable[[int], None]) -> None:
    """Run one command of the build; everything it starts ends with it, also when this is interrupted."""
    environment = {**os.environ, identity.VARIABLE: identity.own(), "KBUILD_BUILD_USER": "faultlab", "KBUILD_BUILD_HOST": "faultlab"}
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, env=environment
    )
    assert process.stdout is not None
    number = 0
    try:
        for line in process.stdout:
            words.write(line)
            number += line.startswith(b"  ")
            count(number)
        status = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    finally:
        process.stdout.close()
    if status != 0:
        words.flush()
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        first = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else f"status {status}")
        raise KernelError(f"{what} failed: {first.strip()} (the whole log: {log})")
