"""The kernel's tracepoints, read where the agent is: what the kernel itself says it did, and the functions that led there.

On a machine's own kernel by perf_event_open(2): descriptors, so nothing is left of it when the agent dies, however it dies, and no setting
of the machine is touched (an instance in tracefs would outlive its maker). Of tracefs only the events' numbers and fields are read. A
user-mode kernel has no perf events, but it is the agent's alone: there the trace buffer is used.

Both give the same binary records, which the events' own `format` files say how to read; a field that a kernel lacks is left out.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import ipaddress
import mmap
import os
import platform
import re
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from faultlab.tcp_states import state_name

TRACEFS = "/sys/kernel/tracing"
EVENTS = {
    "sock/inet_sock_set_state": "state",
    "sock/inet_sk_error_report": "error",
    "tcp/tcp_send_reset": "reset sent",
    "tcp/tcp_receive_reset": "reset received",
    "tcp/tcp_retransmit_skb": "retransmit",
    "skb/kfree_skb": "drop",
}
FILTERS = {"state": "protocol == 6", "error": "protocol == 6 || protocol == 17", "drop": "(protocol == 0x800 || protocol == 0x86dd)"}
"""What the kernel need not tell at all: whoever listens costs everybody who sends."""
WITH_PATH = ("error", "reset sent", "drop")
PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "ppc64le": 319, "s390x": 331}
SAMPLE = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 7 | 1 << 10  # PERF_SAMPLE_TID, TIME, CALLCHAIN, CPU, RAW; they come as TID, TIME, CPU, …
FLAGS = 1 << 14 | 1 << 22 | 1 << 25  # watermark, exclude_callchain_user, use_clockid
DISABLED, NO_KERNEL_CHAIN = 1, 1 << 21
ENABLE, DISABLE = 0x2400, 0x2401  # PERF_EVENT_IOC_*
RECORD_LOST, RECORD_SAMPLE = 2, 9
SET_OUTPUT, SET_FILTER = 0x2405, 0x40082406
PAGE, PAGES = mmap.PAGESIZE, 32
"""Of a processor's ring; half full, it wakes the agent."""
DEPTH = 48
NO_ADDRESS = (1 << 64) - 4096
"""From here on a number in a call chain is a mark (PERF_CONTEXT_MAX)."""
IN_INTERRUPT = 0x18  # TRACE_FLAG_HARDIRQ, TRACE_FLAG_SOFTIRQ: the running program has nothing to do with it
MOST, MAYBE = 2000, 300
"""Events that are kept: of a play, far more than any has; and the last ones that nothing yet shows to be its."""

libc = ctypes.CDLL(None, use_errno=True)


def opened(alone: bool, apart: bool) -> Perf | Buffer | str:
    """What tells the kernel's account here, or why nothing does.

    `alone`: nobody else uses this kernel; `apart`: nobody else sees what is mounted here.
    """
    mounted = not os.path.isdir(f"{TRACEFS}/events")
    if mounted and not apart:
        return "tracefs is not mounted"
    if mounted and libc.mount(b"tracefs", TRACEFS.encode(), b"tracefs", 14, None):  # MS_NOSUID | MS_NODEV | MS_NOEXEC
        return f"tracefs cannot be mounted ({os.strerror(ctypes.get_errno())}): only root can, and not in every container"
    try:
        events = {}
        for path, what in EVENTS.items():
            with contextlib.suppress(FileNotFoundError), open(f"{TRACEFS}/events/{path}/format", encoding="ascii") as f:
                event = Event(what, path, f.read())
                events[event.number] = event
        if not events:
            return "this kernel has none of the tracepoints (CONFIG_FTRACE)"
        if alone:
            mounted = False  # its buffer is read there
        return Buffer(events) if alone else Perf(events)
    except OSError as e:
        return f"its tracepoints cannot be read: {e}"
    finally:
        if mounted:
            libc.umount2(TRACEFS.encode(), 2)


