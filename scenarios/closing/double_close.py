"""The program closes the same socket twice.

The first close gives the descriptor's number back (file_close_fd), so the second one finds nothing of that number: EBADF. If another
thread has opened something meanwhile, the number is taken again, and the second close ends a connection that is somebody else's,
without any error. Most languages remember that it was closed, and do nothing.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Closing twice",
    spec="https://man7.org/linux/man-pages/man2/close.2.html#ERRORS",
    expected=[Expected("connect"), Expected("close"), Expected("close", "CLOSED")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> FA"],
    never=["> R*"],
    same_words={"use-after-close": "the operation: there it is a read or a write"},
    production="a cleanup handler and an explicit close",
    diagnose="strace -e trace=close: EBADF; worse, and silent, where the number was somebody else's by then",
    cure="one owner; set the variable to -1 after close",
    hides="ignoring what close returns",
)


def test_double_close(lab: Lab) -> None:
    """Close, and close again."""
    conn, _ = lab.connected()
    conn.close()
    conn.close()
