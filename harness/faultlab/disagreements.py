"""The list of all disagreements, as Markdown: what the catalogue declares, with its reason, and what records show of it.

Made from the catalogue and the records by a command, never by hand, so that it cannot go stale: what is between its mark and the end of the
file is replaced.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby

from faultlab import stacks
from faultlab.catalogue import Entry
from faultlab.report import compare
from faultlab.report.compare import Disagreement
from faultlab.report.gather import Gathered
from faultlab.runtimes import all_runtimes
from faultlab.scenario import Deviation

MARK = "<!-- From here on made by `faultlab report reports/reference/*.jsonl.gz --disagreements reports/README.md`. -->"


def renewed(text: str, gathered: Gathered, entries: Mapping[str, Entry]) -> str:
    """The text with everything after the mark made new."""
    return "\n".join([text.partition(MARK)[0].rstrip(), "", MARK, *_made(gathered, entries)]) + "\n"


def declared_part(text: str) -> str:
    """The part that is made from the catalogue alone."""
    return text.partition(DECLARED)[2].partition("\n## ")[0]


DECLARED = "## What the catalogue declares"


def _made(gathered: Gathered, entries: Mapping[str, Entry]) -> list[str]:
    cells = compare.cells(gathered)
    where = sorted({(k[3], k[4]) for k in cells})
    several = {s for s, _ in where if len([b for t, b in where if t == s]) > 1}

    def label(stack: str, backend: str) -> str:
        return f"{stack} ({backend})" if stack in several else stack

    lines = ["", "## The records", "", "| record | of | lab, catalogue | plays | what came of them |", "| --- | --- | --- | --- | --- |"]
    for number, source in enumerate(gathered.sources):
        plays = [p for p in gathered.plays if p.source == number]
        verdicts = ", ".join(f"{n} {v}" for v in compare.STATES if (n := sum(p.verdict == v for p in plays)))
        of = ", ".join(sorted({label(*p.where) for p in plays if p.stack}))
        head = source.header
        lab = f"{head['lab']}, `{head['catalogue']}`"
        lines.append(f"| {source.name}, {str(head['started'])[:10]}, {source.status} | {of} | {lab} | {len(plays)} | {verdicts} |")
    missing = stacks.never_run(s for s, _ in where)
    if missing:
        lines += ["", "Never run on these systems, so nothing is said of them here:", ""]
        lines += [f"- **{s.title}**: {s.how}" for s in missing]

    between = compare.between_runtimes(cells, label)
    lines += ["", f"## Where runtimes disagree: {len({d.scenario for d in between})} failures", ""]
    lines += ["Programs before the same kernel that were told different things. Each camp with what it saw, and why.", ""]
    lines += _told(between, entries)
    between = [d for d in compare.between_stacks(cells, label) if not d.words_only]
    lines += [f"## Where stacks disagree: {len({d.scenario for d in between})} failures", ""]
    lines += _told(between, entries) if between else ["Nowhere.", ""]
    lines += [DECLARED, "", "Every departure from what the kernel says, whether or not a record has it."]
    lines += ["What a runtime does in every failure alike comes first.", ""]
    return lines + _declared(entries)


def _told(found: Sequence[Disagreement], entries: Mapping[str, Entry]) -> list[str]:
    lines = []
    for scenario, several in groupby(found, key=lambda d: d.scenario):
        title = entries[scenario].scenario.title if scenario in entries else ""
        lines += [f"### {scenario}", "", title, ""]
        for d in several:
            lines += [f"- {'; '.join(d.where)}"]
            for camp in d.camps:
                why = [f"{f'{of}: ' if of else ''}{note}" for of, note in camp.notes]
                if camp.undeclared:
                    why.append("**nobody has said why**")
                lines.append(f"  - **{', '.join(camp.who)}**: `{', '.join(camp.steps)}`" + "".join(f"; {w}" for w in why))
        lines.append("")
    return lines


def _declared(entries: Mapping[str, Entry]) -> list[str]:
    lines = []
    for runtime in all_runtimes().values():
        for habit in runtime.config.get("habit", ()):
            if "extends" not in runtime.config:
                told = [f"after `{habit['after']}`"] if "after" in habit else []
                told += [f"over IPv{habit['family']}"] if "family" in habit else []
                told += [f"where `{habit['segment']}` is seen"] if "segment" in habit else []
                sees = habit["sees"].format(result="that")
                lines.append(f"- **{runtime.name}**, {', '.join(told)}: {sees} instead of `{habit['instead_of']}`. {habit['note']}")
    lines.append("")
    for entry in entries.values():
        own = [runtime.about(entry.id, entry.scenario).deviations for runtime in all_runtimes().values()]
        several_by = [*entry.scenario.deviations, *(d for found in own for d in found[len(entry.scenario.deviations) :])]
        if several_by:
            by_note: dict[tuple[str, str], list[Deviation]] = defaultdict(list)
            for d in several_by:
                by_note[d.note, d.sees].append(d)
            lines += [f"### {entry.id} (declared)", ""]
            for (note, sees), several in by_note.items():
                lines.append(f"- **{', '.join(dict.fromkeys(map(_whom, several)))}**: {sees}. {note}")
            lines.append("")
    return lines


def _whom(d: Deviation) -> str:
    whom = " ".join(filter(None, (d.runtime, d.stack))) or "everybody"
    return f"{whom}, step {d.step}" + ({None: "", "": " of the plain play"}.get(d.variant, f" of {d.variant}"))
