"""The peer's last line has no newline, its FIN follows, and the line reader hands the line out all the same.

bufio.Scanner gives its split function what is left when the stream ends, and ScanLines takes that for a last line (bufio.ScanLines,
atEOF). After it there is nothing, and no error either: a Scanner does not call the end of a stream one. It does fail for a line above 64
KiB: bufio.Scanner: token too long.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Myth: no newline, no line",
    spec="https://pkg.go.dev/bufio#ScanLines",
    only=["go"],
    claim="A bufio.Scanner fails at once where the peer sends no newline.",
    judged="false",
    expected=[Expected("connect"), Expected("recv", data="last words"), Expected("recv", "eof")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "< PA/10", "< FA"],
    never=["> R*", "< R*"],
    production="a reader that waits for its newline: it is not the Scanner that fails, the line is not over yet",
    diagnose="tcpdump -X: is the newline there, is the FIN?",
    cure="end every message, and read with a deadline; scanner.Buffer for long lines",
    hides="reading byte by byte",
)


def test_myth_scanner_newline(lab: Lab) -> None:
    """The peer sends a line without a newline and closes; read two lines."""
    conn, peer = lab.connected()
    peer.send(b"last words")
    peer.close()
    conn.recv(line=True)
    conn.recv(line=True)
