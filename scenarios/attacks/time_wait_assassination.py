"""A RST reaches a socket in TIME_WAIT, and the waiting is over at once.

TIME_WAIT lasts a minute, which nobody can change, so that stragglers find someone who knows them. A RST with the right number ends it
(tcp_timewait_state_process; RFC 1337 calls that assassination): from then on a new connection on the same ports may get the old one's
data. With net.ipv4.tcp_rfc1337 the RST is ignored. The program has closed and sees nothing.
"""

from faultlab.faults.forged import ForgedReset
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A reset ends TIME_WAIT",
    spec="https://www.rfc-editor.org/rfc/rfc1337#section-1",
    expected=[Expected("connect"), Expected("close")],
    variants=["ipv6", "protected"],
    wire=["> S", "< SA", "> A", "> FA", "< FA", "> A", "< RA!"],
    never=["> R*"],
    production="old duplicate resets; scanners; a peer that resets what it has closed",
    diagnose="ss -tan state time-wait: it is gone before its minute is over",
    cure="net.ipv4.tcp_rfc1337=1",
    hides="nothing: the program sees none of it",
)


def test_time_wait_assassination(lab: Lab) -> None:
    """Close first; a RST comes in TIME_WAIT."""
    protected = lab.variant == "protected"
    lab.client.host.sysctl("net.ipv4.tcp_rfc1337", int(protected))
    conn, peer = lab.connected()
    conn.close()
    peer.recv()
    conn.until("FIN_WAIT2")  # the ACK of its FIN must not be overtaken by the FIN that follows
    peer.close()
    conn.until("TIME_WAIT")
    with lab.fault(ForgedReset(to="client")):
        lab.until_wire("< RA!")
        conn.until("TIME_WAIT" if protected else "CLOSE")
