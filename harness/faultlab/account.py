"""The kernel's own account of a play, made of what its tracepoints said: whose it is, at which host, on the play's clock. Pure.

Tracepoints name no network namespace. A socket is the play's if one of its programs was in a system call when something happened to it, and
another's if somebody else was; what is nobody's call (a packet that arrives, a timer) is told by its addresses and ports, which have to be
those of a socket of the play or of a packet that was captured. A packet that was thrown away has no addresses: it is the play's if one of
its programs was in a system call that led there, if it met one of its sockets, or if one of its resets or retransmissions belongs to it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from faultlab.errnos import name_of
from faultlab.wire import Packet

MOST = 400
"""Events that a play's evidence keeps."""
LONG = 10
"""Functions of a path that are kept: further out there is nothing that belongs to the event."""
ROUTINE = re.compile(
    r"(__)?(netif_|napi_|net_rx|netdev|process_backlog|handle_softirqs|do_softirq|local_bh|dev_queue|dev_hard|ip6?_finish|ip6?_output"
    r"|ip6?_protocol_deliver|ip6?_local_deliver|ip6?_rcv|ip6?_queue_xmit|ip6_xmit|ip6_input|ip_local_out|do_syscall|entry_|ret_from|asm_|sysvec"
    r"|irq_exit|run_ksoftirqd|smpboot|kthread|fput|task_work|worker|process_one|sock_sendmsg|sys_send|call_timer|run_timer|sk_skb_reason"
    r"|kfree_skb|exit_to|resume_user|syscall_exit|x64_sys_call|sock_close|sys_connect|inet_stream_connect|neigh_resolve_output|neigh_event_send|release_sock|lock_sock|do_fault|new_sync|vfs_|ksys|veth_|nf_hook)"
)  # fmt: skip
"""Functions that every packet goes through, or every system call."""
CALL = re.compile(r"__(?:x64|arm64|riscv|s390x|se|ia32)_sys_(\w+)")
IN = re.compile(r"(__)?(netif_receive|ip6?_rcv|ip6?_input|ip6?_local_deliver|ip6?_protocol_deliver|process_backlog)")
OUT = re.compile(r"(__)?(ip6?_local_out|ip6?_queue_xmit|ip6_xmit|ip6?_output|ip6?_build|tcp_transmit_skb|ip_send|icmp)")
NOT_SENT = ("packet_release", "mld_", "ndisc", "netlink_", "inet_rtm")
"""Where captures end, neighbours are looked for, and questions to the kernel itself are answered."""
NEAR = 0.0002
"""Seconds between a retransmission and what becomes of it on the same processor."""
SOON = 0.005
"""Seconds between the capture of a packet and its being thrown away, on a machine that has something else to do."""


def account(
    told: Mapping[str, Any], names: Mapping[str, str], packets: Sequence[Packet], start: float, *, alone: bool,
    function: Callable[[int], str] = str,
) -> dict[str, Any]:  # fmt: skip
    """The evidence.

    `names` are hosts by address, `packets` were captured; `alone`: nothing else happens in that kernel; `function` knows the kernel's
    functions by address, where the agent left that to us.
    """
    events = [_named(e, function) for e in told["events"]]
    known = {frozenset(((p.src, p.sport), (p.dst, p.dport))) for p in packets if p.proto in ("tcp", "udp")}
    socks = _sockets(events, names, known, alone)
    ours = [e for e in events if e["what"] != "drop" and _is_ours(e, names, socks, known, alone)]
    answered = {e["skb"]: e for e in ours if e["what"] == "reset sent" and "skb" in e}
    arrived = sorted((p.t, names.get(p.dst, p.at)) for p in packets)
    for e in events:
        reset = answered.get(e.get("skb"))  # before Linux 6.10 it does not say why
        if e["what"] == "drop" and not _noise(e) and not (reset and reset.get("reason", e.get("reason")) == e.get("reason")):
            within = 10 * NEAR if any("retransmit" in name for name in e.get("path", ())) else NEAR
            near = [o for o in ours if o["what"] == "retransmit" and o["cpu"] == e["cpu"] and abs(o["t"] - e["t"]) < within]
            if near and _leaves(e):
                ours.append({**e, "program": names.get(near[0]["local"][0], "")})
            elif (alone or near or e.get("sk") in socks or e.get("skb") in answered or e["own"]) and (_leaves(e) or _came(e, arrived)):
                ours.append(e)
    ours.sort(key=lambda e: float(e["t"]))
    kept = [_entry(e, names, socks, start, arrived) for e in ours[:MOST] if e["what"] != "state" or e["was"] != e["is"]]
    more = told["lost"] + max(0, len(ours) - MOST)
    return {"kernel": kept, **({"kernel_lost": more} if more else {})}


def _named(e: Mapping[str, Any], function: Callable[[int], str]) -> Mapping[str, Any]:
    """The event with functions for addresses; what an interrupt left to do is nothing of the program's that happened to be running."""
    if not e.get("path") and "where" not in e:
        return e
    path = [name for a in e.get("path", ()) if (name := function(a) if isinstance(a, int) else a)]
    where = e.get("where", "")
    mine = {} if not any("irq_exit" in name for name in path) else {"own": False, "program": ""}
    return {**e, "path": path, "where": function(where) if isinstance(where, int) else where, **mine}


