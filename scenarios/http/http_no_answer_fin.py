"""The server takes the request and closes without a word: a FIN where the answer was due.

Reading says end of stream, which is no error to the kernel; that an answer was due only HTTP knows. So each library makes up an error of
its own for it, and some of them call it a reset.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario
from faultlab.web import http

SCENARIO = Scenario(
    title="FIN instead of an answer",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-9.5",
    kind="http",
    expected=[Expected("fetch", "EOF_BEFORE_ANSWER")],
    wire=["> S", "< SA", "> PA", "< FA"],
    never=["< R*", "> R*"],
    wire_in={"java-httpclient": ["> S", "> PA", "< FA", "> S", "> PA", "< FA"]},  # it asks once more, also on a first connection
    same_words={
        "http-reuse-fin": "the wire: that connection had answered a request before",
        "http-head-cut": "the wire: half a head came before the FIN",
        "http-read-timeout": "the wire: whose FIN is the first; after a timeout it is the client's",
    },
    production="a worker that crashed while it worked; a proxy without a backend; HTTP spoken to a port of something else",
    diagnose="tcpdump: a FIN from the server after the request, and no RST: ECONNRESET in the program's log does not prove one",
    cure="find out why the server closed; repeat what may be repeated",
    hides="repeating every request, also those that were carried out",
)


def test_http_no_answer_fin(lab: Lab) -> None:
    """Take every request and close."""
    client, server = http(lab)
    asking = client.start()
    while conn := server.request(asking):
        server.close(conn)
    asking.result()
