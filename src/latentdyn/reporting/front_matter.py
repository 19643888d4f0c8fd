"""What stands before the tables of the LaTeX document, and after them: what holds, why the measuring can be trusted,
where it is from, names."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from latentdyn.reporting.conclusion import conclusion
from latentdyn.reporting.findings import Finding, Topic, summary
from latentdyn.reporting.latex import Room, latex_table, latex_text, room_of
from latentdyn.reporting.stored import StoredSheet
from latentdyn.reporting.terms import used
from latentdyn.reporting.text import Block, Column

_RULE = (
    "Yes and no are said where the 95 % interval over held-out speakers lies on one side of what is asked. Two rows "
    "are compared by the interval of their difference. Where a table has none, their two intervals must not meet. "
    "Else the answer is undecided. Intervals tell about other speakers, not about other training runs. None is "
    "widened because many rows are asked: of a hundred rows without any effect, about five would be decided by "
    "chance. Of each answer, the rows of the lowest and of the highest value are named. The tables hold all of them."
)
_KNOWN = (
    "Random processes whose exact values are known were measured by the same code as speech: what a formula says of a "
    "process is set beside what was measured of frames that were drawn from it."
)
_MOVED = "`moved`: a mean that outliers must move, and did. The table of known answers has every formula and value."
_HIGH = ".45\\vsize"  # what is left of a page where the table begins


def what_holds(
    topics: Sequence[Topic], facts: Mapping[str, str], made: Mapping[str, str], notes: Sequence[str] = ()
) -> str:
    """What all answers come to, and every question by topic with its answers, each with its lowest and highest value;
    "" if nothing is asked.

    Args:
        facts: of where all is from, by name. made: of each representation, how. notes: of tables, whose words are
            explained, too.
    """
    if not topics:
        return ""
    parts = ["\\section*{Conclusion}\n"]
    for said in conclusion(topics, facts=facts, made=made):
        parts.append(f"\\paragraph{{{latex_text(said.title)}}} {latex_text(said.text)}\n")
        parts += [_list(latex_text(item) for item in said.items)] if said.items else []
    words = [f"\\textbf{{{latex_text(term.name)}}}: {latex_text(term.says)}" for term in used(topics, notes)]
    parts += ["\\section*{Words}\n", _list(words)] if words else []
    parts.append("\\section*{What holds, and what does not}\n")
    parts.append(f"\\paragraph{{How to read the answers.}} {latex_text(f'{_RULE} {summary(topics)}')}\n")
    for topic in topics:
        parts.append(f"\\subsection*{{{latex_text(topic.head)}}}\n")
        parts.append(_list(_told(finding) for finding in topic.findings))
    return "\\begingroup\\raggedright\n" + "".join(parts) + "\\endgroup\n"


def why_trusted(certificates: Sequence[StoredSheet], room: Room) -> str:
    """How many exact values of each process agree with what was measured, and in which way; "" without a certificate.

    Args:
        certificates: tables of known answers. room: of a page.
    """
    parts = []
    for certificate in certificates:
        rows = certificate.sheet.rows
        words = [*dict.fromkeys(rows.loc[rows["agrees"] != "no", "agrees"]), "no"]
        lines = [
            (
                str(process),
                ", ".join(dict.fromkeys(mine["diagnostic"])),
                str(len(mine)),
                *(str(n) if (n := int((mine["agrees"] == word).sum())) else "" for word in words),
            )
            for process, mine in rows.groupby("process", sort=False)
        ]
        names = ("process", "what was measured of it", "answers", *words)
        cells = zip(*lines, strict=True)
        columns = [Column(name, column, i > 1) for i, (name, column) in enumerate(zip(names, cells, strict=True))]
        told = f"{int((rows['agrees'] != 'no').sum())} of {len(rows)} exact answers agree with what was measured"
        notes = [*certificate.sheet.notes[:1], _MOVED] if "moved" in words else certificate.sheet.notes[:1]
        label = f"tab:{certificate.name}_in_short"
        parts.append(latex_table([Block(columns)], notes, caption=f"{told}.", label=label, room=room))
    head = [room_of(_HIGH), "\n\\section*{Why the measuring can be trusted}\n", latex_text(_KNOWN), "\n"]
    return "".join([*head, *parts]) if parts else ""


def origins_and_names(facts: Mapping[str, str], meanings: Mapping[str, Any]) -> str:
    """Where the document is from, and what names stand for.

    Args:
        facts: by name. meanings: as `config.meanings` gives them; empty where nobody told.
    """
    parts = ["\\clearpage\n\\section*{Where this is from}\n"] if facts else []
    parts += [_list(latex_text(f"{name}: {value}") for name, value in facts.items())] if facts else []
    for family, names in meanings.get("names", {}).items():
        parts.append(f"\\section*{{What the names of {latex_text(family)} mean}}\n")
        kinds = meanings["kinds"][family]
        for kind in dict.fromkeys(kind for kind, _ in names.values()):
            parts.append(f"\\paragraph{{{latex_text(kind)}.}} {latex_text(kinds[kind])}\n")
            mine = {name: settings for name, (of, settings) in names.items() if of == kind}
            parts.append(_list(latex_text(f"{name}: {said or 'as by default'}") for name, said in mine.items()))
    return "\\begingroup\\raggedright\\small\n" + "".join(parts) + "\\endgroup\n" if parts else ""


def _told(finding: Finding) -> str:
    """A question with its answers, and what is to be compared with them."""
    lines = [_answer(answer.word, answer.extent, answer.brief) for answer in finding.answers]
    if finding.controls:
        told = ", ".join(f"{reply.number} ({reply.row})" for _, reply in finding.controls[:2])
        lines.append(latex_text(f"Not asked, but to be compared with: {told}"))
    return latex_text(finding.question) + "\n" + _list(lines)


def _answer(word: str, extent: str, brief: str) -> str:
    return f"\\textbf{{{word}}} {latex_text(extent + (f': {brief}' if brief else ''))}"


def _list(items: Iterator[str] | Sequence[str]) -> str:
    return "\\begin{itemize}\n" + "".join(f"\\item {item}\n" for item in items) + "\\end{itemize}\n"
