"""The server takes the request and resets instead of answering.

tcp_reset notes ECONNRESET, and the read that waits for the answer is handed it. Here the truth is the kernel's; libraries wrap it, once
or several times.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario
from faultlab.web import http

SCENARIO = Scenario(
    title="RST instead of an answer",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-9.5",
    kind="http",
    expected=[Expected("fetch", "ECONNRESET")],
    wire=["> S", "< SA", "> PA", "< RA"],
    never=["< F*", "> R*"],
    wire_in={"java-httpclient": ["> S", "> PA", "< RA", "> S", "> PA", "< RA"]},  # it asks once more, also on a first connection
    same_words={
        "http-reuse-race": "the wire: the server's FIN is in front of the request, and the connection had been used before",
        "http-early-answer": "the wire: an answer lies between the request and the RST",
        "http-until-close-rst": "whether a status had come",
    },
    production="a server that is killed with data unread; a load balancer whose backend went away; a firewall",
    diagnose="tcpdump: the RST; nstat TcpOutRsts at the server says whether it was its kernel's",
    cure="find out who sent the RST; repeat what may be repeated",
    hides="repeating every request, also those that were carried out",
)


def test_http_no_answer_rst(lab: Lab) -> None:
    """Take every request and reset."""
    client, server = http(lab)
    asking = client.start()
    while conn := server.request(asking):
        server.reset(conn)
    asking.result()
