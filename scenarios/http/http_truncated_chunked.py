"""The answer comes in chunks, and the connection is closed in the middle of one.

Each chunk says its length and the last one is empty, so the end is known without a Content-Length. A FIN before the empty chunk means
that the message is incomplete (RFC 9112, section 8).
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario
from faultlab.web import http

SCENARIO = Scenario(
    title="Chunked body without its end",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-7.1",
    kind="http",
    expected=[Expected("fetch", "TRUNCATED", during="chunk")],
    wire=["> S", "> PA", "< PA", "< FA"],
    never=["< R*", "> R*"],
    same_words={
        "http-truncated-length": "the head: Content-Length or Transfer-Encoding",
    },
    production="a generated page whose program died; a stream through a proxy that restarts",
    diagnose="curl -v; the missing line `0` at the end of the answer in tcpdump -A",
    cure="treat it as an error, although status and much of the body were there",
    hides="a server that ends the chunks properly also when it fails",
)


def test_http_truncated_chunked(lab: Lab) -> None:
    """Half a chunk, then close."""
    client, server = http(lab)
    asking = client.start()
    conn = server.must(asking)
    conn.answer_chunk("abc", length=6)
    server.close(conn)
    asking.result()
