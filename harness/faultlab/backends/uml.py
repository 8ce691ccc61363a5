"""Hosts inside a Linux kernel of their own that runs as a process and whose clock jumps to the next timer when everything waits.

A user-mode Linux kernel with time travel: a keepalive timeout of two hours takes as long as its few packets do. Nothing in it can reach
anything outside, and it needs no privilege. Its root is this machine's own, read-only, so every runtime that is here is there. The
same agent as everywhere is its process 1. The guest stands still while the harness thinks: see `agent.Frozen`.
"""

from __future__ import annotations

import atexit
import os
import platform
import re
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import faultlab
from faultlab import identity, kernels, watchdog
from faultlab.errors import AgentError, BackendUnavailable, GuestDied, GuestHung
from faultlab.kernels import Kernel
from faultlab.remote import ANSWER_WITHIN, Channel, RemoteTestbed, built
from faultlab.testbed import Plan

BOOT_WITHIN = 60.0
"""Real seconds, on a machine that has something else to do."""
MEMORY = "512M"
DUMP = re.compile(r"\s*(\[<|[0-9a-f]{8,16} |Call Trace:|Stack:|CPU: |Workqueue: |R[A-Z0-9]{2}: )")
"""Lines of a panic that say nothing to most people."""
FIRST = """
import ctypes, runpy
libc = ctypes.CDLL(None, use_errno=True)
for kind, place in ((b"proc", b"/proc"), (b"sysfs", b"/sys"), (b"tmpfs", b"/run")):
    if libc.mount(kind, place, kind, 6, None):  # MS_NODEV | MS_NOSUID
        raise OSError(ctypes.get_errno(), f"cannot mount {place}")
runpy.run_module("faultlab.agent", run_name="__main__", alter_sys=True)
"""
"""What process 1 begins with: libraries read /proc when they are imported."""
WAYS_ON = "play in real time: --backend netns, --backend docker"


class Guest(Channel):
    """The channel to a kernel that runs as a process. Each request is bounded in real time, whatever its own clock says."""

    def __init__(self, kernel: Kernel) -> None:
        import fcntl  # no such thing on Windows, where this module is only asked whether it works

        self.name, self.virtual, self.broken = f"uml guest {kernel.version}", True, False
        self.kernel = kernel
        self._buffer, self._asked = b"", "nothing"
        self._id = 0
        self.folder = identity.temporary_folder(_short_folder())
        self._out, answers = os.pipe()
        # One page in packets: the pipe is full as soon as there is one byte in it.
        self._stopped, stop = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
        fcntl.fcntl(stop, fcntl.F_SETPIPE_SZ, 4096)
        os.write(stop, b"F")
        watched, self._alive = os.pipe()
        init = self.folder / "init"
        init.write_text(_init(self.folder), encoding="utf-8", errors="surrogateescape")
        init.chmod(0o700)
        # Workers of one session are spread over the processors, sessions beside each other by chance.
        worker, cpus = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")), sorted(os.sched_getaffinity(0))
        command = [
            str(kernel.binary), f"mem={MEMORY}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}",
            "con=null", "con0=null,fd:2", f"con1=null,fd:{answers}", f"con2=null,fd:{stop}", "ssl=null", "quiet", "random.trust_cpu=on",
            "time-travel=inf-cpu", f"time-travel-start={time.time_ns()}", f"uml_dir={self.folder}", "umid=g",
        ]  # fmt: skip
        try:
            with (self.folder / "console").open("wb") as console:
                self.process = subprocess.Popen(
                    [
                        sys.executable, "-I", "-S", watchdog.__file__, str(self.folder), str(watched),
                        str(cpus[(worker + os.getppid()) % len(cpus)]), *command,
                    ],
                    stdin=subprocess.DEVNULL, stdout=console, stderr=console, pass_fds=[watched, answers, stop], start_new_session=True,
                    env={**os.environ, "TMPDIR": _memory_folder(), identity.VARIABLE: identity.own()},
                )  # fmt: skip
            self._console = (self.folder / "console").open("rb")
            os.close(watched)
            ended = os.pidfd_open(self.process.pid)  # our own ends of its pipes are still open: they say nothing of its end
            try:
                if ended in select.select([self._out, ended], [], [], BOOT_WITHIN)[0]:
                    raise GuestDied(self._say(f"ended with status {self.process.wait()}"))
            finally:
                os.close(ended)
            hello = self.read(BOOT_WITHIN)
            self.release = str(hello["release"])
            # Before Linux 6.6 the guest makes these descriptions non-blocking; they are the same ones here.
            for fd in (answers, stop):
                os.set_blocking(fd, True)
                os.close(fd)
            (self.folder / "0").touch()
        except BaseException:
            self.close()
            raise

    def ask(self, verb: str, within: float = ANSWER_WITHIN, /, **request: Any) -> Any:
        """Make a request and return its value; what was asked is part of what is said of a guest that does not answer."""
        self._asked = verb
        return super().ask(verb, within, **request)

    def _send(self, payload: bytes) -> None:
        """Put the request where it is looked for, and let the guest go on."""
        (self.folder / f"{self._id}").write_bytes(payload)
        if not select.select([self._stopped], [], [], BOOT_WITHIN)[0]:
            raise GuestHung(self._say("does not stop"))
        if not os.read(self._stopped, 1):
            raise GuestDied(self._say("ended"))
        if self._id > 1:
            (self.folder / f"{self._id - 1}").unlink()

    def read(self, within: float) -> dict[str, Any]:
        """Read one answer. Raises GuestDied or GuestHung with the last lines of its console."""
        try:
            return super().read(within)
        except AgentError as e:
            self.broken = True
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(2)
            if self.process.poll() is None:
                raise GuestHung(self._say(f"gave no answer within {within:g} s of real time")) from e
            raise GuestDied(self._say(f"ended with status {self.process.returncode}")) from e

    def _last_words(self) -> str:
        return ""

    def _say(self, what: str) -> str:
        size = self._console.seek(0, os.SEEK_END)
        self._console.seek(max(0, size - 8000))
        lines = [line for line in self._console.read().decode(errors="replace").splitlines() if line.strip() and not DUMP.match(line)]
        return f"{self.name} {what}, asked {self._asked}; its console: " + ("\n".join(lines[-6:]) or "nothing")

    def close(self) -> None:
        """Let go of it: it switches itself off; the watchdog sees to what does not."""
        for fd in (self._stopped, self._alive):
            os.close(fd)
        if hasattr(self, "process"):
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self._console.close()
        os.close(self._out)
        shutil.rmtree(self.folder, ignore_errors=True)  # the watchdog has done it, unless it was killed


