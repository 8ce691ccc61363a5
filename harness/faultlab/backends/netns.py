"""Hosts as anonymous network namespaces of this machine's kernel, joined by veth.

As root directly, otherwise inside an unprivileged user namespace. One agent a session holds everything: it is process 1 of
a process namespace, so when it ends (its standard input ended, or it was killed) nothing of it is left.
"""

from __future__ import annotations

import atexit
import errno
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from faultlab import identity
from faultlab.errors import AgentError, BackendUnavailable
from faultlab.remote import Channel, RemoteTestbed, built, interrupt_safe_popen
from faultlab.testbed import Plan

NURSERY = ThreadPoolExecutor(1, "agents")
"""The thread that starts agents. When it ends the kernel kills them (PR_SET_PDEATHSIG is about a thread), so it outlives those of plays."""
WAYS_ON = "or play on another backend: --backend docker, --backend uml"


class Netns:
    """Network namespaces and veth."""

    name: ClassVar[str] = "netns"
    virtual: ClassVar[bool] = False
    foreign: ClassVar[bool] = False
    parallel: ClassVar[bool] = True

    def __init__(self) -> None:
        self._all: list[Channel] = []
        self._free: list[Channel] = []
        """Agents without a testbed. Taking and putting back are one step each, whichever thread does it."""

    def check(self) -> None:
        """Raise BackendUnavailable when this machine cannot build a testbed, with the setting that forbids it."""
        if sys.platform != "linux":
            raise BackendUnavailable(self.name, f"network namespaces are Linux's, this is {platform.system()}", WAYS_ON)
        if shutil.which("iptables-restore", path=_path()) is None:
            raise BackendUnavailable(self.name, "there is no iptables-restore", "install the package iptables")
        self._agent()

    @contextmanager
    def testbed(self, plan: Plan) -> Iterator[RemoteTestbed]:
        """Build a testbed and undo all of it on exit, even a half-built one."""
        channel = self._take()
        try:
            with built(channel, plan, f"linux-{os.uname().release}") as bed:
                yield bed
        finally:
            self._free.append(channel)

    def _agent(self) -> Channel:
        """An agent that has no testbed at the moment."""
        channel = self._take()
        self._free.append(channel)
        return channel

    def _take(self) -> Channel:
        """An agent for one testbed: the one used last, or a new one; those whose channel broke are let go."""
        while self._free:
            with suppress(IndexError):  # another thread was quicker
                channel = self._free.pop()
                if not channel.broken and channel.process.poll() is None:
                    return channel
                self._all.remove(channel)
                channel.close()
        argv = [sys.executable, "-m", "faultlab.agent", "--sandbox"]
        env = {**os.environ, "PATH": _path(), identity.VARIABLE: identity.own()}
        process = NURSERY.submit(interrupt_safe_popen, argv, env=env, start_new_session=True).result()
        channel = Channel(process, "netns agent")
        try:
            hello = channel.read(30)
            if "error" in hello:
                raise BackendUnavailable(self.name, *_why(hello))
        except (AgentError, BackendUnavailable):
            channel.close()
            raise
        if not self._all:
            atexit.register(self.close)
        self._all.append(channel)
        return channel

    def close(self) -> None:
        """End the agents, and with them everything they made; a play that is under way breaks off."""
        atexit.unregister(self.close)
        self._free.clear()
        while self._all:
            self._all.pop().close()


def _path() -> str:
    """The search path with the folders of administrators' programs, which an ordinary user's lacks."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def _setting(name: str) -> str | None:
    try:
        return Path("/proc/sys", name).read_text(encoding="ascii").strip()
    except OSError:
        return None


def _why(hello: dict[str, object]) -> tuple[str, str]:
    """Reason and remedy for a sandbox that was refused."""
    words = str(hello["error"])
    if os.getuid() == 0:
        if hello.get("errno") == errno.EPERM:
            return f"root lacks CAP_SYS_ADMIN or CAP_NET_ADMIN ({words})", "give the container --cap-add SYS_ADMIN; " + WAYS_ON
        return words, WAYS_ON
    if _setting("kernel/unprivileged_userns_clone") == "0":
        remedy = "sudo sysctl kernel.unprivileged_userns_clone=1"
        return "kernel.unprivileged_userns_clone=0 forbids user namespaces", f"{remedy}, or run as root, {WAYS_ON}"
    if _setting("user/max_user_namespaces") == "0":
        remedy = "sudo sysctl user.max_user_namespaces=10000"
        return "user.max_user_namespaces=0 forbids user namespaces", f"{remedy}, or run as root, {WAYS_ON}"
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        remedy = "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
        return (
            "AppArmor forbids unprivileged user namespaces (kernel.apparmor_restrict_unprivileged_userns=1)",
            f"{remedy}, or run as root, {WAYS_ON}",
        )
    return f"user namespaces are refused ({words}), perhaps by a container's seccomp filter", f"run as root, {WAYS_ON}"
