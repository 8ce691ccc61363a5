"""Address translation on the way (iptables' nat table): a host lends its own name to those behind it, as clients or as servers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from faultlab.errors import FaultNotObserved
from faultlab.testbed import Fault, Testbed

LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Masquerade:
    """A host gives its own address to every connection that leaves by one of its interfaces (iptables' MASQUERADE)."""

    at: str = "router"
    interface: str = "eth1"

    @contextmanager
    def applied(self, bed: Testbed) -> Iterator[Mapping[str, Any]]:
        """Put the rule in place; on exit its counter has to say that it translated something."""
        with _translating(self, bed, self.at, "POSTROUTING", f"-o {self.interface} -p tcp", "MASQUERADE") as evidence:
            yield evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A host takes connections at its own address and hands them on to a server behind it (iptables' DNAT)."""

    at: str = "router"
    server: str = "server"
    liberal: bool = False
    """Whether connection tracking takes also what is out of the window for the connection's own."""

    @contextmanager
    def applied(self, bed: Testbed) -> Iterator[Mapping[str, Any]]:
        """Put the rule in place; on exit its counter has to say that it translated something."""
        host, family = bed.host(self.at), bed.family
        match, target = f"-d {host.address(family)} -p tcp", f"DNAT --to-destination {bed.host(self.server).address(family)}"
        before = host.sysctl(LIBERAL, int(self.liberal))
        try:
            with _translating(self, bed, self.at, "PREROUTING", match, target) as evidence:
                yield evidence
        finally:
            host.sysctl(LIBERAL, before)


@contextmanager
def _translating(fault: Fault, bed: Testbed, at: str, chain: str, match: str, target: str) -> Iterator[dict[str, Any]]:
    host = bed.host(at)
    tool = "iptables" if bed.family == 4 else "ip6tables"
    rule = f"{chain} {match} -j {target}"
    evidence: dict[str, Any] = {"rule": rule}
    host.run(f"{tool}-restore", "--noflush", stdin=f"*nat\n-I {rule}\nCOMMIT\n")
    try:
        yield evidence
        saved = host.run(f"{tool}-save", "-c", "-t", "nat").stdout
        found = re.search(rf"^\[(\d+):\d+\] -A {chain} .*{target.partition(' ')[0]}", saved, re.MULTILINE)
        evidence["connections"] = int(found[1]) if found else 0
        if evidence["connections"] == 0:
            raise FaultNotObserved(fault, "its rule translated nothing")
    finally:
        host.run(f"{tool}-restore", "--noflush", stdin=f"*nat\n-D {rule}\nCOMMIT\n")
