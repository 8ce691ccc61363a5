"""An idle connection is reset, and the client has noticed before it asks again.

The kernel has handed ECONNRESET to whoever looked at the idle socket, or will when it is looked at; the library throws the connection
away and says nothing. The same RST in the middle of an exchange would be an error.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario
from faultlab.web import http

SCENARIO = Scenario(
    title="Idle connection reset in good time",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-9.3",
    kind="http",
    expected=[Expected("fetch", data="one"), Expected("fetch", data="two")],
    wire=["> S", "< PA", "< RA", "> S", "< PA"],
    counters={"server TcpPassiveOpens": 2},
    production="a load balancer that clears its table with RSTs; a server that restarts",
    diagnose="tcpdump: RST, then a second SYN before the next request",
    cure="nothing to cure: this is how it should be",
    hides="nothing",
)


def test_http_idle_rst(lab: Lab) -> None:
    """Answer, reset, let the client notice, answer again."""
    client, server = http(lab)
    conn = server.first(client)
    server.reset(conn)
    client.settled()
    asking = client.start()
    server.must(asking).answer("two")
    asking.result()
