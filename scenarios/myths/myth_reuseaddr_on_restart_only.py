"""A server that had no SO_REUSEADDR is restarted with it, and still cannot bind.

What blocks the port is the TIME_WAIT of a connection it served. bind lets a newcomer beside it only where both have the option
(inet_bind_conflict), and TIME_WAIT has what the old listener had (tw_reuse is copied in inet_twsk_alloc). A program with the option from
its first start never meets this. Nor has the option anything to do with resets: it is looked at by bind, and by nothing else.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SERVED = [Expected("listen"), Expected("accept"), Expected("close"), Expected("close")]

SCENARIO = Scenario(
    title="Myth: SO_REUSEADDR at the restart is enough",
    spec="https://man7.org/linux/man-pages/man7/socket.7.html#DESCRIPTION",
    observe="server",
    claim="Whoever meets 'address already in use' at a restart sets SO_REUSEADDR, restarts, and can bind.",
    judged="false",
    expected=[*SERVED, Expected("listen", "EADDRINUSE", syscall="bind")],
    expected_in={"from-the-start": [*SERVED, Expected("listen")]},
    variants=["ipv6", "from-the-start"],
    wire=["> S", "< SA", "> A", "< FA", "> FA", "< A"],
    never=["> R*", "< R*"],
    counters={"server TcpExtTW": 1},
    production="a fix that is rolled out, and seems not to work the first time",
    diagnose="ss -tan sport = :PORT shows time-wait, and no listener",
    cure="SO_REUSEADDR before the first bind; at the first roll-out a minute's patience",
    hides="another port",
)


def test_myth_reuseaddr_on_restart_only(lab: Lab) -> None:
    """Serve one connection and close first, without the option or with it; listen again, with it."""
    listener = lab.server.listen(options={"reuseaddr": lab.variant == "from-the-start"})
    conn = lab.client.connect()
    peer = lab.server.accept()
    peer.close()
    peer.until("FIN_WAIT2")  # the ACK of its FIN must not be overtaken by the FIN that follows
    conn.close()
    peer.until("TIME_WAIT")
    listener.close()
    lab.server.listen(options={"reuseaddr": True})
