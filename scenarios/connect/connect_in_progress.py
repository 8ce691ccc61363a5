"""A non-blocking socket connects, and every call says how far it is.

The first connect sends the SYN and does not wait: EINPROGRESS. While the answer is out another connect says EALREADY, and neither
writing nor reading can begin: EAGAIN. The first SYN is lost here, the second one gets through; then connect says ok, once, and
EISCONN ever after (__inet_stream_connect, with SS_CONNECTING in between).
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

BLACK_HOLE = FilterVerdict(at="server", match="-p tcp --dport 9000")
MEANWHILE = (("connect", "EINPROGRESS"), ("connect", "EALREADY"), ("send", "EAGAIN"), ("recv", "EAGAIN"))

SCENARIO = Scenario(
    title="A non-blocking connect in progress",
    spec="https://man7.org/linux/man-pages/man2/connect.2.html#ERRORS",
    expected=[
        Expected("socket"),
        *(Expected(op, errno, within=(0, 0.5), by_default=(0, 0.5), at_once=True) for op, errno in MEANWHILE),
        Expected("connect"),
        Expected("connect", "EISCONN", at_once=True),
    ],
    variants=["ipv6"],
    wire=["> S", "> S", "< SA", "> A"],
    never=["> R*", "< R*"],
    counters={"client TcpActiveOpens": 1},
    same_words={
        "unix-backlog-eagain": "strace: there the address is a path",
        "connect-eisconn": "the sequence: there nothing was in progress",
        "read-deadline": "the socket waits there, and time passes before the error",
    },
    production="event loops written by hand",
    diagnose="strace -e connect,poll,getsockopt",
    cure="wait until it is writable, then take SO_ERROR once",
    hides="calling connect in a loop",
)


def test_connect_in_progress(lab: Lab) -> None:
    """Connect without waiting, ask again, and again when the connection is there."""
    lab.server.listen()
    conn = lab.client.socket(nonblocking=True)
    with lab.fault(BLACK_HOLE):
        conn.connect()
        conn.connect()
        conn.send(b"early")
        conn.recv()
    lab.server.accept()
    conn.connect()
    conn.connect()
