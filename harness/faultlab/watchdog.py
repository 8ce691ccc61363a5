"""The parent of a guest: nothing of it is left when the lab ends, however the lab ends.

    python -I -S watchdog.py FOLDER DESCRIPTOR CPU COMMAND…

A user-mode kernel is a group of processes that trace each other; the kernel's own ways of ending them with their parent miss some. So the
watchdog waits for the lab (which holds the other end of DESCRIPTOR) or the guest to end, kills the group and removes the folder. It imports
nothing of the lab, to be started in a few milliseconds.
"""

import ctypes
import os
import select
import shutil
import signal
import sys

PR_SET_PDEATHSIG = 1
GRACE = 0.3
"""Seconds: a guest whose lab is gone switches itself off in a tenth of that if it stands still."""


def main() -> None:
    """Start it, watch it, clear up; end with its status."""
    folder, lab, cpu, command = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # All its processes on one processor: each of its system calls switches between two of them, five times slower across processors.
    os.sched_setaffinity(0, {cpu})
    guest = os.fork()
    if guest == 0:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.close(lab)
        os.execv(command[0], command)
    for fd in os.listdir("/proc/self/fd"):  # its pipes must have no other end here
        if int(fd) > 2 and int(fd) != lab:
            try:
                os.close(int(fd))
            except OSError:
                continue
    ended = os.pidfd_open(guest)
    if lab in select.select([lab, ended], [], [])[0]:
        select.select([ended], [], [], GRACE)
    for kill, number in ((os.killpg, guest), (os.kill, guest)):  # it makes itself the leader of a group; our unreaped child in any case
        try:
            kill(number, signal.SIGKILL)
        except ProcessLookupError:
            continue
    status = os.waitpid(guest, 0)[1]
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    main()