class Event:
    """A tracepoint: its number, its fields, and the names of its numbers."""

    def __init__(self, what: str, path: str, text: str) -> None:
        self.what, self.path = what, path
        number = re.search(r"^ID: (\d+)$", text, re.M)
        assert number is not None, text
        self.number = int(number[1])
        self.fields: dict[str, tuple[int, int]] = {}
        for name, offset, size in re.findall(r"field:[^;]*?(\w+)(?:\[\d+\])?;\s*offset:(\d+);\s*size:(\d+);", text):
            self.fields[name] = int(offset), int(size)
        self.reasons = {int(n): name for n, name in re.findall(r'\{ (\d+), "(\w+)" \}', text.partition("REC->reason,")[2])}

    @property
    def filter(self) -> str:
        """What to ask of the kernel; a drop without a reason says only that somebody is done with a packet."""
        unsaid = next((n for n, name in self.reasons.items() if name == "NOT_SPECIFIED"), None)
        wanted = FILTERS.get(self.what, "")
        return wanted + (f" && reason != {unsaid}" if self.what == "drop" and unsaid is not None else "")

    def raw(self, record: bytes, name: str) -> bytes:
        """A field's bytes; none where the kernel has no such field."""
        offset, size = self.fields.get(name, (0, 0))
        return record[offset : offset + size]

    def number_in(self, record: bytes, name: str) -> int:
        """A field as a number."""
        return int.from_bytes(self.raw(record, name), "little")

    def ends(self, record: bytes) -> tuple[list[Any], list[Any]] | None:
        """Local and remote address and port, of whoever it is about."""
        saddr, daddr = self.raw(record, "saddr"), self.raw(record, "daddr")
        if not saddr:
            return None
        if len(saddr) > 16:  # a sockaddr
            return _endpoint(saddr), _endpoint(daddr)
        if self.number_in(record, "family") == 10:
            saddr, daddr = self.raw(record, "saddr_v6"), self.raw(record, "daddr_v6")
        return [_address(saddr), self.number_in(record, "sport")], [_address(daddr), self.number_in(record, "dport")]


def _endpoint(address: bytes) -> list[Any]:
    family, port = struct.unpack_from("<H", address)[0], struct.unpack_from(">H", address, 2)[0]
    return [_address(address[8:24] if family == 10 else address[4:8]), port]


def _address(raw: bytes) -> str:
    if len(raw) == 16 and raw[:12] == bytes(10) + b"\xff\xff":  # IPv4 through an IPv6 socket
        raw = raw[12:]
    return str(ipaddress.ip_address(raw))


@dataclass(frozen=True, slots=True)
class Sample:
    """One record with its circumstances."""

    t: int
    """Nanoseconds of CLOCK_MONOTONIC."""
    cpu: int
    pid: int
    """Of the program that was running, in the agent's own process namespace; 0 is anybody else."""
    raw: bytes
    chain: tuple[int, ...] = ()


