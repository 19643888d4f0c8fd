"""Why a target would be made again, in words: which setting, which code, which file; or that nothing would run.

Snakemake plans, without running anything, and says the kind of each reason. What lies behind it follows from records:
the command and the inputs that Snakemake kept of the job that made an output (`.snakemake/metadata`), and what counted
in the digest of its code (`jobs`).
"""

import base64
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentdyn.errors import UserError
from latentdyn.provenance.code import code_digest, definition_digests
from latentdyn.provenance.jobs import kept_code, started_with, words_of

_BY_OTHERS = "Input files updated by another job"
_METADATA = Path(".snakemake/metadata")
_PARAMS, _INPUTS = "Params have changed since last execution", "Set of input files has changed since last execution"
_REASONS = re.compile(
    r"; (?=(?:Missing output|Input files|Updated input|Params have|Set of input|Code has|Software) ?)"
)
_PARAM = re.compile(r"across all output: before: (.*) now: (.*)$")
_SHOWN = 8  # of things of one kind


@dataclass(frozen=True)
class Planned:
    """A job that would run.

    reasons: as Snakemake says them, but for what another job makes anew. command: its words.
    """

    rule: str
    inputs: list[str]
    outputs: list[str]
    reasons: list[str]
    command: list[str]


def explain(target: str, configfiles: Sequence[str]) -> Iterator[str]:
    """Why a target would be made again, a line each.

    Args:
        target: a file of results, or a rule. configfiles: those of the run; none for those of the last run.

    Raises:
        UserError: Snakemake makes no plan for it.
    """
    planned = list(_planned(_dry_run(target, _configuration(configfiles))))
    if not planned:
        yield f"Nothing would run: {target} is up to date with its inputs, its settings and its code."
        return
    first = [job for job in planned if job.reasons]
    yield f"{len(planned)} jobs would run for {target}. {_count(len(first))} not only because of another job:"
    for job in first:
        yield ""
        yield f"{job.rule}, which makes {job.outputs[0] if job.outputs else 'no file'}:"
        yield from (f"  - {line}" for reason in job.reasons for line in _in_words(reason, job))
    if rest := [job for job in planned if not job.reasons]:
        yield ""
        rules = ", ".join(dict.fromkeys(job.rule for job in rest))
        yield f"{len(rest)} more follow, since their inputs are made anew, whatever else has changed: {rules}."


def _count(n: int) -> str:
    return f"{n} of them" if n != 1 else "One of them"


def _configuration(configfiles: Sequence[str]) -> list[str]:
    """The options of Snakemake that name the configuration: these files, or what the last run was started with."""
    last: dict[str, Any] = {"configfiles": configfiles} if configfiles else started_with()
    files, given = last.get("configfiles", []), last.get("config", {})
    values = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in given.items()]
    return [*(["--configfile", *files] if files else []), *(["--config", *values] if values else [])]


def _dry_run(target: str, configuration: Sequence[str]) -> str:
    command = [sys.executable, "-m", "snakemake", "-n", "-p", "--nocolor", *configuration, "--", target]
    done = subprocess.run(command, capture_output=True, text=True)
    text = done.stdout + done.stderr
    if done.returncode:
        raise UserError(
            f"Snakemake makes no plan for this ({_complaint(text)})",
            target,
            "in the folder of the run, name a file of its results, such as results/demo/tables/phones.csv; give the "
            "files of its configuration with --configfile",
        )
    return text


def _complaint(text: str) -> str:
    """What Snakemake says is wrong: from the name of its error on, where there is one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [i for i, line in enumerate(lines) if re.match(r"\w*(Exception|Error)\b", line)]
    return " ".join(lines[errors[0] if errors else 0 :])[:500]


def _planned(text: str) -> Iterator[Planned]:
    """The jobs of a dry run's output."""
    for block in re.split(r"^(?=(?:local)?(?:rule|checkpoint) \w+:$)", text, flags=re.M)[1:]:
        rule = re.search(r"^(?:local)?(?:rule|checkpoint) (\w+):$", block, re.M)
        fields = dict(re.findall(r"^    (\w+): (.*)$", block, re.M))
        command = re.search(r"^Shell command: ?\n?(.*?)$|^ *(python -m latentdyn\.steps\..*)$", block, re.M)
        reasons = [reason.strip() for reason in _REASONS.split(fields.get("reason", "")) if reason.strip()]
        assert rule
        yield Planned(
            rule[1],
            _listed(fields.get("input", "")),
            _listed(fields.get("output", "")),
            [reason for reason in reasons if not reason.startswith(_BY_OTHERS)],
            words_of(command[1] or command[2] or "") if command else [],
        )


