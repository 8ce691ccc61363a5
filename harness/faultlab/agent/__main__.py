"""Starts the agent: on its standard streams, in a sandbox with `--sandbox`, as process 1 with `--frozen FOLDER`."""

from __future__ import annotations

import json
import os
import signal
import sys

from faultlab.agent.hosts import Agent
from faultlab.agent.libc import RB_POWER_OFF, libc
from faultlab.agent.lines import Frozen, Pipes
from faultlab.agent.sandbox import enter_sandbox


def _soft_interrupts_first() -> None:
    """Have what a system call sends be received within it, as on a machine with several processors.

    Older kernels, 6.1 among them, leave all of it to ksoftirqd once that is awake (ksoftirqd_running), and on one processor RCU wakes it
    with each switch to a program (rcu_qs). So there it has its turn before the program.
    """
    if tuple(int(n) for n in os.uname().release.split(".")[:2]) >= (6, 5):
        return
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
            if f.read().startswith("ksoftirqd/"):
                os.sched_setscheduler(int(pid), os.SCHED_FIFO, os.sched_param(1))


def be_process_one(folder: str) -> None:
    """Serve as the first process of a kernel of its own, and switch that off afterwards."""
    try:
        lines = Frozen(folder)
        agent = Agent(lines)
        _soft_interrupts_first()
        lines.answer({"ready": True, "release": os.uname().release, "pid": os.getpid()})
        lines.started()
        agent.serve()
    except BaseException:  # process 1 must not end: that is a panic, with nothing said about why
        import traceback

        traceback.print_exc()
    finally:
        libc.reboot(RB_POWER_OFF)


def main() -> None:
    """Serve on standard input and output; say first that we are here, or why we cannot be."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "--frozen" in sys.argv[1:]:
        be_process_one(sys.argv[sys.argv.index("--frozen") + 1])
    answers = os.dup(1)
    if "--sandbox" in sys.argv[1:]:
        try:
            enter_sandbox()
        except OSError as e:
            os.write(answers, json.dumps({"error": str(e), "errno": e.errno}).encode() + b"\n")
            sys.exit(0)
    agent = Agent(Pipes(0, answers))
    os.write(answers, json.dumps({"ready": True, "release": os.uname().release, "pid": os.getpid()}).encode() + b"\n")
    agent.serve()


if __name__ == "__main__":
    main()
