"""The ladder as a picture: SVG made of the rows that every other drawing is made of.

In the page the words of a ladder are a table, whose cells stand where its lanes are, and the picture behind them has only the lines: so
each word is there once, for eyes and for screen readers. A picture that stands alone has the words, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from markupsafe import Markup, escape

from faultlab.ladder import Pause, Row, Rung, duration, lanes
from faultlab.report.text import clean

ROW, PAUSE, TOP = 22, 30, 34
TIME, CLIENT, SERVER, LANE, KERNEL = 100, 345, 575, 272, 345
MIDDLE = (CLIENT + SERVER) // 2
LONGEST = 38
"""Characters that fit beside a line; the table below the picture has all of them."""


def lines(rows: Sequence[Row]) -> Markup:
    """What stands behind the words of a ladder: the lines of the hosts, calls that lasted, arrows, and where the kernel said something."""
    ys, height = _places(rows)
    kernel = any(isinstance(row, Rung) and row.lane == "kernel" for row in rows)
    width, heads = (SERVER + LANE + KERNEL, "lh3") if kernel else (SERVER + LANE, "lh")
    head = f'<svg class="lines" width="{width}" height="{height}" aria-hidden="true"><use href="#{heads}"/>'
    return Markup("".join([head, *_lines(rows, ys, height), "</svg>"]))


def _places(rows: Sequence[Row]) -> tuple[list[int], int]:
    """The middle of each row, and how high all are."""
    ys: list[int] = []
    y = TOP
    for row in rows:
        y += PAUSE if isinstance(row, Pause) else ROW
        ys.append(y - (PAUSE if isinstance(row, Pause) else ROW) // 2)
    return ys, y + 8


def _lines(rows: Sequence[Row], ys: Sequence[int], height: int) -> list[str]:
    out = [f'<path class="ll" d="{_lifelines(rows, ys, height)}"/>']
    if bars := _bars(rows, ys):
        out.append(f'<path class="lb" d="{bars}"/>')
    arrows: dict[str, list[str]] = defaultdict(list)
    marks = []
    for row, at in zip(rows, ys, strict=True):
        if isinstance(row, Pause):
            continue
        if row.lane == "wire" and row.direction:
            arrows[f"t-{row.tone}{' forged' if row.forged else ''}"].append(_arrow(row, at + 7))
            arrows[f"t-{row.tone}"].append(_cross(row, at + 7))
        elif row.lane == "kernel" and row.at in ("client", "server"):
            marks.append(f"M{CLIENT if row.at == 'client' else SERVER} {at}h0")
    out += [f'<path class="lk" d="{"".join(marks)}"/>'] if marks else []
    drawn = "".join(f'<path class="{tone}" d="{path}"/>' for tone, found in arrows.items() if (path := "".join(found)))
    return [*out, f'<g class="lw">{drawn}</g>'] if drawn else out


def svg(rows: Sequence[Row], label: str) -> Markup:
    """The picture with its words."""
    columns = lanes([row for row in rows if isinstance(row, Rung)])
    ys, height = _places(rows)
    width = SERVER + LANE + (KERNEL if "kernel" in columns else 0)
    out = [
        f'<svg viewBox="0 0 {width} {height}" role="img"',
        f' aria-label="{escape(clean(label))}">',
        f'<g class="lh"><text x="{TIME}" y="16" text-anchor="end">time</text><text x="{CLIENT}" y="16" text-anchor="middle">client</text>'
        f'<text x="{SERVER}" y="16" text-anchor="middle">server</text>',
        f'<text x="{SERVER + LANE}" y="16">kernel</text>' if "kernel" in columns else "",
        "</g>",
        *_lines(rows, ys, height),
    ]
    times, folds = [], []
    sides: dict[str, list[str]] = defaultdict(list)
    wire: dict[str, list[str]] = defaultdict(list)
    for row, at in zip(rows, ys, strict=True):
        if isinstance(row, Pause):
            folds.append(f'<text y="{at + 4}">⋮ {escape(row.text)} ⋮</text>')
            continue
        times.append(f'<text y="{at + 4}">{duration(row.t)}</text>')
        longest = LONGEST + 10 * (row.lane == "kernel")
        text = escape(clean(row.label if len(row.label) <= longest else row.label[: longest - 1] + "…"))
        if row.lane == "wire":
            wire[row.tone].append(f'<text y="{at + 2}">{text}{" (forged)" if row.forged else ""}</text>')
            continue
        tone = f' class="t-{row.tone}"' if row.tone else ""
        sides[row.lane].append(f'<text y="{at + 4}"{tone}>{text}</text>')
    out.append(_group("lt", TIME, times))
    for lane, name, x in (("client", "lc", CLIENT - 10), ("server", "ls", SERVER + 10), ("kernel", "ls", SERVER + LANE)):
        out.append(_group(name, x, sides[lane]))
    out += ['<g class="lw">', *(_group(f"t-{tone}", MIDDLE, found) for tone, found in wire.items()), "</g>"]
    return Markup("".join([*out, _group("lf", MIDDLE, folds), "</svg>"]))


def _group(name: str, x: int, found: Sequence[str]) -> str:
    """Texts of one kind, one under the other."""
    return f'<g class="{name}" transform="translate({x})">{"".join(found)}</g>' if found else ""


def _lifelines(rows: Sequence[Row], ys: Sequence[int], height: int) -> str:
    """Both lines, broken where time is folded."""
    path = []
    for x in (CLIENT, SERVER):
        begin = TOP - 10
        for row, y in zip(rows, ys, strict=True):
            if isinstance(row, Pause):
                path.append(f"M{x} {begin}V{y - 13}")
                begin = y + 13
        path.append(f"M{x} {begin}V{height}")
    return "".join(path)


def _bars(rows: Sequence[Row], ys: Sequence[int]) -> str:
    """A call that lasted, from its beginning to its end."""
    begun: dict[int, int] = {}
    path = []
    for row, y in zip(rows, ys, strict=True):
        if isinstance(row, Rung) and row.call > 0:
            begun[row.call] = y
        elif isinstance(row, Rung) and -row.call in begun:
            path.append(f"M{CLIENT if row.lane == 'client' else SERVER} {begun.pop(-row.call)}V{y}")
    return "".join(path)


def _ends(rung: Rung) -> tuple[int, int, int]:
    """Where an arrow begins, where it ends, and which way is back."""
    return (CLIENT + 3, SERVER - 4, -1) if rung.direction == ">" else (SERVER - 3, CLIENT + 4, 1)


def _arrow(rung: Rung, y: int) -> str:
    """From one line to the other."""
    one, two, back = _ends(rung)
    return f"M{one} {y}H{two}m{6 * back}-4l{-6 * back} 4 {6 * back} 4"


def _cross(rung: Rung, y: int) -> str:
    """What a RST has before its head."""
    _, two, back = _ends(rung)
    return f"M{two + 12 * back} {y - 5}l{7 * back} 10m0-10l{-7 * back} 10" if rung.tone == "reset" else ""


# What the page says in its own style sheet, for a picture that stands alone.
STYLE = (
    "svg{font:12px system-ui,sans-serif;fill:#1b1f24;background:#fff}.lh text{font-weight:700}.lt text{text-anchor:end;fill:#565d66}"
    ".lc text{text-anchor:end}.lw text,.lf text{text-anchor:middle}.lf text{fill:#565d66;font-style:italic}.lw text{font:11px monospace}"
    ".lw path{fill:none;stroke:currentColor;stroke-width:1.6;color:#565d66}.lw .forged{stroke-dasharray:6 4}.ll{stroke:#565d66;fill:none}"
    ".lb{stroke:#0b57a4;stroke-width:5;opacity:.55}.lk{stroke:#565d66;stroke-width:7;stroke-linecap:round}.lw .t-reset{color:#b3201b}"
    ".lw .t-fin{color:#8a4b00}.lw .t-data{color:#1b6e3c}.lw .t-syn{color:#0b57a4}.lw .t-icmp{color:#7a2a9c}"
    "text.t-error,text.t-drop{fill:#b3201b;font-weight:700}text.t-eof,text.t-timeout{fill:#8a4b00}"
)


def picture(rows: Sequence[Row], label: str) -> str:
    """The picture as a file of its own."""
    drawn = svg(rows, label)
    alone = str(drawn).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return alone.replace("><g", f"><style>{STYLE}</style><g", 1) + "\n"
