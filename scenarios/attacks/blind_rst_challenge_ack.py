"""Somebody guesses a RST into the window, the kernel asks back, and the connection lives.

Once any number within the window was enough to end a connection. Now only the exact one is believed; for others tcp_validate_incoming
sends a challenge ACK (RFC 5961, 3.2). A peer that really has no connection any more answers that with a RST of the exact number, and is
believed then. What is outside of the window is thrown away in silence. Middleboxes that reset with a number that is nearly right are
answered the same way: nothing ends, and nothing more comes.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A guessed reset",
    spec="https://www.rfc-editor.org/rfc/rfc5961#section-3.2",
    expected=[Expected("connect"), Expected("recv", data="alive"), Expected("recv", "ECONNRESET")],
    variants=["ipv6", "outside"],
    wire=["> S", "< SA!", "> A", "< R!", "> A", "< PA!/5", "< R!"],
    wire_in={"outside": ["> S", "< SA!", "> A", "< R!", "< PA!/5", "< R!"]},
    never=["> R*"],
    counters={"client TcpExtTCPChallengeACK": 1, "client TcpEstabResets": 1},
    counters_in={"outside": {"client TcpExtTCPChallengeACK": 0}},
    same_words={"read-reset": "nstat TcpExtTCPChallengeACK: here a RST came before it that was not believed"},
    production="forged resets; firewalls that reset with a number they have not followed exactly",
    diagnose="nstat TcpExtTCPChallengeACK; tcpdump: RST, and an ACK that answers it",
    cure="nothing at the ends; middleboxes have to send the exact number",
    hides="net.ipv4.tcp_challenge_ack_limit",
)


def test_blind_rst_challenge_ack(lab: Lab) -> None:
    """A RST with a number that is not the next one, then data, then a RST with the right one."""
    with lab.scripted() as peer:
        conn, connecting = lab.client.start_connect()
        peer.expect("S")
        peer.send("SA")
        connecting.result()
        peer.expect("A")
        if lab.variant == "outside":
            peer.send("R", seq=-1000)
        else:
            peer.send("R", seq=1000)
            peer.expect("A")
        peer.send("PA", b"alive")
        conn.recv()
        peer.send("R")
        conn.recv()
