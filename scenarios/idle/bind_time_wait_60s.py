"""A server that closed first is restarted: without SO_REUSEADDR its port is taken for a minute, and then it is free.

TIME_WAIT lasts 60 s on Linux, a constant of the kernel (TCP_TIMEWAIT_LEN) that no setting changes, tcp_fin_timeout least of all. It
began when the peer's FIN came. The timer is one of the coarse ones, so it may be some seconds more.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

BEGIN = [Expected("listen"), Expected("accept"), Expected("close"), Expected("close")]
TAKEN = Expected("listen", "EADDRINUSE", syscall="bind")

SCENARIO = Scenario(
    title="TIME_WAIT blocks a restart for a minute",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.6.1",
    observe="server",
    virtual_only=True,
    expected=[*BEGIN, TAKEN, TAKEN, Expected("listen")],
    expected_in={"reuseaddr": [*BEGIN, Expected("listen")]},
    variants=["reuseaddr"],
    wire=["> S", "< SA", "> A", "< FA", "> FA", "< A"],
    never=["> R*", "< R*"],
    counters={"server TcpExtTW": 1},
    same_words={
        "bind-time-wait-restart": "nothing: that is its first second",
        "bind-addr-in-use": "ss -ltn: there a listener has the port",
    },
    production="a server that is restarted, and a start script that tries again for a minute",
    diagnose="ss -tano sport = :PORT shows timer:(timewait,…)",
    cure="SO_REUSEADDR before the first bind",
    hides="trying again for a minute",
)


def test_bind_time_wait_60s(lab: Lab) -> None:
    """Close first; listen at once, after 55 s, and when TIME_WAIT is over."""
    wanted = {"reuseaddr": lab.variant == "reuseaddr"}
    listener = lab.server.listen(options=wanted)
    conn = lab.client.connect()
    peer = lab.server.accept()
    peer.close()
    peer.until("FIN_WAIT2")  # the ACK of its FIN must not be overtaken by the FIN that follows
    conn.close()
    peer.until("TIME_WAIT")
    listener.close()
    lab.server.listen(options=wanted)
    if lab.variant != "reuseaddr":
        lab.pause(55)
        lab.server.listen(options=wanted)
        peer.until("CLOSE", seconds=15)
        lab.server.listen(options=wanted)