class Uml:
    """A user-mode Linux kernel with time travel."""

    name: ClassVar[str] = "uml"
    virtual: ClassVar[bool] = True
    foreign: ClassVar[bool] = False
    parallel: ClassVar[bool] = False

    def __init__(self) -> None:
        self._guest: Guest | None = None

    def check(self) -> None:
        """Raise BackendUnavailable when there is no kernel, or it does not boot."""
        if sys.platform != "linux" or platform.machine() != "x86_64":
            raise BackendUnavailable(
                self.name, f"user-mode Linux is for Linux on x86-64, this is {platform.system()} on {platform.machine()}", WAYS_ON
            )
        try:
            self._booted()
        except AgentError as e:
            remedy = f"build it with this version of the lab (faultlab kernel build), or {WAYS_ON}"
            raise BackendUnavailable(self.name, f"its kernel does not boot: {e}", remedy) from e

    @contextmanager
    def testbed(self, plan: Plan) -> Iterator[RemoteTestbed]:
        """Build a testbed inside and undo all of it on exit; a guest that broke is replaced by a new one."""
        guest = self._booted()
        with built(guest, plan, f"linux-{guest.release}") as bed:
            yield bed

    def _booted(self) -> Guest:
        """The session's guest."""
        if self._guest is not None and self._guest.broken:
            self.close()
        if self._guest is None:
            kernel = kernels.chosen()
            if kernel is None:
                wanted = os.environ.get(kernels.VARIABLE)
                reason = f"no kernel {wanted} is built" if wanted else "no kernel is built"
                raise BackendUnavailable(self.name, reason, f"faultlab kernel build, or {WAYS_ON}")
            self._guest = Guest(kernel)
            atexit.register(self.close)
        return self._guest

    def close(self) -> None:
        """Switch the guest off."""
        if self._guest is not None:
            self._guest.close()
            self._guest = None
            atexit.unregister(self.close)


def _init(folder: Path) -> str:
    """The first program inside: the agent, in this very environment."""
    path = os.pathsep.join(filter(None, [str(Path(faultlab.__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    environment = {**os.environ, "PATH": search, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in environment.items() if name.isidentifier()]
    command = shlex.join([sys.executable, "-P", "-c", FIRST, "--frozen", str(folder)])
    return "\n".join(["#!/bin/sh", *lines, f"exec {command}", ""])


def _short_folder() -> str | None:
    """Where the guest's folder goes: its name becomes a word of the kernel's command line and part of a socket's name."""
    usual = tempfile.gettempdir()
    return usual if len(usual) < 60 and not set(usual) & set(' \t"') else "/tmp"


def _memory_folder() -> str:
    """Where the guest's memory can be: mapped from a file that may hold programs, so nowhere that is mounted noexec."""
    for folder in (os.environ.get("TMPDIR"), "/dev/shm", tempfile.gettempdir(), "/var/tmp", str(kernels.folder())):
        if folder and os.access(folder, os.W_OK | os.X_OK) and not os.statvfs(folder).f_flag & os.ST_NOEXEC:
            return folder
    raise BackendUnavailable(Uml.name, "there is no writable folder without noexec for its memory", "set TMPDIR to one")
