"""The text of config files: what gets lost when a parser turns it into values, and on which line each value stands.

Snakemake reads the files itself and hands on one merged mapping. It keeps the last of repeated keys without a word, and
YAML turns some words into dates, numbers or true and false. Only the text still tells. So each file is looked at once
more, before its values are checked.
"""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from latentdyn.errors import UserError

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEEPEST = 50  # of values in values; no config is nearly as deep
MOST = 100_000  # values, aliases written out
Place = tuple[str, ...]  # the keys that lead to a value; of an entry of a list, its number

_KINDS = {"int": "a number", "float": "a number", "bool": "true or false", "null": "null", "timestamp": "a date"}
_SEXAGESIMAL = re.compile(r"[-+]?\d[\d_]*(:[0-5]?\d)+(\.\d*)?")
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_QUOTES = "put it in quotes, if it is meant as text"


def check_command_line(arguments: Sequence[str]) -> None:
    """Check that Snakemake reads all config files that its command line names.

    Raises:
        UserError: `--configfile` is given more than once. Snakemake reads those of the last one alone.
    """
    options = [a for a in arguments if re.fullmatch(r"--configfiles?(=.*)?", a)]
    if len(options) > 1:
        raise UserError(
            f"--configfile is given {len(options)} times, and Snakemake drops the files of all but the last",
            "the command line of Snakemake",
            "give all files after one: --configfile FIRST.yaml SECOND.yaml (where they differ, the later one counts)",
        )


def check_files(files: Sequence[str | Path]) -> None:
    """Check the text of config files.

    Raises:
        UserError: a file cannot be read, repeats a key, or holds a key or value that YAML does not read as it looks:
            a date, an infinite number, a set, a key that is a number. All mistakes of a file are told, by line.
    """
    for file in files:
        root = _composed(Path(file))
        if any(key.value == "__use_yte__" for key, _ in root.value):
            continue  # a template; what it makes is checked as values
        mistakes = set(_mistakes(root, (), frozenset(), set()))
        if not mistakes and _written_out(root, {}) > MOST:
            mistakes = {(1, f"its aliases stand for more than {MOST} values; write out what is meant")}
        if mistakes:
            lines = "; ".join(f"line {line}: {what}" for line, what in sorted(mistakes)[:20])
            raise UserError(
                f"this config file does not say what it seems to say: {lines}",
                shown(file),
                "correct these lines",
            )


def merged(files: Sequence[str | Path]) -> dict[str, Any]:
    """The values of config files as Snakemake merges them: mappings key by key, anything else by the last file.

    Raises:
        UserError: as of `check_files`.
    """
    check_files(files)
    values: dict[str, Any] = {}
    for file in files:
        try:
            _update(values, yaml.load(_text(Path(file)), Loader))
        except ValueError as error:  # a number of thousands of digits
            raise UserError(
                f"a value of this config file cannot be read ({error})", shown(file), "correct it"
            ) from None
    return values


def _update(values: dict[str, Any], new: dict[str, Any]) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _update(values[key], value)
        else:
            values[key] = value


def line_of(files: Sequence[str | Path], place: Sequence[str | int]) -> str | None:
    """Where a value stands, as `FILE, line N`: in the last file that has it, or else the nearest thing around it.

    Files that cannot be read are passed over. None where no file has even the first key.
    """
    wanted = tuple(str(key) for key in place)
    best: tuple[int, str] | None = None
    for file in files:
        try:
            root = _composed(Path(file))
        except UserError:
            continue
        depth, line = _descend(root, wanted)
        if depth and (best is None or depth >= best[0]):
            best = depth, f"{shown(file)}, line {line}"
    return best[1] if best else None


def shown(file: str | Path) -> str:
    """A file's name as a person would write it: relative to the working directory, where it lies below that."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_absolute() and path.is_relative_to(Path.cwd()) else str(path)


def _composed(file: Path) -> yaml.MappingNode:
    """The file's tree of nodes.

    Raises:
        UserError: it is missing, empty, no YAML (nor JSON, which is YAML), or not a mapping.
    """
    try:
        root = yaml.compose(_text(file), Loader=Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"this config file cannot be read ({error})", shown(file), "give a YAML file in UTF-8"
        ) from None
    except RecursionError:
        raise UserError("this config file holds values in values without end", shown(file), "nest them less") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        fix = "correct it; indent with spaces, never with tabs"
        raise UserError(f"this config file is not YAML ({problem})", f"{shown(file)}{line}", fix) from None
    if not isinstance(root, yaml.MappingNode):
        what = "is empty" if root is None else "holds no keys at its top level"
        raise UserError(f"this config file {what}", shown(file), "begin with sections, as config/config.yaml does")
    return root


def _text(file: Path) -> str:
    """A file's text. JSON may be indented by tabs, which YAML refuses."""
    text = file.read_text(encoding="utf-8-sig")
    return text.replace("\t", " ") if text.lstrip().startswith("{") else text


