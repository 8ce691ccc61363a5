"""The program uses a socket it has closed itself.

The kernel no longer knows the descriptor: EBADF, before anything of TCP is asked. Languages put a guard of their own in front of that,
because the number may by then belong to another connection.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Using a closed socket",
    spec="https://man7.org/linux/man-pages/man2/close.2.html#DESCRIPTION",
    expected=[Expected("connect"), Expected("close"), Expected("recv", "CLOSED"), Expected("send", "CLOSED")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> FA"],
    never=["> R*"],
    same_words={"double-close": "the operation: there it is close"},
    production="one thread closes what another one still uses; a timer's cleanup that comes too early",
    diagnose="strace -e trace=close,read,write; Go's race detector",
    cure="one owner for each connection",
    hides="ignoring the error: the descriptor's number may be another connection's by then",
)


def test_use_after_close(lab: Lab) -> None:
    """Close, then read and write."""
    conn, _ = lab.connected()
    conn.close()
    conn.recv()
    conn.send(b"more")
