"""The server has no descriptor left, so accept fails, and the connection stays where it is.

accept makes the descriptor before it takes a connection (__sys_accept4_file, alloc_fd): EMFILE, and the queue is as long as it was. A loop
that merely tries again runs hot until one is free. The client is connected all the while, and gets no answer.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

SPARE = "libuv keeps a spare descriptor: it closes that, accepts, closes the connection, and tells nobody (uv__emfile_trick)"

SCENARIO = Scenario(
    title="No descriptor for a new connection",
    spec="https://man7.org/linux/man-pages/man2/accept.2.html#ERRORS",
    observe="server",
    expected=[Expected("listen"), Expected("accept", "EMFILE"), Expected("accept")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A"],
    never=["> R*", "< R*"],
    deviations=[Deviation(runtime="node", step=step, sees="blocked", note=SPARE) for step in (2, 3)],
    same_words={"socket-emfile": "the operation: there it is connect, at the client"},
    production="a leak of descriptors; a limit of 1024 for a server with more clients",
    diagnose="ls /proc/PID/fd | wc -l against /proc/PID/limits; ss -ltn: Recv-Q of the listener grows",
    cure="close what is not needed, raise the limit, pause after the error",
    hides="a restart",
)


def test_accept_emfile(lab: Lab) -> None:
    """Leave no descriptor, accept, put the limit back, accept."""
    listener = lab.server.listen()
    limit = lab.server.limit("RLIMIT_NOFILE")
    lab.client.connect().far_end.until("ESTABLISHED", "FIN_WAIT2", "CLOSE_WAIT")
    listener.start("accept", background=False, **{"as": "none"}).blocked(1.0)  # no thread: that may want a descriptor
    lab.server.limit("RLIMIT_NOFILE", limit)
    listener.start("accept", background=False, **{"as": "first"}).blocked(1.0)
