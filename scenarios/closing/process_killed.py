"""The peer's process is killed, and to the other side that looks like a goodbye.

The kernel closes what a process leaves behind (do_exit, exit_files, tcp_close), in the ordinary way: with a FIN, or a RST where data
was left unread. So the end of stream says nothing about whether the peer was finished: a crash, an out-of-memory kill and a clean end
look the same.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="The peer is killed",
    spec="https://man7.org/linux/man-pages/man2/_exit.2.html#DESCRIPTION",
    expected=[Expected("connect"), Expected("recv", "eof")],
    variants=["ipv6", "unread"],
    expected_in={"unread": [Expected("connect"), Expected("send", bytes=7), Expected("recv", "ECONNRESET"), Expected("recv", "eof")]},
    wire=["> S", "< SA", "> A", "< FA"],
    wire_in={"unread": ["> S", "< SA", "> PA/7", "< A", "< RA"]},
    never=["> R*", "< R*"],
    never_in={"unread": ["> R*", "< F*"]},
    counters_in={"unread": {"server TcpExtTCPAbortOnClose": 1}},
    same_words={
        "read-eof": "at the peer: dmesg or its supervisor's log tells a kill",
        "peer-close-unread-data": "at the peer: dmesg or its supervisor's log tells a kill",
    },
    production="the out-of-memory killer; a container that is stopped; a crash",
    diagnose="dmesg | grep -i killed; the exit status at the supervisor",
    cure="a protocol in which the end of a message is said: a length, a last chunk",
    hides="treating every end of stream as success",
)


def test_process_killed(lab: Lab) -> None:
    """The peer is killed, with nothing or with something unread; read."""
    conn, peer = lab.connected()
    if lab.variant == "unread":
        conn.send(b"request")
        peer.until_unread(7)
    lab.server.kill()
    conn.recv()
    if lab.variant == "unread":
        conn.recv()
