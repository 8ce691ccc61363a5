"""The command `faultlab`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

import faultlab
from faultlab import catalogue, explain, identity, kernels, ladder, tables
from faultlab.backends import BACKENDS, docker
from faultlab.catalogue import Entry
from faultlab.errors import LabError, RecordError, RuntimeUnavailable, Unavailable
from faultlab.play import Play, Player, backend_named
from faultlab.record import RecordWriter, header
from faultlab.report.text import clean as visible
from faultlab.runtimes import all_runtimes, cache_folder, playing
from faultlab.together import SideBySide

OK, DIFFERS, USAGE, LAB, NOTHING = 0, 1, 2, 3, 4
MARKS = {"match": "✓", "deviates": "≈", "differs": "✗", "lab-error": "!", "unavailable": "–", "unsupported": "·"}
COLOURS = {"match": "green", "deviates": "cyan", "differs": "red", "lab-error": "magenta", "unavailable": "yellow", "unsupported": "dim"}

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def fail(message: str) -> click.UsageError:
    """A wrong use of the command: one line, exit 2."""
    return click.UsageError(message)


def chosen(words: Iterable[str], known: Iterable[str], what: str) -> list[str]:
    """The words, each of them known; otherwise a usage error that names the nearest."""
    names = list(known)
    for word in words:
        if word not in names:
            raise fail(f"unknown {what} {word!r}{catalogue.nearest(word, names)}")
    return list(words)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make the folder that the file is to be in; that it cannot be written is a wrong use of the command."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as e:
        raise fail(f"cannot write {path}: {e.strerror or e}") from e


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(faultlab.__version__, prog_name="faultlab")
def cli() -> None:
    """Every documented way a TCP socket fails, on demand, for real, explained.

    \b
    faultlab list                            what there is
    faultlab run connect-refused-rst         play it, and see what happened
    faultlab run read-reset --runtime go
    faultlab explain ECONNRESET              which failures say that, and how to tell them apart
    faultlab report run.jsonl                one page from any number of records
    faultlab doctor                          what works on this machine
    """


@cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="one JSON array on stdout")
@click.option("--phase", help="only this phase of a connection's life")
@click.option("--markdown", is_flag=True, help="the table of the README")
def list_(as_json: bool, phase: str | None, markdown: bool) -> None:
    """The catalogue: id, phase, what it shows.

    \b
    faultlab list
    faultlab list --phase connect
    faultlab list --json | jq '.[].id'
    """
    entries = list(catalogue.load().values())
    if phase is not None:
        chosen([phase], sorted({e.phase for e in entries}), "phase")
        entries = [e for e in entries if e.phase == phase]
    if as_json:
        click.echo(json.dumps([explain.data(e) for e in entries], indent=1, ensure_ascii=False))
    elif markdown:
        click.echo(markdown_table(entries))
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("phase", "id", "what happens", "the program sees"):
            table.add_column(name, overflow="fold")
        for e in entries:
            seen = ", ".join(f"{x.op} {x.result}" for x in e.scenario.expected)
            table.add_row(e.phase, e.id, e.scenario.title, Text(seen, style="dim"))
        out.print(table)


def markdown_table(entries: Sequence[Entry]) -> str:
    """The catalogue as the README has it."""
    lines = ["| phase | scenario | what happens | the program sees |", "| --- | --- | --- | --- |"]
    for e in entries:
        seen = ", ".join(f"{x.op} {x.result}" for x in e.scenario.expected)
        lines.append(f"| {e.phase} | [`{e.id}`](scenarios/{e.phase}/{e.path.name}) | {e.scenario.title} | {seen} |")
    return "\n".join(lines)


@cli.command()
@click.argument("ids", nargs=-1, metavar="ID…")
@click.option("--all", "everything", is_flag=True, help="the whole catalogue")
@click.option("--runtime", "-r", "runtimes", multiple=True, metavar="NAME", help="this runtime (repeat for more; default: all)")
@click.option("--backend", "-b", "backends", multiple=True, metavar="NAME", help="on this backend (default: netns)")
@click.option("--virtual-time", is_flag=True, help="on the backend whose clock is virtual: kernel timers at their defaults")
@click.option("--kernel", "kernel_version", metavar="VERSION", help="uml: how the version begins (default: the newest that is built)")
@click.option("--variant", metavar="NAME", help="this variant only; `plain` is the story without one")
@click.option("--json", "as_json", is_flag=True, help="one JSON object a play on stdout, and nothing else")
@click.option("--record", "record_path", type=click.Path(dir_okay=False, path_type=Path), help="write the record")
def run(ids: tuple[str, ...], everything: bool, runtimes: tuple[str, ...], backends: tuple[str, ...], virtual_time: bool,
        kernel_version: str | None, variant: str | None, as_json: bool, record_path: Path | None) -> None:  # fmt: skip
    """Play scenarios: a line per play, and the ladder of what happened for a single one.

    \b
    faultlab run write-close-wait --runtime go
    faultlab run read-reset read-eof --json | jq .verdict
    faultlab run --all --record run.jsonl

    Exit status: 0 all as expected, 1 something differs, 2 wrong usage, 3 lab error, 4 nothing could be played here.
    """
    if kernel_version:
        os.environ[kernels.VARIABLE] = kernel_version
    entries = catalogue.load()
    if not ids and not everything:
        raise fail("name a scenario, or --all; `faultlab list` shows what there is")
    wanted = list(entries) if everything else chosen(ids, entries, "scenario")
    names = chosen(runtimes, all_runtimes(), "runtime") or [n for n, r in all_runtimes().items() if r.default]
    where = chosen(backends, [b.name for b in BACKENDS], "backend") or (
        [b.name for b in BACKENDS if b.virtual] if virtual_time else ["netns"]
    )
    plays = [(entries[i], r, b, v) for i in wanted for b in where
             for r in playing(entries[i].scenario.kind, runtimes, entries[i].scenario.only)
             for v in (None, *entries[i].scenario.variants)]  # fmt: skip
    if variant is not None:
        known = {v or "plain" for *_, v in plays}
        chosen([variant], sorted(known), "variant")
        plays = [p for p in plays if (p[3] or "plain") == variant]
    writer = RecordWriter(record_path, header(names, where)) if record_path else None
    playing_all = SideBySide(Player())
    begun = [(e, r, v, playing_all.begin(e, all_runtimes()[r], backend_named(b), v)) for e, r, b, v in plays]
    done: list[Play] = []
    status = "interrupted"
    try:
        for number, (entry, runtime, v, result) in enumerate(begun, start=1):
            if not as_json and err.is_terminal:
                err.print(f"[dim]{number}/{len(plays)} {entry.id} {runtime} {v or ''} …[/dim]", end="\r", overflow="crop", no_wrap=True)
            play, _ = result()
            done.append(play)
            if writer:
                writer.scenario(explain.data(entry))
                writer.play(play.as_json())
            if as_json:
                click.echo(json.dumps(play.as_json(), ensure_ascii=False))
            else:
                show_line(play)
        status = "complete"
    except KeyboardInterrupt:
        err.print("interrupted; everything is undone" + (", the record has what was played" if writer else ""))
        sys.exit(130)
    finally:
        playing_all.close()
        if writer:
            writer.close(status)
    if not as_json:
        if len(wanted) == len(names) == len(where) == 1 and done and done[0].observations:  # its variants look alike
            out.print()
            show_ladder(done[0].as_json(), entries[done[0].scenario].scenario.observe)
        elif len(done) > 1:
            counts = {v: sum(p.verdict == v for p in done) for v in MARKS}
            out.print("\n" + ", ".join(f"{n} {v}" for v, n in counts.items() if n))
    sys.exit(exit_status(done))


def exit_status(done: Sequence[Play]) -> int:
    """What the verdicts come to."""
    verdicts = {p.verdict for p in done}
    if "lab-error" in verdicts:
        return LAB
    if "differs" in verdicts:
        return DIFFERS
    return OK if verdicts & {"match", "deviates"} else NOTHING


def show_line(play: Play) -> None:
    """One line for a play, more where it did not go as it should."""
    clock = ladder.duration(play.elapsed)
    if play.virtual_elapsed is not None:
        clock += f" for {ladder.duration(play.virtual_elapsed)} of virtual time"
    line = Text(f"{MARKS[play.verdict]} {play.verdict:<11} ", style=COLOURS[play.verdict])
    line.append(play.name, style="bold" if play.verdict in ("differs", "lab-error") else "default")
    line.append(f"  {clock}", style="dim")
    out.print(line, soft_wrap=True)
    for text in (*play.differences, *([play.reason] if play.reason else []), *(f"declared: {n}" for n in play.notes)):
        out.print(Text(f"    {text}"), soft_wrap=True)
    if play.verdict == "differs":
        for o in play.as_json()["observations"]:
            out.print(Text(f"    seen: {o['op']} {ladder.result(o)} {o.get('message', '')}", style="dim"), soft_wrap=True)


WIDE = 110
"""Columns of a terminal in which the kernel has a column of its own."""


def show_ladder(play: Mapping[str, Any], observed: str) -> None:
    """Time, programs and wire, one under the other."""
    rungs = ladder.rungs(play, observed)
    narrow = out.width < WIDE
    lanes = ladder.LANES if narrow else ladder.lanes(rungs)
    title = f"{play['scenario']} as {play['runtime']} sees it ({play['runtime_version']}; {play['stack']})"
    table = Table(title=Text(visible(title)), title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("time", justify="right", no_wrap=True)
    for lane in lanes:
        table.add_column(lane, overflow="fold", no_wrap=lane == "wire")
    for row in ladder.layout(rungs):
        cells = dict.fromkeys(lanes, Text())
        if isinstance(row, ladder.Pause):
            table.add_row(Text("⋮", style="dim"), *(Text(f"⋮ {row.text}" if lane == "wire" else "", style="dim italic") for lane in lanes))
            continue
        text = visible(row.text)
        if row.lane == "wire":
            arrow = {">": f"── {text} ──▶", "<": f"◀── {text} ──"}.get(row.direction, text)
            style = "magenta" if row.forged else "red" if row.tone in ("reset", "icmp") else "blue"
            cells["wire"] = Text(arrow + (" forged" if row.forged else ""), style=style)
        elif row.lane == "kernel":
            style = "red" if row.tone else "cyan"
            cells["kernel"] = Text(visible(row.label), style=style)
            if narrow:  # in the column of its host
                cells[row.at if row.at in lanes else "wire"] = Text(f"kernel: {text}", style=style)
        else:
            cells[row.lane] = Text(text, style="bold" if row.lane == observed else "default")
        table.add_row(Text(ladder.duration(row.t), style="dim"), *(cells[lane] for lane in lanes))
    out.print(table)
    if (why := play["evidence"].get("kernel_silent")) and "kernel" in play["evidence"]:
        out.print(Text(f"No account of the kernel's own: {visible(why)}", style="dim"))
    words = [o for o in play["observations"] if o.get("message")]
    if words:
        out.print()
    for o in words:
        inner = f" ({visible(o['cause'])})" if o.get("cause") and o["cause"] not in o["message"] else ""
        said = (visible(o["message"]) + inner, f"   {' > '.join(o.get('chain', ()))}")
        out.print(Text.assemble((f"{o['op']}: ", "bold"), said[0], (said[1], "dim")), soft_wrap=True)
    for what, path in ladder.causes(play):
        out.print(Text.assemble((f"{visible(what)}", "bold"), (f"   ← {visible(path)}" if path else "", "dim")), soft_wrap=True)
    for name, found in play["evidence"].get("fault", {}).items():
        out.print(Text(f"fault {name}: {', '.join(f'{k} {v}' for k, v in found.items())}", style="dim"), soft_wrap=True)


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE…")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="write the page (default: report.html)")
@click.option("--one-file", is_flag=True, help="no folder beside the page: of many plays one ladder a failure, and all words")
@click.option(
    "--diff", "diffs", nargs=2, multiple=True, metavar="A B", help="what changed from record A to B; files or letters (repeatable)"
)
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="write JUnit XML")
@click.option("--ctrf", type=click.Path(dir_okay=False, path_type=Path), help="write CTRF JSON")
@click.option("--csv", "csv_", type=click.Path(dir_okay=False, path_type=Path), help="write CSV, a line an operation")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="write the matrix as a Markdown table")
@click.option("--disagreements", type=click.Path(dir_okay=False, path_type=Path), help="renew the list of all disagreements (Markdown)")
@click.option("--badge", type=click.Path(dir_okay=False, path_type=Path), help="write a badge (SVG)")
def report(files: tuple[Path, ...], output: Path | None, one_file: bool, diffs: Sequence[tuple[str, str]], junit: Path | None,
           ctrf: Path | None, csv_: Path | None, markdown: Path | None, disagreements: Path | None,
           badge: Path | None) -> None:  # fmt: skip
    """One self-contained page from any number of records, and other formats of the same.

    \b
    faultlab report run.jsonl -o report.html
    faultlab report reports/*.jsonl -o report.html --junit junit.xml --markdown summary.md
    faultlab report before.jsonl after.jsonl --diff A B

    Exit status: 0 written, 2 wrong usage, 3 a file is no record, and nothing was written.
    """
    from faultlab.report import compare, exports, gather
    from faultlab.report.page import write

    wanted = [(junit, exports.junit), (ctrf, exports.ctrf), (csv_, exports.table), (markdown, exports.markdown), (badge, exports.badge)]
    targets = [path for path in (output, disagreements, *(path for path, _ in wanted)) if path]
    if len({path.absolute() for path in targets}) < len(targets):
        raise fail("two of the outputs would be the same file")
    gathered = gather(files)
    for oddity in gathered.oddities:
        err.print(Text(visible(f"{oddity.name}: {oddity.source} {oddity.text}")), soft_wrap=True)
    pairs = []
    letters = {s.letter: n for n, s in enumerate(gathered.sources)} | {s.name: n for n, s in enumerate(gathered.sources)}
    for diff in diffs:
        names = [Path(name).name for name in diff]
        chosen(names, letters, "record")
        pairs.append((letters[names[0]], letters[names[1]]))
        changes, same = compare.difference(gathered, *pairs[-1])
        for c in changes:
            out.print(Text(visible(f"{c.kind:<8} {c.name}: {c.before or '–'} → {c.after or '–'}")), soft_wrap=True)
        out.print(f"{same} the same, {len(changes)} not")
    for path, made in wanted:
        if path:
            with writing(path):
                path.write_text(made(gathered), encoding="utf-8", errors="backslashreplace")
            out.print(f"wrote {path}", soft_wrap=True)
    if disagreements:
        from faultlab.disagreements import renewed

        before = disagreements.read_text(encoding="utf-8") if disagreements.exists() else "# Disagreements\n"
        with writing(disagreements):
            disagreements.write_text(renewed(before, gathered, catalogue.load()), encoding="utf-8", errors="backslashreplace")
        out.print(f"wrote {disagreements}", soft_wrap=True)
    if output or not (diffs or targets):
        page = output or Path("report.html")
        with writing(page):
            written = write(gathered, page, pairs or None, one_file)
        more = f", and {len(written) - 1} files in {written[1].parent}" if len(written) > 1 else ""
        out.print(f"wrote {written[0]} ({written[0].stat().st_size / 1e6:.1f} MB{more})", soft_wrap=True)


@cli.command("ladder")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("id_", metavar="ID")
@click.option("--runtime", "-r", metavar="NAME", help="as this runtime saw it (default: the first that played it)")
@click.option("--variant", metavar="NAME", help="of this variant; `plain` is the story without one")
@click.option("--as", "form", type=click.Choice(["terminal", "mermaid", "svg", "pcapng"]), default="terminal", help="how to draw it")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="write to a file instead of stdout")
def ladder_(file: Path, id_: str, runtime: str | None, variant: str | None, form: str, output: Path | None) -> None:
    """The ladder of a play that is in a record: for a terminal, a document, or Wireshark.

    \b
    faultlab ladder run.jsonl read-reset --runtime go
    faultlab ladder run.jsonl read-reset --as pcapng -o read-reset.pcapng
    """
    from faultlab.report import gather
    from faultlab.report.drawing import picture
    from faultlab.report.pcapng import pcapng

    gathered = gather([file])
    chosen([id_], sorted({p.scenario for p in gathered.plays}), "scenario")
    plays = [p for p in gathered.plays if p.scenario == id_]
    if runtime is not None:
        chosen([runtime], sorted({p.runtime for p in plays}), "runtime")
    if variant is not None:
        chosen([variant], sorted({p.variant or "plain" for p in plays}), "variant")
    fits = [p for p in plays if runtime in (None, p.runtime) and variant in (None, p.variant or "plain")]
    if not fits:
        raise fail(f"{runtime} did not play {id_} as {variant}")
    play = next((p for p in fits if p.played), fits[0]).whole()
    observed = str(gathered.scenarios.get(id_, {}).get("observe", "client"))
    title = f"{id_} as {play['runtime']} saw it"
    if form == "terminal" and output is None:
        show_ladder(play, observed)
        return
    rows = ladder.layout(ladder.rungs(play, observed))
    try:
        data = pcapng(play, title) if form == "pcapng" else (picture(rows, title) if form == "svg" else ladder.mermaid(rows)).encode()
    except ValueError as e:
        raise RecordError(f"{file}: {e}") from e
    if output is not None:
        with writing(output):
            output.write_bytes(data)
    else:
        click.echo(data, nl=False)


@cli.command("explain")
@click.argument("word", metavar="ID|ERRNO|TABLE")
@click.option("--markdown", is_flag=True, help="Markdown instead of text for the terminal")
@click.option(
    "--record", "records", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="say of a scenario, too, who did it and why: the kernel's own account in this record (repeat for more)",
)  # fmt: skip
def explain_(word: str, markdown: bool, records: Sequence[Path]) -> None:
    """What it is, why, how to tell it from its neighbours, how to cure it.

    \b
    faultlab explain read-reset
    faultlab explain ECONNRESET
    faultlab explain table-states            or table-resets, table-time-wait, table-default-timeouts, claims
    faultlab explain question-backlog-full
    faultlab explain read-reset --record run.jsonl
    """
    from rich.markdown import Markdown

    from faultlab.report.gather import gather, told

    entries = catalogue.load()
    known = [*explain.topics(entries), *tables.topics()]
    text = tables.page(word, entries) or explain.page(word, entries)
    if text is None:
        raise fail(f"nothing is known of {word!r}{catalogue.nearest(word, known)}")
    if records:
        plays = [p for p in gather(records).plays if p.scenario == word]
        text += "\n## Who did it, and why: the kernel's own account\n\n"
        said = [(visible(f"{what}{f', on {stacks}' if stacks else ''}"), visible(path)) for what, path, stacks in told(plays, _stack)]
        text += "".join(f"- {what}" + (f" ← `{path}`\n" if path else "\n") for what, path in said) or "The records have none of it.\n"
    if markdown:
        click.echo(text)
    else:
        out.print(Markdown(text))


def _stack(stack: str, backend: str) -> str:
    return f"{stack} ({backend})"


@cli.command()
def doctor() -> None:
    """What works on this machine, what does not, and the exact remedy."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "what", "state"):
        table.add_column(name, overflow="fold")
    works: Mapping[bool, Text] = {True: Text("✓", style="green"), False: Text("–", style="yellow")}
    playable = False
    for backend in BACKENDS:
        try:
            backend.check()
            there = ", ".join(f"Linux {k.version}" for k in kernels.built()) if backend.virtual else ""  # the first is used
            table.add_row(works[True], f"backend {backend.name}", "works" + (f", kernels: {there}" if there else ""))
            playable = True
        except Unavailable as e:
            table.add_row(works[False], f"backend {backend.name}", f"{e.reason}\nremedy: {e.remedy}")
    for runtime in all_runtimes().values():
        with err.status(f"building the {runtime.name} driver") if err.is_terminal else nullcontext():
            try:
                table.add_row(works[True], f"runtime {runtime.name}", runtime.prepare().version)
            except RuntimeUnavailable as e:
                table.add_row(works[False], f"runtime {runtime.name}", f"{e.reason}\nremedy: {e.remedy}")
    out.print(table)
    sys.exit(OK if playable else NOTHING)


@cli.command()
@click.option("--drivers", is_flag=True, help="also remove the built drivers; they are built again when needed")
def clean(drivers: bool) -> None:
    """Remove what a crashed run of this user left behind, and say what it was."""
    removed = docker.clean() + identity.end_orphans() + identity.remove_half_built(cache_folder() / "drivers")
    removed += identity.remove_half_built(kernels.folder()) + identity.remove_folders()
    if drivers and (cache_folder() / "drivers").is_dir():
        import shutil

        shutil.rmtree(cache_folder() / "drivers")
        removed.append("the built drivers")
    for what in removed:
        out.print(f"removed {what}")
    if not removed:
        out.print("nothing was left behind")


@cli.group()
def kernel() -> None:
    """Kernels for virtual time: the backend uml plays on one of them.

    \b
    faultlab kernel build
    faultlab run keepalive-timeout --backend uml
    """


@kernel.command("build")
@click.option("--source", metavar="PACKAGE|TARBALL|DIR", help="a distribution's package (linux-source-6.1), a tarball or a source tree")
@click.option("--jobs", "-j", type=click.IntRange(1), help="compile so many files at once (default: one a processor)")
def kernel_build(source: str | None, jobs: int | None) -> None:
    """Build one from the distribution's source package, or find it in the cache.

    \b
    faultlab kernel build
    faultlab kernel build --source linux-source-6.1
    faultlab kernel build --source ~/linux-6.18.tar.xz
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=err, disable=not err.is_terminal) as bar:
        task = bar.add_task("", total=None)
        said = ""

        def progress(what: str, done: int, total: int) -> None:
            nonlocal said
            if what != said and not err.is_terminal:
                err.print(what)
            said = what
            bar.update(task, description=what, completed=done, total=total or None)

        found = kernels.build(source, jobs=jobs, progress=progress)
    out.print(f"{found.name}: {found.size / 1e6:.1f} MB, from {found.source}", soft_wrap=True)


@kernel.command("list")
@click.option("--json", "as_json", is_flag=True, help="one JSON array on stdout")
def kernel_list(as_json: bool) -> None:
    """The kernels there are, the one that is used first."""
    found = kernels.built()
    if as_json:
        keys = ("name", "version", "source", "digest", "compiler", "size")
        click.echo(json.dumps([{**{k: getattr(e, k) for k in keys}, "folder": str(e.folder)} for e in found], indent=1))
        return
    for e in found:
        out.print(f"{e.name}  {e.size / 1e6:.1f} MB  from {e.source}", soft_wrap=True)
    if not found:
        err.print("no kernel is built; get one with: faultlab kernel build")


@kernel.command("remove")
@click.argument("versions", nargs=-1, required=True, metavar="VERSION…")
def kernel_remove(versions: tuple[str, ...]) -> None:
    """Remove kernels, by their version or name."""
    names = [n for e in kernels.built() for n in (e.name, e.version)]
    for version in chosen(versions, names, "kernel"):
        for gone in kernels.remove(version):
            out.print(f"removed {gone.name}")


@cli.group()
def new() -> None:
    """Begin something new."""


@new.command("scenario")
@click.argument("id_", metavar="ID")
@click.option("--phase", required=True, help="folder: connect, accept, established, closing, …")
def new_scenario(id_: str, phase: str) -> None:
    """Write the file of a new scenario, ready to be played and filled in.

    \b
    faultlab new scenario read-something-odd --phase established
    """
    if not id_.replace("-", "").isalnum() or id_ != id_.lower():
        raise fail("an id is lower-case words joined by hyphens")
    path = catalogue.folder() / phase / f"{id_.replace('-', '_')}.py"
    if id_ in catalogue.load() or path.exists():
        raise fail(f"there is a scenario {id_} already")
    path.parent.mkdir(exist_ok=True)
    path.write_text(explain.TEMPLATE.format(id=id_, name=id_.replace("-", "_")), encoding="utf-8")
    out.print(f"wrote {path}\nplay it: faultlab run {id_}")


def main() -> None:
    """Run the command; the lab's own errors are one line, not a traceback."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as e:
        e.show()
        sys.exit(e.exit_code)
    except RecordError as e:
        err.print(str(e), soft_wrap=True)
        sys.exit(LAB)
    except LabError as e:
        err.print(f"{type(e).__name__}: {e}", soft_wrap=True)
        sys.exit(LAB)
    except BrokenPipeError:
        sys.exit(OK)