class Symbols:
    """The kernel's functions by address. The kernel writes its list anew each time, for a tenth of a second: it is read once."""

    def __init__(self) -> None:
        self._text = b""
        self._known: dict[int, str] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError), open("/proc/kallsyms", "rb") as f:
            text = f.read()
            own = text.find(b"\t[")  # those of modules come after the kernel's own, in an order of their own
            text = text if own < 0 else text[: text.rfind(b"\n", 0, own) + 1]
            if not text.endswith(b"\n") or int(text[text.rfind(b"\n", 0, -1) + 1 :][:16], 16):  # kptr_restrict: all are zero
                self._text = text

    def name(self, address: int) -> str:
        """The function at an address; empty where that is not told."""
        if address not in self._known:
            self._reader.join()
            self._known[address] = self._found(address)
        return self._known[address]

    def _found(self, address: int) -> str:
        low, high, text = 0, len(self._text), self._text
        while high - low > 400:
            middle = text.find(b"\n", (low + high) // 2) + 1
            if middle >= high:
                break
            if int(text[middle : middle + 16], 16) <= address:
                low = middle
            else:
                high = middle
        best = ""
        for line in text[low : text.find(b"\n", high)].splitlines():
            if int(line[:16], 16) > address:
                break
            best = line[19:].decode("ascii", "replace") if line[17:18] in b"tTwW" else best
        return best


@cache
def symbols() -> Symbols:
    """Those of the kernel that this process runs on."""
    return Symbols()


class _Account:
    """What both ways have in common: from a play's beginning to its end."""

    def __init__(self, events: Mapping[int, Event]) -> None:
        self.events = events
        self.symbols: Symbols | None = None
        """Where it is not the harness's own kernel: that reads its list of functions once for all its agents."""
        self.lost = 0
        self.samples: list[Sample] = []
        self._others: deque[Sample] = deque(maxlen=MAYBE)
        self._socks: set[bytes] = set()
        self._ports: set[bytes] = set()

    def _take(self) -> Iterator[Sample]:
        raise NotImplementedError

    def listen(self, on: bool) -> None:
        """Have the kernel tell, or not."""

    def begin(self) -> None:
        """Forget what was before, and listen."""
        self.listen(True)
        for _ in self._take():
            pass
        self._forget()
        self.lost = 0

    def _forget(self) -> None:
        for kept in (self.samples, self._others, self._socks, self._ports):
            kept.clear()

    def _likely(self, sample: Sample) -> bool:
        """Whether it is the play's by what is known so far: a program of it, one of its sockets, or its ports.

        Everybody's events come here, with many plays at a time more than anybody could keep; who they belong to is found out in the end.
        """
        event, raw = self.events[struct.unpack_from("<H", sample.raw)[0]], sample.raw
        sk = event.raw(raw, "skaddr") or event.raw(raw, "rx_sk")
        sport, dport = event.raw(raw, "sport"), event.raw(raw, "dport")
        if sample.pid > 0 or sk in self._socks or sport + dport in self._ports:
            if any(sk) and (sk in self._socks or not raw[2] & IN_INTERRUPT):
                self._socks.add(sk)
            if any(sport) and any(dport):
                self._ports |= {sport + dport, dport + sport}
            return True
        return False

    def drain(self) -> None:
        """Make room in the kernel's buffers."""
        for sample in self._take():
            if not self._likely(sample):
                self._others.append(sample)
            elif len(self.samples) < MOST:
                self.samples.append(sample)
            else:
                self.lost += 1

    def told(self, host_of: Callable[[int], str]) -> dict[str, Any]:
        """Everything since the beginning, in order; `host_of` knows the host of a program."""
        self.listen(False)
        self.drain()
        offset = time.time_ns() - time.monotonic_ns()
        found = [self._event(s, offset, host_of) for s in sorted([*self.samples, *self._others], key=lambda s: s.t)]
        self._forget()
        return {"events": found, "lost": self.lost}

    def _event(self, sample: Sample, offset: int, host_of: Callable[[int], str]) -> dict[str, Any]:
        event, raw = self.events[struct.unpack_from("<H", sample.raw)[0]], sample.raw
        found: dict[str, Any] = {
            "what": event.what,
            "t": (sample.t + offset) / 1e9,
            "cpu": sample.cpu,
            "program": host_of(sample.pid) if sample.pid > 0 else "",
            "own": sample.pid > 0,
            "call": not raw[2] & IN_INTERRUPT,
        }
        for key, name in (("sk", "skaddr"), ("sk", "rx_sk"), ("skb", "skbaddr")):
            if number := event.number_in(raw, name):
                found[key] = f"{number:x}"
        if ends := event.ends(raw):
            found["local"], found["remote"] = ends
        match event.what:
            case "state":
                found |= {"was": state_name(event.number_in(raw, "oldstate")), "is": state_name(event.number_in(raw, "newstate"))}
            case "error":
                found["errno"] = event.number_in(raw, "error")
            case "retransmit":
                found["is"] = state_name(event.number_in(raw, "state"))
        if "reason" in event.fields:
            number = event.number_in(raw, "reason")
            found["reason"] = event.reasons.get(number & 0xFFFF, str(number))
        if location := event.number_in(raw, "location"):
            found["where"] = self._named(location)
        if path := [self._named(a) for a in sample.chain if a < NO_ADDRESS]:
            found["path"] = path
        return found

    def _named(self, address: int) -> int | str:
        return address if self.symbols is None else self.symbols.name(address)

    def close(self) -> None:
        """Let go of it."""


class Perf(_Account):
    """Descriptors of perf events, one a processor and event; the events of a processor share a ring."""

    def __init__(self, events: Mapping[int, Event]) -> None:
        super().__init__(events)
        self.descriptors: list[int] = []
        self.rings: list[mmap.mmap] = []
        self.wakers: list[int] = []
        """Become readable when their ring is half full."""
        try:
            for cpu in _online():
                self._open(cpu)
        except OSError:
            self.close()
            raise

    def _open(self, cpu: int) -> None:
        """The events of a processor are a group: its first one switches all of them."""
        number = PERF_EVENT_OPEN.get(platform.machine(), -1)
        first = -1
        for event in self.events.values():
            flags = FLAGS | (DISABLED if first < 0 else 0) | (0 if event.what in WITH_PATH else NO_KERNEL_CHAIN)
            attributes = struct.pack(
                "=IIQQQQQIIQQQQIiQIHH", 2, 112, event.number, 1, SAMPLE, 0, flags, PAGES * PAGE // 2,
                0, 0, 0, 0, 0, 0, time.CLOCK_MONOTONIC, 0, 0, DEPTH, 0,
            )  # fmt: skip
            fd = libc.syscall(number, attributes, -1, cpu, first, 8)  # PERF_FLAG_FD_CLOEXEC
            if fd < 0:
                error = ctypes.get_errno()
                raise OSError(error, f"perf_event_open: {os.strerror(error)}")
            self.descriptors.append(fd)
            if event.filter:
                libc.ioctl(fd, SET_FILTER, event.filter.encode())  # a kernel that cannot tells more than is needed
            if first < 0:
                first = fd
                self.rings.append(mmap.mmap(fd, (1 + PAGES) * PAGE))
                self.wakers.append(fd)
            else:
                fcntl.ioctl(fd, SET_OUTPUT, first)

    def listen(self, on: bool) -> None:
        """Have the kernel tell, or not."""
        for fd in self.wakers:
            fcntl.ioctl(fd, ENABLE if on else DISABLE, 0)

    def _take(self) -> Iterator[Sample]:
        for ring in self.rings:
            head, tail = (ctypes.c_uint64.from_buffer(ring, 1024).value, ctypes.c_uint64.from_buffer(ring, 1032).value)
            size = PAGES * PAGE
            begin, end = tail % size, head % size
            data = ring[PAGE + begin : PAGE + end] if begin <= end else ring[PAGE + begin : PAGE + size] + ring[PAGE : PAGE + end]
            ctypes.c_uint64.from_buffer(ring, 1032).value = head
            at = 0
            while at + 8 <= len(data):
                kind, _, length = struct.unpack_from("<IHH", data, at)
                if kind == RECORD_SAMPLE:
                    pid, _, t, cpu, _, depth = struct.unpack_from("<IIQIIQ", data, at + 8)
                    chain = struct.unpack_from(f"<{depth}Q", data, at + 40)
                    (count,) = struct.unpack_from("<I", data, at + 40 + 8 * depth)
                    begin = at + 44 + 8 * depth
                    yield Sample(t, cpu, 0 if pid == 0xFFFFFFFF else pid, data[begin : begin + count], chain)
                elif kind == RECORD_LOST:
                    self.lost += int(struct.unpack_from("<Q", data, at + 16)[0])
                at += length

    def close(self) -> None:
        """Let go of it."""
        for fd in self.descriptors:
            os.close(fd)
        self.descriptors.clear()


def _online() -> list[int]:
    with open("/sys/devices/system/cpu/online", encoding="ascii") as f:
        parts = [part.partition("-") for part in f.read().strip().split(",")]
    return [cpu for low, _, high in parts for cpu in range(int(low), int(high or low) + 1)]


class Buffer(_Account):
    """The trace buffer of a kernel that nobody else uses; it has one processor."""

    wakers: tuple[int, ...] = ()

    def __init__(self, events: Mapping[int, Event]) -> None:
        super().__init__(events)
        self.symbols = Symbols()
        _write("trace_clock", "mono")
        for event in events.values():
            if event.what in FILTERS:
                _write(f"events/{event.path}/filter", FILTERS[event.what])
            _write(f"events/{event.path}/enable", "1")
        self._pages = os.open(f"{TRACEFS}/per_cpu/cpu0/trace_pipe_raw", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def _take(self) -> Iterator[Sample]:
        while True:
            try:
                page = os.read(self._pages, PAGE)
            except BlockingIOError:
                return
            if len(page) < 16:
                return
            yield from self._page(page)

    def _page(self, page: bytes) -> Iterator[Sample]:
        """A page of the ring buffer (include/linux/ring_buffer.h): a time, a length, and events with the time since the one before."""
        t, commit = struct.unpack_from("<QQ", page)
        at, end = 16, 16 + (commit & 0xFFFFF)
        while at + 4 <= end:
            (head,) = struct.unpack_from("<I", page, at)
            kind, delta = head & 31, head >> 5
            if kind in (30, 31):  # a long pause, an absolute time
                passed = (struct.unpack_from("<I", page, at + 4)[0] << 27) + delta
                t, at = (t + passed, at + 8) if kind == 30 else (passed, at + 8)
                continue
            if kind == 29:  # padding
                if not delta:
                    return
                at += 4 + struct.unpack_from("<I", page, at + 4)[0]
                continue
            t += delta
            length, begin = (kind * 4, at + 4) if kind else (struct.unpack_from("<I", page, at + 4)[0] - 4, at + 8)
            raw = page[begin : begin + length]
            if struct.unpack_from("<H", raw)[0] in self.events:
                yield Sample(t, 0, struct.unpack_from("<i", raw, 4)[0], raw)
            at = begin + length


def _write(path: str, text: str) -> None:
    with open(f"{TRACEFS}/{path}", "w", encoding="ascii") as f:
        f.write(text)
