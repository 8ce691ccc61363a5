"""The path has died without a word, and a program that only reads waits for ever.

In ESTABLISHED, with nothing sent that would have to be acknowledged, no timer runs at all: the kernel has no reason to look whether
anybody is there. Thirty days later the read is still blocked. Only keepalive makes the kernel ask, and it is off unless the program, or
its language, switches it on. Go's net.Dialer does, with 15 s of silence, 15 s between probes and nine of them: 150 s.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

DEAF = FilterVerdict(at="client", match="-p tcp --sport 9000")
MONTH = 30 * 86400.0
DIALER = "net.Dialer switches keepalive on: 15 s of silence, then nine probes 15 s apart"

SCENARIO = Scenario(
    title="A read that never returns",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.8.4",
    virtual_only=True,
    expected=[Expected("connect"), Expected("recv", "blocked", by_default=(MONTH - 1, MONTH + 1))],
    deviations=[Deviation(runtime="go", step=2, sees="ETIMEDOUT", within=(150, 160), note=DIALER)],
    wire=["> S", "< SA", "> A"],
    wire_in={"go": ["> S", "< SA", "> A", *["> A"] * 9, "> RA"]},
    never=["> F*", "< F*", "< R*"],
    same_words={
        "paws-drop": "tcpdump: there segments come, and the same acknowledgement answers each",
        "established-icmp-soft-error": "the peer: there it answers when it is asked again",
        "fd-inherited-no-fin": "on the peer: ss -tnp shows the connection in a process that never used it",
    },
    production="a cable pulled, a NAT or firewall that forgot the connection; the reader is a subscriber, or waits for an answer",
    diagnose="ss -tno shows ESTAB and no timer, at one end only",
    cure="a read timer, keepalive with numbers that fit, or a heartbeat in the protocol",
    hides="restarting the program every night",
)


def test_read_hang_silent_peer(lab: Lab) -> None:
    """Read for a month; what the peer says then is lost, too."""
    conn, peer = lab.connected()
    with lab.fault(DEAF):
        reading = conn.start("recv")
        if reading.blocked(MONTH).symbol == "blocked":
            peer.send(b"hello")
            lab.until_wire("< PA/5")
