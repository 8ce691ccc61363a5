"""The server refuses an upload with 413 before it has read it, and closes: the answer is there, and a RST behind it.

It closes with unread data in its socket, so its kernel resets (tcp_close, TcpExtTCPAbortOnClose). The answer came first and lies in the
client's receive queue, but a client that first sends everything and then reads is still writing, and its write is handed the ECONNRESET.
Who reads while writing has the 413. Here the RST waits until the client has done what it can; outside it is a race.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario
from faultlab.web import http

SCENARIO = Scenario(
    title="Early answer, then reset",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-9.6",
    kind="http",
    expected=[Expected("fetch", "ok", status=413)],
    wire=["> S", "< SA", "< PA", "< R*"],
    counters={"server TcpExtTCPAbortOnClose": 1},
    wire_in={"curl": ["> S", "< SA", "> PA", "< PA", "< R*"]},  # it has asked with Expect: 100-continue, and sent no body
    deviations=[
        Deviation(
            runtime="python-urllib",
            step=1,
            sees="ECONNRESET",
            words={"during": "request"},
            note="http.client sends all of it before it reads anything; the error of the write ends the exchange",
        ),
    ],
    same_words={
        "http-no-answer-rst": "the wire: no answer in front of the RST",
    },
    production="client_max_body_size; an expired login; a limit of the rate",
    diagnose="tcpdump: the 413 in front of the RST; the server's log says 413, the client's says reset",
    cure="at the server: answer, shut down writing, read to the end, then close; at the client: Expect: 100-continue",
    hides="repeating the upload",
)


def test_http_early_answer(lab: Lab) -> None:
    """Read ten bytes of the upload, answer, let the client come to rest, close."""
    client, server = http(lab)
    asking = client.start(method="POST", size=8 << 20)
    conn = server.accept()
    conn.recv(max=10)
    conn.answer("too big", status="413 Content Too Large")
    client.settled()
    conn.close()
    conn.far_end.until("CLOSE")
    asking.result()
