"""The server has no descriptor left, so accept fails, and the connection stays where it is.

accept makes the descriptor before it takes a connection (alloc_fd): EMFILE, and the queue is as long as it was. A loop that merely tries again
runs hot until one is free. The client is connected all the while, and gets no answer.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="No descriptor for a new connection",
    spec="https://man7.org/linux/man-pages/man2/accept.2.html#ERRORS",
    observe="server",
    expected=[Expected("listen"), Expected("accept", "EMFILE", within=(0, 0.5), by_default=(0, 0.5)), Expected("accept")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A"],
    never=["> R*", "< R*", "< F*"],
    same_words={"socket-emfile": "the operation: there it is connect, at the client"},
    production="a leak of descriptors; a limit of 1024 for a server with more clients",
    diagnose="ls /proc/PID/fd | wc -l against /proc/PID/limits; ss -ltn: Recv-Q of the listener grows",
    cure="close what is not needed, raise the limit, pause after the error",
    hides="a restart",
)


def test_accept_emfile(lab: Lab) -> None:
    """Leave no descriptor, accept, put the limit back, accept."""
    lab.server.listen()
    lab.client.connect().far_end.until("ESTABLISHED")
    limit = lab.server.limit("RLIMIT_NOFILE")
    lab.server.accept()
    lab.server.limit("RLIMIT_NOFILE", limit)
    lab.server.accept()
