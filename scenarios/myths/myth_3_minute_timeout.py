"""Nobody answers the SYN, and a dial without a timer ends when the kernel gives up, which is not after three minutes.

Package net has no timer of its own for a dial: net.Dial waits as long as connect does, and how long that is is the kernel's
(tcp_syn_retries). Linux's default of six retries makes 131 s and more (127 s before 6.5); one retry, as here, makes three. Other systems
have other numbers, said to be 75 s for BSD and 21 s for Windows.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Myth: Go's TCP timeout is three minutes",
    spec="https://pkg.go.dev/net#Dialer",
    only=["go"],
    shortened={"net.ipv4.tcp_syn_retries": 1},
    claim="A TCP connection of a Go program times out after three minutes.",
    judged="false",
    expected=[Expected("connect", "ETIMEDOUT", within=(2.9, 4.0), by_default=(126, 145))],
    wire=["> S", "> S"],
    never=["< *"],
    counters={"client TcpExtTCPTimeouts": (2, 11)},
    production="a program without a timer, that hangs for two minutes",
    diagnose="sysctl net.ipv4.tcp_syn_retries; ss -to state syn-sent",
    cure="Dialer.Timeout, or a context",
    hides="a smaller tcp_syn_retries, for the whole host",
)


def test_myth_3_minute_timeout(lab: Lab) -> None:
    """Dial into a black hole, without a timer."""
    with lab.fault(FilterVerdict(at="server", match="-p tcp --dport 9000")):
        lab.client.connect()