def _mistakes(node: yaml.Node, place: Place, above: frozenset[int], seen: set[int]) -> Iterator[tuple[int, str]]:
    """The mistakes of a node and of all below it, each with its line.

    Args:
        above: the nodes that it is in. seen: those that are done; aliases name a node more than once.
    """
    dotted, line = ".".join(place), node.start_mark.line + 1
    if id(node) in above:
        yield line, f"{dotted} contains itself (an alias of what it is in)"
        return
    if len(place) > DEEPEST:
        yield line, f"{'.'.join(place[:3])}: holds values in values without end"
        return
    if id(node) in seen:
        return
    seen.add(id(node))
    above |= {id(node)}
    if isinstance(node, yaml.ScalarNode):
        if odd := _odd_value(node):
            yield line, f"{dotted}: {odd}"
        return
    if not node.tag.endswith((":map", ":seq")):
        kind = node.tag.rpartition(":")[2].lstrip("!")
        yield line, f"{dotted}: a config holds no {kind}; write a list or a mapping"
        return
    if isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            yield from _mistakes(value, (*place, str(i)), above, seen)
        return
    first: dict[str, int] = {}
    for key, value in node.value:
        name, here = (*place, str(key.value)), key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            yield here, f"{dotted}: a key must be text, not a list or a mapping"
            continue
        if key.tag.endswith(":merge"):
            yield from _mistakes(value, place, above, seen)
            if not _can_be_merged(value):
                yield here, f"{'.'.join(name)}: only a mapping, or a list of mappings, can be merged"
            continue
        if not key.tag.endswith(":str"):
            yield (
                here,
                f"{'.'.join(name)}: YAML reads this key as {_kind(key)}; put it in quotes, or choose another name",
            )
        if key.value in first:
            yield (
                here,
                f"{'.'.join(name)} is named again (first in line {first[key.value]}); only one of them would count",
            )
        first.setdefault(key.value, here)
        yield from _mistakes(value, name, above, seen)


def _written_out(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a tree without cycles holds once every alias is written out."""
    if id(node) not in known:
        parts = getattr(node, "value", None) if isinstance(node, yaml.CollectionNode) else []
        below = [part for entry in parts or [] for part in (entry if isinstance(entry, tuple) else (entry,))]
        known[id(node)] = 1 + sum(_written_out(part, known) for part in below)
    return known[id(node)]


def _can_be_merged(node: yaml.Node) -> bool:
    parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
    return all(isinstance(part, yaml.MappingNode) for part in parts)


def _kind(node: yaml.ScalarNode) -> str:
    return _KINDS.get(node.tag.rpartition(":")[2], node.tag.rpartition(":")[2])


def _odd_value(node: yaml.ScalarNode) -> str | None:
    """What is wrong with a scalar; None where it is what it looks like."""
    tag, text = node.tag.rpartition(":")[2], node.value
    if tag == "timestamp":
        return f"YAML reads {text} as a date; {_QUOTES}"
    if tag == "float" and not _SEXAGESIMAL.fullmatch(text) and not _is_finite(text):
        return f"{text} is not finite; give a finite number"
    if tag in ("int", "float") and (_SEXAGESIMAL.fullmatch(text) or (tag == "int" and _OCTAL.fullmatch(text))):
        return f"YAML reads {text} as {Loader('').construct_object(node):g}; write that number, or {_QUOTES}"
    if tag not in ("int", "float", "str", "bool", "null"):
        return (
            f"a config holds no {tag.lstrip('!') or 'value without a type'}; write text, a number, a list or a mapping"
        )
    return None


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text.replace("_", "")))
    except ValueError:  # .inf, .nan
        return False


def _descend(node: yaml.Node | None, place: Place) -> tuple[int, int]:
    """How many keys of a path a tree has, and the line of the last of them."""
    line = node.start_mark.line + 1 if node else 0
    for depth, wanted in enumerate(place):
        found = _below(node, wanted)
        if found is None:
            return depth, line
        key, node = found
        line = key.start_mark.line + 1
    return len(place), line


def _below(node: Any, wanted: str) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in reversed(node.value) if key.value == wanted), None)
    if isinstance(node, yaml.SequenceNode) and wanted.isdigit() and int(wanted) < len(node.value):
        return (node.value[int(wanted)],) * 2
    return None
