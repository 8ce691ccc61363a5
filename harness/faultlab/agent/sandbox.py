"""Namespaces of the agent's own, which end with it."""

from __future__ import annotations

import os
import signal

from faultlab.agent.libc import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    MS_PRIVATE,
    MS_REC,
    PR_SET_PDEATHSIG,
    check,
    libc,
)  # fmt: skip


def enter_sandbox() -> None:
    """Move into namespaces of our own; return in the process that is number 1 there, leave a waiting parent behind.

    Raises OSError where the kernel forbids it.
    """
    harness = os.getppid()
    user, group = os.getuid(), os.getgid()
    flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
    if user != 0:
        flags |= CLONE_NEWUSER
    check(libc.unshare(flags), "unshare")
    if user != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as f:
                f.write(text)
    check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount")
    # Set only now: a change of credentials clears it. That the harness went away before is seen by the parent's number.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != harness:
        os._exit(1)
    child = os.fork()
    if child:
        os.close(0)
        os.close(1)
        while True:  # Ctrl-C reaches the whole group; the child decides by its standard input when to end
            try:
                _, status = os.waitpid(child, 0)
            except KeyboardInterrupt:
                continue
            os._exit(os.waitstatus_to_exitcode(status) & 0x7F)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
