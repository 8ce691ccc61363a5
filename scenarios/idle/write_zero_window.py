"""The peer does not read for a day, and then it vanishes.

Its window is closed, so the kernel may send nothing but a probe now and then (tcp_probe_timer), after 0.2 s and at most every 120 s. As
long as the peer's kernel answers, the connection is alive and has to be kept (RFC 9293, 3.8.6.1): the write may block for ever, and no
retransmission limit applies. Only when probes go unanswered they are counted, up to tcp_retries2 again: at two minutes each that is
half an hour.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

GONE = FilterVerdict(at="server", match="-p tcp --dport 9000")
DAY = 86400.0
FIRST = "libuv reads before it writes, so the error is the read's: the event 'error' says read ETIMEDOUT"
TOLD = "the read's error has destroyed the stream, and then Node calls a pending write's callback without an error (onWriteComplete)"

SCENARIO = Scenario(
    title="A window that stays closed, then silence",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.8.6.1",
    virtual_only=True,
    expected=[
        Expected("connect"),
        Expected("send", "blocked", by_default=(DAY - 1, DAY + 1)),
        Expected("send", "ETIMEDOUT", by_default=(DAY + 15 * 120, DAY + 18 * 120)),
        Expected("recv", "eof"),
    ],
    deviations=[
        Deviation(runtime="node", step=3, sees="ok", note=TOLD),
        Deviation(runtime="node", step=4, sees="ETIMEDOUT", note=FIRST),
    ],
    wire=["> S", "< SA", "> A"],
    never=["< R*", "< F*", "> F*"],
    counters={"client TcpExtTCPWinProbe": (600, 900)},
    same_words={"write-unacked-timeout": "ss -tno: there timer:(on,…), here timer:(persist,…); the peer's Recv-Q is full"},
    production="a consumer that hangs: a stopped process, a full disk, a debugger",
    diagnose="ss -tno: timer:(persist,…); at the peer Recv-Q full; nstat TcpExtTCPWinProbe",
    cure="a write timer; TCP_USER_TIMEOUT, which limits answered probes too",
    hides="larger buffers",
)


def test_write_zero_window(lab: Lab) -> None:
    """Write more than both buffers hold, wait a day, and let the peer vanish."""
    conn, _ = lab.connected()
    writing = conn.start("send", size=32 << 20)
    writing.blocked(DAY)
    with lab.fault(GONE):
        writing.result()
        conn.recv()