def _leaves(e: Mapping[str, Any]) -> bool:
    """Whether a packet was thrown away on its way out."""
    return next((bool(OUT.match(name)) for name in e.get("path", ()) if OUT.match(name) or IN.match(name)), bool(e["call"]))


def _came(e: Mapping[str, Any], arrived: Sequence[tuple[float, str]]) -> set[str]:
    """The hosts for which a packet was captured just before: several where the clock shows no order, none where none came."""
    before = bisect_right(arrived, (e["t"] + 1e-6, "~"))
    if not before or e["t"] - arrived[before - 1][0] > SOON:
        return set()
    return {host for t, host in arrived[max(0, before - 8) : before] if arrived[before - 1][0] - t < 1e-6}


def _sockets(
    events: Sequence[Mapping[str, Any]], names: Mapping[str, str], known: set[frozenset[tuple[str, int]]], alone: bool
) -> dict[str, dict[str, Any]]:
    """The play's sockets by their place in memory, with host and ends; `known` flows become those of these, too."""
    socks: dict[str, dict[str, Any]] = {}
    others: set[str] = set()
    for e in events:
        if e["what"] == "drop" or "sk" not in e or "local" not in e:
            continue
        if (e["own"] and e["call"]) or alone:
            s = socks.setdefault(e["sk"], {"host": "", "local": 0, "remote": 0})
            s["host"] = names.get(e["local"][0]) or s["host"] or e["program"]
            if e["local"][1] and e["remote"][1]:
                known.add(frozenset((tuple(e["local"]), tuple(e["remote"]))))
        elif e["call"] and e["what"] == "state":
            others.add(e["sk"])
    for e in events:
        sk = e.get("sk")
        if sk is None or "local" not in e or sk in others - socks.keys():
            continue
        if sk not in socks and e["local"][0] in names and frozenset((tuple(e["local"]), tuple(e["remote"]))) in known:
            socks[sk] = {"host": names[e["local"][0]], "local": 0, "remote": 0}
        if sk in socks:
            socks[sk]["local"] = e["local"][1] or socks[sk]["local"]
            socks[sk]["remote"] = e["remote"][1] or socks[sk]["remote"]
    return socks


def _is_ours(
    e: Mapping[str, Any], names: Mapping[str, str], socks: Mapping[str, Any], known: set[frozenset[tuple[str, int]]], alone: bool
) -> bool:
    if e.get("sk") in socks:
        return True
    if "sk" in e and e["what"] != "reset sent":
        return False  # a socket that is another's, or not known to be the play's
    local, remote = tuple(e["local"]), tuple(e["remote"])
    return frozenset((local, remote)) in known or (alone and local[0] in names)


def _noise(e: Mapping[str, Any]) -> bool:
    """A packet that is let go because it has done its work, or that is none of a program's."""
    if any(name.startswith(NOT_SENT) for name in (e.get("where", ""), *e.get("path", ()))):
        return True
    unsaid = e.get("reason", "NOT_SPECIFIED") in ("NOT_SPECIFIED", "0", "1", "2")
    return unsaid and e.get("where", "").startswith(("tcp_v4_rcv", "tcp_v6_rcv", "tcp_rcv_", "ip6_mc_input"))


def _entry(
    e: Mapping[str, Any], names: Mapping[str, str], socks: Mapping[str, Any], start: float, arrived: Sequence[tuple[float, str]]
) -> dict[str, Any]:
    sock = socks.get(e.get("sk", ""))
    found: dict[str, Any] = {"t": round(max(0.0, e["t"] - start), 6), "at": _host(e, names, sock, arrived), "what": e["what"]}
    if "local" in e:
        local, remote = e["local"][1] or (sock or {}).get("local", 0), e["remote"][1] or (sock or {}).get("remote", 0)
        found |= {"local": local} | ({"remote": remote} if remote else {})
    found |= {name: e[name] for name in ("was", "is", "reason") if name in e}
    if "errno" in e:
        found["errno"] = name_of(e["errno"]) or "0"
    if e.get("where"):
        found["where"] = _function(e["where"])
    if path := _path(e.get("path", ())):
        found["path"] = path[:LONG]
    return found


def _host(e: Mapping[str, Any], names: Mapping[str, str], sock: Mapping[str, Any] | None, arrived: Sequence[tuple[float, str]]) -> str:
    """Where it happened; empty where nothing tells."""
    if "local" in e and e["local"][0] in names:
        return names[e["local"][0]]
    if sock is not None:
        return str(sock["host"])
    if _leaves(e):
        return str(e["program"])
    hosts = _came(e, arrived)
    return hosts.pop() if len(hosts) == 1 else ""


def _path(path: Sequence[str]) -> list[str]:
    """The functions that led there, innermost first, without those that lead everywhere."""
    found: list[str] = []
    for name in path:
        if "irq_exit" in name:  # beneath it is whoever was running by chance
            break
        name = _function(name)
        if not ROUTINE.match(name) and name not in found[-1:]:
            found.append(name)
        if name.endswith("(2)"):
            break
    return found


def _function(name: str) -> str:
    call = CALL.fullmatch(name.partition(".")[0])
    return f"{call[1]}(2)" if call else name.partition(".")[0]
