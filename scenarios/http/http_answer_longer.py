"""The answer is longer than it announced, and the client asks again.

The announced three bytes are the answer. What follows them would be taken for the beginning of the next answer (response splitting), unless
the client looks at the idle connection and throws it away because something came that nobody had asked for.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario
from faultlab.web import http

KEEPS = (
    "python-requests",
    "java-httpclient",
)  # what followed lay in a buffer that is thrown away with the answer; the connection is used again

SCENARIO = Scenario(
    title="Body longer than announced",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-6.3",
    kind="http",
    expected=[Expected("fetch", data="one"), Expected("fetch", data="two")],
    wire=["> S", "> PA", "< PA", "> S", "< PA"],
    counters={"server TcpPassiveOpens": 2},
    wire_in={r: ["> S", "> PA", "< PA", "> PA", "< PA"] for r in KEEPS},
    never_in={r: ["> F*", "> R*"] for r in KEEPS},
    counters_in={r: {"server TcpPassiveOpens": 1} for r in KEEPS},
    production="a wrong Content-Length after a change of encoding; an attack on a shared connection",
    diagnose="tcpdump -A: more bytes than Content-Length; who gets whose answer?",
    cure="mend the server; a client that throws such connections away",
    hides="no keep-alive",
)


def test_http_answer_longer(lab: Lab) -> None:
    """Answer with too much, let the client come to rest, answer the next request."""
    client, server = http(lab)
    asking = client.start()
    server.must(asking).answer("oneHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", length=3)
    asking.result()
    client.settled()
    asking = client.start()
    if conn := server.request(asking):
        conn.answer("two")
    asking.result()
