"""The curl driver: fetches what it is told to with libcurl, the library that the command curl is made of.

The command forgets its connections when it ends; a handle of the library keeps them, as a program's does. It is called through ctypes,
so neither its headers nor a binding is needed.
"""

from __future__ import annotations

import ctypes
from ctypes import byref, c_char_p, c_int, c_long, c_size_t, c_void_p

from conversation import answered, body_of, converse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conversation import Fields, Stopwatch

# The numbers of <curl/curl.h>, which never change: they are the library's ABI.
URL, WRITEFUNCTION, ERRORBUFFER, POSTFIELDS, CUSTOMREQUEST = 10002, 20011, 10010, 10015, 10036
TIMEOUT_MS, CONNECTTIMEOUT_MS, POSTFIELDSIZE, HTTPGET, POST, NOSIGNAL = 155, 156, 60, 80, 47, 99
RESPONSE_CODE, OS_ERRNO = 0x200002, 0x200019
NAMES = {
    6: "COULDNT_RESOLVE_HOST", 7: "COULDNT_CONNECT", 8: "WEIRD_SERVER_REPLY", 18: "PARTIAL_FILE", 28: "OPERATION_TIMEDOUT",
    52: "GOT_NOTHING", 55: "SEND_ERROR", 56: "RECV_ERROR",
}  # fmt: skip

curl = ctypes.CDLL("libcurl.so.4")
curl.curl_easy_init.restype = c_void_p
curl.curl_version.restype = c_char_p
for function in (curl.curl_easy_setopt, curl.curl_easy_getinfo):  # the rest of the arguments is variadic
    function.argtypes = [c_void_p, c_int]
curl.curl_easy_perform.argtypes = curl.curl_easy_reset.argtypes = [c_void_p]
curl.curl_global_init(c_long(3))

Writer = ctypes.CFUNCTYPE(c_size_t, c_void_p, c_size_t, c_size_t, c_void_p)
handles: dict[str, int] = {}


def number(handle: int, what: int) -> int:
    """A number that the library tells of the last transfer."""
    found = c_long()
    curl.curl_easy_getinfo(handle, what, byref(found))
    return found.value


def fetch(request: Fields, clock: Stopwatch) -> Fields:
    """curl_easy_perform() on the session's handle, which keeps its connections through curl_easy_reset()."""
    handle = handles.setdefault(request["sock"], curl.curl_easy_init())
    got: list[bytes] = []

    @Writer  # type: ignore[untyped-decorator,unused-ignore]
    def keep(data: int, size: int, count: int, _: int) -> int:
        got.append(ctypes.string_at(data, size * count))
        return size * count

    words = ctypes.create_string_buffer(256)
    body = body_of(request)
    curl.curl_easy_reset(handle)
    for option, value in ((URL, c_char_p(request["url"].encode())), (WRITEFUNCTION, keep), (ERRORBUFFER, words), (NOSIGNAL, c_long(1))):
        curl.curl_easy_setopt(handle, option, value)
    for option, name in ((TIMEOUT_MS, "deadline"), (CONNECTTIMEOUT_MS, "connect_deadline")):
        if name in request:
            curl.curl_easy_setopt(handle, option, c_long(round(request[name] * 1000)))
    if body is not None:
        curl.curl_easy_setopt(handle, POSTFIELDSIZE, c_long(len(body)))
        curl.curl_easy_setopt(handle, POSTFIELDS, c_char_p(body))
    curl.curl_easy_setopt(handle, CUSTOMREQUEST, c_char_p(request["method"].encode()))
    with clock:
        result = curl.curl_easy_perform(handle)
    status, errno, data = number(handle, RESPONSE_CODE), number(handle, OS_ERRNO), b"".join(got)
    if result == 0:
        return answered(status, data)
    kind = "CURLE_" + NAMES.get(result, str(result))
    told = {"outcome": "error", "type": kind, "chain": [kind], "message": words.value.decode(errors="replace"), "bytes": len(data)}
    return told | ({"status": status} if status else {}) | ({"errno": errno} if errno else {})


if __name__ == "__main__":
    converse("curl", curl.curl_version().decode().split()[0].partition("/")[2], fetch)
