"""A client gives up between the server's SYN-ACK and its own ACK, and the server's program never hears of it.

The connection is only a request then. A RST with the very sequence number that is expected ends it (tcp_check_req, embryonic_reset), and
accept goes on waiting: that is how a scan for open ports goes. One that is not exact is not believed: a challenge ACK answers it, and the
client can still complete the handshake (RFC 5961, section 3.2).
"""

from faultlab.lab import PORT, Handle, Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Reset before the handshake is complete",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4",
    observe="server",
    expected=[Expected("listen"), Expected("accept", "blocked")],
    expected_in={"inexact": [Expected("listen"), Expected("accept")]},
    variants=["ipv6", "inexact"],
    wire=["> S!", "< SA", "> R!"],
    wire_in={"inexact": ["> S!", "< SA", "> R!", "< A", "> A!"]},
    never=["< R*"],
    counters={"server TcpAttemptFails": 1, "server TcpExtEmbryonicRsts": 1},
    counters_in={"inexact": {"server TcpAttemptFails": 0, "server TcpExtEmbryonicRsts": 0}},
    same_words={"defer-accept": "the capture: there no RST comes, and the client is connected"},
    production="a port scan (nmap -sS); a load balancer that checks health with half a handshake",
    diagnose="nstat TcpAttemptFails TcpExtEmbryonicRsts on the server; the program's log has nothing",
    cure="nothing: the program is not concerned",
    hides="nothing does, it is hidden by itself",
)


def test_rst_in_syn_recv(lab: Lab) -> None:
    """Begin a handshake and reset it; or try to, with a number that is not exact, and complete it."""
    accepting = lab.server.listen().start("accept", **{"as": "nobody"})
    with lab.scripted(at="client") as peer:
        peer.send("S")
        peer.expect("SA")
        peer.send("R", seq=10 if lab.variant == "inexact" else 0)
        if lab.variant == "inexact":
            peer.expect("A")
            peer.send("A")
            accepting.result()
        else:
            request = Handle(lab.server, "", (lab.server.address, PORT), (lab.client.address, peer.local_port))
            request.until("CLOSE")
            accepting.blocked(0.2)
