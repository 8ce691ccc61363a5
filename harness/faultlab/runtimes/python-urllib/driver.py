"""The urllib driver: fetches what it is told to with urllib.request, as the documentation's first example does."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

from conversation import answered, body_of, converse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conversation import Fields, Stopwatch


def fetch(request: Fields, clock: Stopwatch) -> Fields:
    """urlopen() and read(); there is no session, each call makes a connection and asks for its end."""
    if "connect_deadline" in request:
        raise NotImplementedError("urlopen() has one timeout for everything")
    asked = urllib.request.Request(request["url"], data=body_of(request), method=request["method"])
    limit = {"timeout": request["deadline"]} if "deadline" in request else {}
    with clock, urllib.request.urlopen(asked, **limit) as response:
        body = response.read()
    return answered(response.status, body)


if __name__ == "__main__":
    converse("python-urllib", sys.version.split()[0], fetch)
