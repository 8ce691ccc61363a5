"""A RST comes while the client reads; the next read says end of stream.

The RST has exactly the sequence number the client expects, so it is believed (RFC 5961, section 3.2). The kernel notes ECONNRESET on the
socket (tcp_reset) and hands it out once: the read that is waiting gets it. After that the socket is only closed: reading says end of
stream, writing EPIPE. Here the lab forges the RST, as a middlebox would; neither kernel sent it.
"""

from faultlab.faults.forged import ForgedReset
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Reset while reading",
    spec="https://www.rfc-editor.org/rfc/rfc5961#section-3.2",
    expected=[Expected("connect"), Expected("recv", "ECONNRESET"), Expected("recv", "eof"), Expected("send", "EPIPE")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "< RA!"],
    never=["> R*"],
    counters={"client TcpEstabResets": 1},
    same_words={
        "reuseport-close-pending": "on the server: there nobody had accepted the connection yet",
        "tcp-mem-orphans": "nstat TcpExtTCPAbortOnMemory at the peer; its dmesg",
        "nat-out-of-window-rst": "tcpdump at the other end: there its kernel sends the RST, and its program still has ESTAB",
        "nat-mapping-lost-server-side": "tcpdump at the other end: there it sends no RST and still has ESTAB",
        "write-reset-first": "the operation: there a write was first, and got it",
        "rst-sack-edge": "tcpdump -S: there data before the RST is missing",
        "read-reset-after-data": "the capture: there data comes right before the RST",
        "read-eof": "the first read: there it says end of stream already",
        "peer-reboot-rst": "tcpdump: there the RST answers the own data, and has no ACK",
        "blind-rst-challenge-ack": "nstat TcpExtTCPChallengeACK: there a RST came before that was not believed",
        "peer-close-unread-data": "on the peer: nstat TcpExtTCPAbortOnClose; here the peer's TcpOutRsts stays 0",
        "linger0-rst": "on the peer: its own kernel counts TcpOutRsts",
        "backlog-full-abort": "on the server: nstat TcpExtEmbryonicRsts rises, and it accepted nothing",
        "backlog-full-ghost": "on the server: nstat TcpExtListenOverflows rises, and it accepted nothing",
        "listener-close-pending": "on the server: the listener is gone, and it accepted nothing",
        "rst-in-accept-queue": "the capture: there the reset comes before the accept",
        "connect-econnreset": "the operation: there connect itself fails",
        "nat-timeout-rst": "tcpdump at the peer: here it sends the RST itself",
    },
    production="a load balancer or firewall that forgot the connection; a peer that crashed",
    diagnose="tcpdump 'tcp[tcpflags] & tcp-rst != 0' at both ends: a RST that the peer never sent was forged on the way (look at its TTL)",
    cure="keep-alive shorter than the middlebox's memory; reconnect and repeat what is safe to repeat",
    hides="ignoring the error and reading on: the next read says end of stream, as if all were well",
)


def test_read_reset(lab: Lab) -> None:
    """Start to read, forge a RST, look at what comes after."""
    conn, _ = lab.connected()
    reading = conn.start("recv")
    with lab.fault(ForgedReset(to="client")):
        reading.result()
    conn.recv()
    conn.send(b"more")
