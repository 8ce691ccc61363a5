"""Verdicts of the packet filter: iptables, driven by iptables-restore, one call a change.

`iptables-restore` replaces a table at one stroke (iptables-restore(8)). Each rule of the lab has a chain of its own, so that its
counters are its own and undoing it is removing the chain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from faultlab.errors import FaultNotObserved
from faultlab.testbed import Testbed


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterVerdict:
    """A packet filter at a host does something to the packets that match."""

    at: str = "server"
    chain: str = "INPUT"
    target: str = "DROP"
    """DROP, or REJECT with its type: `REJECT --reject-with tcp-reset`."""
    match: str = "-p tcp"
    """What it matches, in iptables' own words."""
    family: int | None = None
    """4 or 6 where it is not the play's own."""
    may_idle: bool = False
    """Whether it may match nothing: it depends on the program whether it goes that way at all."""

    @contextmanager
    def applied(self, bed: Testbed) -> Iterator[Mapping[str, Any]]:
        """Put the rule first in its chain; on exit its counters have to say that it matched something."""
        host = bed.host(self.at)
        tool = "iptables" if (self.family or bed.family) == 4 else "ip6tables"
        evidence: dict[str, Any] = {"rule": f"{self.chain} {self.match} -j {self.target}"}
        host.run(
            f"{tool}-restore", "--noflush", stdin=self._table("-I", ":faultlab - [0:0]\n", f"-A faultlab {self.match} -j {self.target}\n")
        )
        try:
            yield evidence
            evidence["packets"] = self._packets(host.run(f"{tool}-save", "-c", "-t", "filter").stdout)
            if evidence["packets"] == 0 and not self.may_idle:
                raise FaultNotObserved(self, "its rule matched no packet")
        finally:
            host.run(f"{tool}-restore", "--noflush", stdin=self._table("-D", "", "-F faultlab\n-X faultlab\n"))

    def _table(self, verb: str, before: str, after: str) -> str:
        jump = f"{verb} {self.chain} {self.match} -j faultlab\n"
        return "*filter\n" + before + jump + after + "COMMIT\n"

    @staticmethod
    def _packets(saved: str) -> int:
        found = re.search(r"^\[(\d+):\d+\] -A faultlab ", saved, re.MULTILINE)
        return int(found[1]) if found else 0
