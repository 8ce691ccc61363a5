"""Address translation on the way: what comes from behind a host leaves it in that host's own name (iptables' MASQUERADE)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from faultlab.errors import FaultNotObserved
from faultlab.testbed import Testbed


@dataclass(frozen=True, slots=True, kw_only=True)
class Masquerade:
    """A host gives its own address to every connection that leaves by one of its interfaces."""

    at: str = "router"
    interface: str = "eth1"

    @contextmanager
    def applied(self, bed: Testbed) -> Iterator[Mapping[str, Any]]:
        """Put the rule in place; on exit its counter has to say that it translated something."""
        host = bed.host(self.at)
        tool = "iptables" if bed.family == 4 else "ip6tables"
        rule = f"POSTROUTING -o {self.interface} -p tcp -j MASQUERADE"
        evidence: dict[str, Any] = {"rule": rule}
        host.run(f"{tool}-restore", "--noflush", stdin=f"*nat\n-I {rule}\nCOMMIT\n")
        try:
            yield evidence
            saved = host.run(f"{tool}-save", "-c", "-t", "nat").stdout
            found = re.search(r"^\[(\d+):\d+\] -A POSTROUTING .*MASQUERADE", saved, re.MULTILINE)
            evidence["connections"] = int(found[1]) if found else 0
            if evidence["connections"] == 0:
                raise FaultNotObserved(self, "its rule translated nothing")
        finally:
            host.run(f"{tool}-restore", "--noflush", stdin=f"*nat\n-D {rule}\nCOMMIT\n")
