"""The kernel has too many closed connections to look after, or no memory for what they have still to send, and breaks one off.

A closed socket whose data or FIN nobody has acknowledged is an orphan: the program has forgotten it, the kernel goes on. It does so for
tcp_max_orphans of them, and as long as all TCP sockets together stay below tcp_mem. Beyond that a close becomes a RST (tcp_check_oom in
__tcp_close, TCPAbortOnMemory): at once after the FIN, or, where much was left to be sent, in its place, and what was written is lost. Both
limits are the whole kernel's. The orphans are counted ten times a second (tcp_orphan_update).
"""

from faultlab.faults.kernel_limit import KernelLimit
from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

ORPHANS = KernelLimit(name="net.ipv4.tcp_max_orphans", value=0, says="too many orphaned sockets")
MEMORY = KernelLimit(name="net.ipv4.tcp_mem", value="1 1 1", says="out of memory -- consider tuning tcp_mem")
DEAF = FilterVerdict(at="client", match="-p tcp --sport 9000 ! --tcp-flags RST RST")

SCENARIO = Scenario(
    title="Too many orphans, or no memory for them",
    spec="https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html#tcp-variables",
    virtual_only=True,
    settings={"net.ipv4.tcp_wmem": "4096 4194304 4194304"},  # two megabytes fit
    expected=[*[Expected("connect")] * 2, Expected("recv", "eof"), Expected("send", "EPIPE")],
    expected_in={"memory": [Expected("connect"), Expected("recv", "ECONNRESET"), Expected("recv", "eof")]},
    variants=["memory"],
    wire=["> S", "< SA", "> A", "> S", "< SA", "> A", "< FA", "< FA", "< FA", "< RA"],
    wire_in={"memory": ["> S", "< SA", "> A", "< A", "< RA", "> A", "< R"]},
    never=["> R*"],
    never_in={"memory": ["> R*", "< F*"]},
    counters={"server TcpExtTCPAbortOnMemory": (1, 2), "client TcpEstabResets": 1},
    same_words=dict.fromkeys(("fin-then-rst", "read-reset"), "nstat TcpExtTCPAbortOnMemory at the peer, and its dmesg"),
    production="thousands of slow or vanished clients, large buffers; a peer that is being flooded",
    diagnose="dmesg; nstat TcpExtTCPAbortOnMemory; /proc/net/sockstat: orphan and mem",
    cure="smaller buffers, TCP_USER_TIMEOUT for what nobody acknowledges, more memory for TCP",
    hides="higher limits, until the memory is gone",
)


def test_tcp_mem_orphans(lab: Lab) -> None:
    """Close one connection while another is an orphan; or, with two megabytes unsent, while TCP has used up its memory."""
    conn, peer = lab.connected(half_open=True)
    if lab.variant == "memory":
        with lab.fault(DEAF):
            peer.send(size=2 << 20)
            with lab.fault(MEMORY):
                peer.close()
                conn.until("CLOSE")
        conn.recv()
        conn.recv()
        return
    lab.client.connect()
    orphan = lab.server.accept()
    with lab.fault(FilterVerdict(at="server", match=f"-p tcp --sport {(orphan.remote or ('', 0))[1]}")):
        orphan.close()
        lab.until_wire("< FA", times=3)  # it has been counted by then
        with lab.fault(ORPHANS):
            peer.close()
            conn.until("CLOSE")
    conn.recv()
    conn.send(b"more")
