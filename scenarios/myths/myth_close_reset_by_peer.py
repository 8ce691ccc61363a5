"""The peer has reset the connection, the program has been told so by a read, and then it closes: ok.

tcp_close frees what is left; it has no error to give, for the one there was has been handed out, and close(2) of a TCP socket reports
none even where nobody has asked (inet_release returns 0). A program that falls over there has fallen over something else. FreeBSD's close
may say ECONNRESET; no record from there is in this catalogue.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

UNASKED = [Expected("connect"), Expected("option"), Expected("close")]

SCENARIO = Scenario(
    title="Myth: close reports a reset",
    spec="https://man7.org/linux/man-pages/man2/close.2.html#NOTES",
    claim="Closing a connection that the peer has reset fails with 'connection reset by peer'.",
    judged="true only on FreeBSD",
    expected=[Expected("connect"), Expected("recv", "ECONNRESET"), Expected("close")],
    expected_in={"unasked": UNASKED},
    variants=["ipv6", "unasked"],
    wire=["> S", "< SA", "> A", "< RA"],
    never=["> F*", "> R*"],
    counters={"client TcpEstabResets": 1},
    production="a log in which the last line before the end was a close",
    diagnose="strace -e trace=close,recvfrom: close = 0, the error was a read's",
    cure="handle the error of the read or write",
    hides="an option of the socket that is set before the close",
)


def test_myth_close_reset_by_peer(lab: Lab) -> None:
    """The peer resets; read and close, or close at once, with linger."""
    conn, peer = lab.connected()
    if lab.variant == "unasked":
        conn.option("linger", 5)
    peer.option("linger", 0)
    peer.close()
    conn.until("CLOSE")
    if lab.variant != "unasked":
        conn.recv()
    conn.close()
