"""The kernel's own account: whose an event is, from events made up here; and what the kernel really says, where it may be asked."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from faultlab import catalogue, ladder, record, tracepoints
from faultlab.account import account
from faultlab.backends.netns import Netns
from faultlab.backends.uml import Uml
from faultlab.errors import Unavailable
from faultlab.play import Play, Player, peer_runtime
from faultlab.tracepoints import Event, Symbols
from faultlab.wire import Packet

NAMES = {"198.51.100.1": "client", "198.51.100.2": "server"}
C, S, ELSE = ["198.51.100.1", 40001], ["198.51.100.2", 9000], ["198.51.100.2", 9999]


def event(what: str, t: float, **more: Any) -> dict[str, Any]:
    return {"what": what, "t": t, "cpu": 0, "program": "", "own": False, "call": False, **more}


def state(t: float, sk: str, local: list[Any], remote: list[Any], was: str, now: str, **more: Any) -> dict[str, Any]:
    return event("state", t, sk=sk, local=local, remote=remote, was=was, **{"is": now}, **more)


def captured(t: float, src: list[Any], dst: list[Any]) -> Packet:
    return Packet(
        t=t, at="client", interface="eth0", out=True, proto="tcp", src=src[0], dst=dst[0], sport=src[1], dport=dst[1], flags="S"
    )  # fmt: skip


def told(*events: dict[str, Any], packets: tuple[Packet, ...] = (), lost: int = 0, alone: bool = False) -> list[str]:
    evidence = account({"events": list(events), "lost": lost}, NAMES, packets, 0.0, alone=alone)
    play = {"kind": "play", "scenario": "x", "runtime": "c", "backend": "netns", "verdict": "match", "elapsed": 0.1}
    line = json.dumps({**play, "observations": [], "evidence": evidence, "differences": []})
    head = {"kind": "header", **record.header(["c"], ["netns"])}
    list(record.scan([json.dumps(head), line], "x", whole=False))  # fits the schema
    return [f"{e['at']} {ladder.spoken(e)}" for e in evidence["kernel"]] + ([f"lost {lost}"] if "kernel_lost" in evidence else [])


def test_a_socket_of_a_program_is_the_plays_and_one_of_somebody_else_is_not() -> None:
    ours = state(1, "a", C, S, "CLOSE", "SYN_SENT", own=True, call=True, program="client")
    theirs = state(1, "b", C, S, "CLOSE", "SYN_SENT", call=True)
    assert told(ours, theirs, state(2, "b", C, S, "SYN_SENT", "ESTABLISHED")) == ["client CLOSE → SYN_SENT"]
    assert told(ours, state(2, "a", C, S, "SYN_SENT", "ESTABLISHED"))[1:] == ["client SYN_SENT → ESTABLISHED"]


def test_what_no_program_calls_is_known_by_its_flow() -> None:
    child = state(2, "c", S, C, "LISTEN", "SYN_RECV")
    assert told(child) == []
    assert told(child, packets=(captured(1, C, S),)) == ["server LISTEN → SYN_RECV"]
    error = event("error", 2, local=C, remote=S, errno=104, path=["sk_error_report", "tcp_reset"])
    assert told(error) == [] and told(error, packets=(captured(1, C, S),)) == ["client hands the socket ECONNRESET"]
    assert told(error, packets=(captured(1, C, ELSE),)) == []


def test_a_dropped_packet_needs_a_reason_to_be_the_plays() -> None:
    way_in = ["nft_do_chain", "nf_hook_slow", "ip_local_deliver"]
    drop = event("drop", 1.0001, skb="1", reason="NETFILTER_DROP", where="nft_do_chain", path=way_in)
    packet = captured(1, C, S)
    assert told(drop, packets=(packet,)) == []  # somebody else's, for all that is known
    assert told({**drop, "own": True}, packets=(packet,)) == ["server drops it: NETFILTER_DROP in nft_do_chain"]
    assert told({**drop, "own": True}) == []  # no packet came here
    both = (packet, captured(1, S, C))
    assert told({**drop, "own": True}, packets=both) == [" drops it: NETFILTER_DROP in nft_do_chain"]  # at the same time, in virtual time
    assert told({**drop, "own": True, "path": ["packet_release"]}, packets=(packet,)) == []
    again = event("retransmit", 1.00015, sk="a", local=C, remote=S, **{"is": "SYN_SENT"})
    ours = state(0.5, "a", C, S, "CLOSE", "SYN_SENT", own=True, call=True)
    out = {**drop, "path": ["nft_do_chain", "nf_hook_slow", "__ip_local_out", 4711, "tcp_write_timer"]}
    assert told(ours, out, again)[1:] == ["client drops it: NETFILTER_DROP in nft_do_chain", "client sends again, in SYN_SENT"]
    assert told(ours, {**out, "cpu": 1}, again)[1:] == ["client sends again, in SYN_SENT"]


def test_a_reset_that_answers_a_packet_is_said_once() -> None:
    path = ["tcp_v4_send_reset", "tcp_v4_rcv", "irq_exit", "x"]
    sent = event("reset sent", 1.0001, skb="7", local=S, remote=C, reason="NO_SOCKET", path=path)
    drop = event("drop", 1.0002, skb="7", reason="NO_SOCKET", where="tcp_v4_rcv", path=["tcp_v4_rcv", "ip_rcv"])
    assert told(sent, drop, packets=(captured(1, C, S),)) == ["server sends RST: NO_SOCKET"]
    assert told(sent, {**drop, "reason": "TCP_FLAGS"}, packets=(captured(1, C, S),))[1:] == ["server drops it: TCP_FLAGS in tcp_v4_rcv"]
    kept = account({"events": [sent], "lost": 0}, NAMES, (captured(1, C, S),), 0.0, alone=False)["kernel"][0]
    assert kept["path"] == ["tcp_v4_send_reset", "tcp_v4_rcv"]  # beneath an interrupt is whoever was running


def test_bounded_and_said() -> None:
    many = [state(n, "a", C, S, "A", "B", own=True, call=True) for n in range(2000)]
    evidence = account({"events": many, "lost": 5}, NAMES, (), 0.0, alone=False)
    assert len(evidence["kernel"]) == 400 and evidence["kernel_lost"] == 1605


FORMAT = """name: tcp_send_reset
ID: 77
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;

