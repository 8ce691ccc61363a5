"""The program has no descriptor left, so it cannot even begin to connect.

A socket is a descriptor, and alloc_fd finds none below the limit (RLIMIT_NOFILE): EMFILE, before anything of the network is asked. The
system-wide table has a limit too, with an errno of its own (ENFILE).
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="No descriptor for a socket",
    spec="https://man7.org/linux/man-pages/man2/socket.2.html#ERRORS",
    expected=[Expected("connect"), Expected("connect", "EMFILE", syscall="socket", at_once=True), Expected("connect")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A"],
    never=["> R*", "< R*"],
    counters={"client TcpActiveOpens": 2},
    same_words={"accept-emfile": "the operation: there it is accept, at a server"},
    production="connections or files that are never closed; a limit of 1024",
    diagnose="ls /proc/PID/fd | wc -l against /proc/PID/limits",
    cure="close what is not needed; raise the limit",
    hides="a restart",
)


def test_socket_emfile(lab: Lab) -> None:
    """Connect; leave no descriptor, connect; put the limit back, connect."""
    lab.server.listen()
    lab.client.connect()
    limit = lab.client.limit("RLIMIT_NOFILE")
    lab.client.connect()
    lab.client.limit("RLIMIT_NOFILE", limit)
    lab.client.connect()