def _listed(files: str) -> list[str]:
    return [file.strip() for file in files.split(",") if file.strip()]


def _in_words(reason: str, job: Planned) -> Iterator[str]:
    """One reason of a job, with what lies behind it."""
    kept = _metadata(job.outputs[0]) if job.outputs else {}
    if reason.startswith(_PARAMS):
        found = [*_settings(kept, job), *_code(kept, job)]
        yield from found or [_unnamed(reason)]
    elif reason.startswith(_INPUTS):
        before, now = set(map(str, kept.get("input", []))), set(job.inputs)
        yield from _some("it reads a file that it did not read before", sorted(now - before))
        yield from _some("it does not read a file any more", sorted(before - now))
    elif reason.startswith("Missing output files"):
        missing = _listed(reason.partition(":")[2])
        yield from _some("this file does not exist" if kept else "this file has never been made", missing)
    elif reason.startswith("Updated input files"):
        yield from _some("this input has changed since", _listed(reason.partition(":")[2]))
    elif reason.startswith("Code has changed"):
        yield "the command of its rule has changed (workflow/rules)"
    else:
        yield reason


def _unnamed(reason: str) -> str:
    """What Snakemake says of a param that is neither in the command nor of code."""
    told = _PARAM.search(reason)
    if not told:
        return "its settings or its code have changed; what they were is not kept"
    before, now = (textwrap.shorten(part, 300, placeholder=" ...") or "nothing" for part in told.groups())
    return f"a param of its rule: {before} -> {now}"


def _some(what: str, things: Sequence[str]) -> Iterator[str]:
    yield from (f"{what}: {thing}" for thing in things[:_SHOWN])
    if len(things) > _SHOWN:
        yield f"and {len(things) - _SHOWN} more"


def _metadata(output: str) -> dict[str, Any]:
    """What Snakemake has kept of the job that made a file; empty where it has kept nothing."""
    name = base64.b64encode(output.encode(), b"_-").decode()
    for file in (_METADATA / name, *_METADATA.glob(f"@*/{name}")):
        try:
            return dict(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
    return {}


def _settings(kept: Mapping[str, Any], job: Planned) -> Iterator[str]:
    """What differs between the words of the command that made an output and of the one that would make it anew."""
    before, now = _options(words_of(str(kept.get("shellcmd") or ""))), _options(job.command)
    if not before or not now:
        return
    for name in [*before, *(name for name in now if name not in before)]:
        if name != "code" and before.get(name) != now.get(name):
            yield from _differences(name, before.get(name), now.get(name))


def _options(words: Sequence[str]) -> dict[str, Any]:
    """The options of a command, each with its value: read as JSON, where it is JSON."""
    options: dict[str, list[str]] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            options[name] = [value] if value else []
        elif name:
            options[name].append(word)
    return {name: _value(given) for name, given in options.items()}


def _value(given: list[str]) -> Any:
    try:
        return json.loads(given[0]) if len(given) == 1 else given
    except ValueError:
        return given[0]


def _differences(place: str, before: Any, now: Any) -> Iterator[str]:
    """In what two values differ, each key by its dotted path."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            if before.get(key) != now.get(key):
                yield from _differences(f"{place}.{key}", before.get(key), now.get(key))
        return
    old, new = (json.dumps(value, ensure_ascii=False) if value is not None else "nothing" for value in (before, now))
    yield f"setting {place}: {old} -> {new}"


def _code(kept: Mapping[str, Any], job: Planned) -> Iterator[str]:
    """Which definitions were edited since the digest that an output was made with."""
    for param in kept.get("params", []):
        digest, _, gates = str(param).strip("'").partition("-")
        code = kept_code(digest)
        if not code:
            continue
        entries, presentation = code["entries"], code["presentation"]
        if code_digest(*entries, presentation=presentation) == digest:
            if gates:
                yield "gates.yaml asks something else, unless a setting above has changed"
            continue
        before, now = code["definitions"], dict(definition_digests(*entries, presentation=presentation))
        yield from _some("code was edited", [name for name in now if name in before and before[name] != now[name]])
        yield from _some("code is new, or reached now", [name for name in now if name not in before])
        yield from _some("code is gone, or reached no more", [name for name in before if name not in now])