\tfield:int state;\toffset:24;\tsize:4;\tsigned:1;
\tfield:enum sk_rst_reason reason;\toffset:28;\tsize:4;\tsigned:0;
\tfield:__u8 saddr[28];\toffset:32;\tsize:28;\tsigned:0;
\tfield:__u8 daddr[28];\toffset:60;\tsize:28;\tsigned:0;

print fmt: "state=%s", __print_symbolic(REC->state, { 1, "ONE" }), __print_symbolic(REC->reason, { 0, "NOT_SPECIFIED" }, { 1, "NO_SOCKET" })
"""


def test_an_event_is_read_as_its_format_says() -> None:
    found = Event("reset sent", "tcp/tcp_send_reset", FORMAT)
    assert found.number == 77 and found.reasons == {0: "NOT_SPECIFIED", 1: "NO_SOCKET"}
    four = bytes.fromhex("0200 2328 c6336402".replace(" ", "")) + bytes(20)
    mapped = bytes.fromhex("0a00 9c41 00000000".replace(" ", "")) + bytes(10) + b"\xff\xff" + bytes.fromhex("c6336401") + bytes(4)
    raw = bytes(28) + bytes([1, 0, 0, 0]) + four + mapped
    assert found.ends(raw) == (S, C) and found.number_in(raw, "reason") == 1 and found.number_in(raw, "no_such_field") == 0


def test_a_flood_of_others_events_takes_no_place_from_ours() -> None:
    fields = FORMAT.replace("int state;\toffset:24;\tsize:4", "void * skaddr;\toffset:8;\tsize:8")
    listening = tracepoints._Account({77: Event("state", "sock/inet_sock_set_state", fields)})

    def sample(n: int, pid: int, sk: int) -> tracepoints.Sample:
        return tracepoints.Sample(n, 0, pid, struct.pack("<HBBiQ", 77, 0, 0, 1, sk) + bytes(80))

    several = [sample(0, 5, 1000), *(sample(n, 0, n) for n in range(1, 900)), sample(900, 0, 1000), sample(901, 0, 1)]
    listening._take = lambda: iter(several)  # type: ignore[method-assign]
    listening.drain()
    assert [s.t for s in listening.samples] == [0, 900] and len(listening._others) == tracepoints.MAYBE and not listening.lost


def test_symbols(monkeypatch: pytest.MonkeyPatch) -> None:
    symbols = Symbols.__new__(Symbols)
    symbols._known = {}
    symbols._reader = threading.Thread()
    symbols._reader.start()
    lines = [f"{0x1000 + 16 * n:016x} T function_{n}\n" for n in range(5000)]
    symbols._text = "".join(lines).encode()
    for n in (0, 1, 7, 2500, 4998, 4999):
        assert symbols.name(0x1000 + 16 * n) == symbols.name(0x1000 + 16 * n + 15) == f"function_{n}"
    assert symbols.name(0xFFF) == ""


# ---- the real one ----------------------------------------------------------------------------------------------------------


def played(backend: Netns, scenario: str, **more: Any) -> Play:
    play, problem = Player(**more).play(catalogue.load()[scenario], peer_runtime(), backend)
    assert problem is None, problem
    return play


def speaking(play: Play) -> list[dict[str, Any]]:
    if play.evidence["kernel"] is None:
        pytest.skip(f"no account of the kernel's own: {play.evidence['kernel_silent']}")
    events: list[dict[str, Any]] = play.evidence["kernel"]
    return events


@pytest.fixture(scope="module")
def netns() -> Any:
    backend = Netns()
    try:
        backend.check()
    except Unavailable as e:
        pytest.skip(str(e))
    yield backend
    backend.close()


def test_the_kernel_says_who_and_why(netns: Netns) -> None:
    play = played(netns, "peer-close-unread-data")
    events = speaking(play)
    said = [f"{e['at']} {ladder.spoken(e)}" for e in events]
    assert "client takes the RST" in said and "client hands the socket ECONNRESET" in said
    sent = next(e for e in events if e["what"] == "reset sent")
    assert sent["at"] == "server" and sent.get("reason", "TCP_ABORT_ON_CLOSE") == "TCP_ABORT_ON_CLOSE"  # a reason since Linux 6.10
    ports = {s.sport for s in play.segments} | {s.dport for s in play.segments}
    assert {e["local"] for e in events if "local" in e} <= ports
    rst = next(s for s in play.segments if "R" in s.flags)
    assert abs(sent["t"] - rst.t) < 0.05  # one clock


def test_plays_at_the_same_time_are_told_apart(netns: Netns) -> None:
    """The same failure at the same time, on the same addresses: each has its own account and nothing of the other's."""
    speaking(played(netns, "connect-refused-rst"))
    found: list[Play] = []
    threads = [threading.Thread(target=lambda: found.append(played(netns, "connect-refused-rst"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    for play in found:
        ours = {port for s in play.segments for port in (s.sport, s.dport)}
        events = speaking(play)
        assert {e[end] for e in events for end in ("local", "remote") if e.get(end)} <= ours
        assert [e["reason"] for e in events if e["what"] == "reset sent"] == ["NO_SOCKET"]


def test_in_virtual_time_everybody_may_ask() -> None:
    backend = Uml()
    try:
        backend.check()
        player = Player()
        play, problem = player.play(catalogue.load()["peer-close-unread-data"], peer_runtime(), backend)
        assert problem is None, problem
        said = [f"{e['at']} {ladder.spoken(e)}" for e in speaking(play)]
        assert "client hands the socket ECONNRESET" in said and any(s.startswith("server sends RST") for s in said)
    except Unavailable as e:
        pytest.skip(str(e))
    finally:
        backend.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root has it to lose")
def test_an_ordinary_user_is_told_why_there_is_none(tmp_path: Path) -> None:
    code = "from faultlab import tracepoints; print(tracepoints.opened(alone=False, apart=True))"
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", sys.executable, "-c", code]
    path = str(Path(ladder.__file__).parents[1])
    done = subprocess.run(argv, capture_output=True, text=True, env={"PYTHONPATH": path, "PATH": os.defpath}, cwd="/", check=False)
    if done.returncode and "setpriv" in done.stderr:
        pytest.skip(done.stderr)
    assert "cannot be" in done.stdout, done


def test_it_can_be_left_out(netns: Netns) -> None:
    play = played(netns, "connect-refused-rst", account=False)
    assert play.evidence["kernel"] is None and play.evidence["kernel_silent"]
