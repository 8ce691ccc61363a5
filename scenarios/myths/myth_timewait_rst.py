"""The server closed first and is in TIME_WAIT; the client comes again, from the same port or another, and nobody is reset.

TIME_WAIT belongs to one connection, which is four numbers. From another port the SYN meets the listener as if there were no TIME_WAIT.
From the same port it meets the TIME_WAIT, and as its timestamp is newer tcp_timewait_state_process gives way (TCP_TW_SYN). A SYN that
might be a straggler is answered with an ACK, not with a RST: time-wait-old-syn.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Myth: TIME_WAIT resets new connections",
    spec="https://www.rfc-editor.org/rfc/rfc6191#section-2",
    claim="A new connection that arrives during TIME_WAIT is answered with a RST.",
    judged="false",
    expected=[Expected("connect"), Expected("recv", "eof"), Expected("close"), Expected("connect"), Expected("recv", data="again")],
    variants=["ipv6", "other-port"],
    wire=["> S", "< SA", "< FA", "> FA", "> S", "< SA", "< PA/5"],
    never=["> R*", "< R*"],
    counters={"server TcpPassiveOpens": 2, "client TcpRetransSegs": 0},
    production="resets at a server with many sockets in TIME_WAIT: one is not the other's cause",
    diagnose="tcpdump: who sends the RST, and what it answers; nstat TcpOutRsts",
    cure="look for the real cause: unread data, data after close, a device in between",
    hides="fewer sockets in TIME_WAIT",
)


def test_myth_timewait_rst(lab: Lab) -> None:
    """The server closes first; dial again from the same port, or from another."""
    conn, peer = lab.connected(half_open=True)
    peer.close()
    conn.recv()
    peer.until("FIN_WAIT2")  # the ACK of its FIN must not be overtaken by the FIN that follows
    conn.close()
    peer.until("TIME_WAIT")
    conn.until("CLOSE")
    again = lab.client.connect(local=None if lab.variant == "other-port" else conn.local)
    lab.server.accept().send(b"again")
    again.recv()
