"""Words that came over a network, made safe to show: what cannot be seen is made visible, nothing is dropped."""

from __future__ import annotations

import re

# Controls, bidi overrides, invisible separators, surrogates and non-characters: what a terminal, an XML parser or a reader's eye
# would trip over. Tab and newline are left.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufdd0-\ufdef\ufff9-\uffff\ud800-\udfff]"
)
ADDRESS = re.compile(
    r"(?:\[[0-9a-fA-F:.%a-z]{2,60}\]|(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"
    r"|(?<![\w:])[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7})(?::\d{1,5})?"
)

PORT = re.compile(r"(\bport |ADDR['\"], )\d{1,5}\b")
PLACE = re.compile(r"(?:[A-Za-z]:)?[/\\][^\s:\"']{0,200}?(?:tmp|faultlab-)[\w.-]{4,60}(?:[/\\]socketx*)?(?![\w/\\])")


def clean(text: str) -> str:
    """The text with everything unseen made visible: `␀` for NUL, `\\u202e` for what turns text around."""
    return UNSEEN.sub(_visible, text) if not text.isascii() or not text.isprintable() else text


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"\\u{code:04x}"


def general(message: str) -> str:
    """A message without addresses, ports and the lab's own folders, which are different in every play."""
    return PLACE.sub("PATH", PORT.sub(r"\1PORT", ADDRESS.sub("ADDR", message[:20_000])))


def slug(text: str) -> str:
    """The text as a part of an anchor."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")[:80] or "none"
