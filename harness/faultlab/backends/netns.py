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
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from faultlab import identity
from faultlab.errors import AgentError, BackendUnavailable
from faultlab.remote import Channel, RemoteTestbed, built, interrupt_safe_popen
from faultlab.testbed import Plan

WAYS_ON = "or play on another backend: --backend docker, --backend uml"


class Netns:
    """Network namespaces and veth."""

    name: ClassVar[str] = "netns"
    virtual: ClassVar[bool] = False
    foreign: ClassVar[bool] = False

    def __init__(self) -> None:
        self._channel: Channel | None = None

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
        with built(self._agent(), plan, f"linux-{os.uname().release}") as bed:
            yield bed

    def _agent(self) -> Channel:
        """The session's agent; a new one after a channel broke."""
        if self._channel is not None and self._channel.broken:
            self.close()
        if self._channel is None:
            argv = [sys.executable, "-m", "faultlab.agent", "--sandbox"]
            process = interrupt_safe_popen(
                argv, env={**os.environ, "PATH": _path(), identity.VARIABLE: identity.own()}, start_new_session=True
            )
            channel = Channel(process, "netns agent")
            try:
                hello = channel.read(30)
                if "error" in hello:
                    raise BackendUnavailable(self.name, *_why(hello))
            except (AgentError, BackendUnavailable):
                channel.close()
                raise
            self._channel = channel
            atexit.register(self.close)
        return self._channel

    def close(self) -> None:
        """End the agent, and with it everything it made."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
            atexit.unregister(self.close)


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
