"""Nobody listens at the server's port.

The SYN is answered with a RST (tcp_v4_send_reset) and connect says ECONNREFUSED; the libraries wrap it, and some throw its number away.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario
from faultlab.web import http

SCENARIO = Scenario(
    title="Connection refused to an HTTP client",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.1",
    kind="http",
    expected=[Expected("fetch", "ECONNREFUSED", during="connect")],
    variants=["ipv6"],
    wire=["> S", "< RA"],
    never=["< SA"],
    wire_in={"java-httpclient": ["> S", "< RA", "> S", "< RA"]},  # it connects once more by itself
    production="the server is not started yet, or listens elsewhere",
    diagnose="ss -tln at the server; ladder of connect-refused-rst",
    cure="start it, name the right port; wait for readiness before sending traffic",
    hides="repeating until it is there",
)


def test_http_refused(lab: Lab) -> None:
    """Fetch from a port where nobody listens."""
    client, _ = http(lab)
    client.fetch(port=9001)
