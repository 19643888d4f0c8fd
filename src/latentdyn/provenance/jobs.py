"""What jobs have run, with what and how it ended: `results/manifest.jsonl`, a line for each.

    results/.state/jobs/planned.json        of the last run: its config files, and what each job's command is of
    results/.state/jobs/{job}.json          one file for each job that has started and is in no line yet
    results/.state/jobs/code/{digest}.json  what counted in a digest of code, so that an edit can be named later
    results/manifest.jsonl                  a line for each job that has ended

A job writes a file of its own, under a name that no other job has, on whatever machine it runs. It writes it when it
starts and when it ends, each time beside its place and then renamed. So no lock is needed, on no file system, and a job
that was killed has left the file of its start. Only the Snakemake that holds the lock of the folder makes lines of the
files. Killed in the middle of that, it may make a line twice, which readers notice, or cut one, which they skip.

Nothing here is an input or output of a rule, and no digest holds it: it re-runs nothing.
"""

import contextlib
import hashlib
import json
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from latentdyn.files import atomic_path, canonical_json

FOLDER = Path("results/.state/jobs")  # relative to the working directory of a run
MANIFEST = Path("results/manifest.jsonl")
VARIABLE = "LATENTDYN_JOBS"  # of the environment of a run's jobs: that folder
_PLANNED = "planned.json"


@dataclass(frozen=True)
class Job:
    """What a job is of, as Snakemake plans it.

    code: the digest of its code. config: a digest of all its other params. params: these, by name.
    """

    rule: str
    wildcards: dict[str, str]
    inputs: list[str]
    outputs: list[str]
    code: str
    config: str
    params: dict[str, str] = field(default_factory=dict)


def planned_job(rule: str, wildcards: Mapping[str, str], inputs: Iterable[str], outputs: Iterable[str],
                params: Mapping[str, Any]) -> Job:  # fmt: skip
    """A job from what a rule knows of it."""
    others = {name: str(value) for name, value in params.items() if name not in ("code", "inputs", "state")}
    config = hashlib.sha256(canonical_json(others).encode()).hexdigest()[:16]
    read, written = ([str(file) for file in files] for files in (inputs, outputs))
    return Job(rule, dict(wildcards), read, written, str(params.get("code", "")), config, others)


def write_plan(jobs: Mapping[str, Job], started_with: Mapping[str, Any], folder: Path = FOLDER) -> None:
    """Keep what the jobs of a run are of, by their commands, and how the run was started."""
    content = {"started_with": started_with, "jobs": {_key(words_of(c)): asdict(job) for c, job in jobs.items()}}
    _write(folder / _PLANNED, content)


def started_with(folder: Path = FOLDER) -> dict[str, Any]:
    """How the last run was started; empty where there was none."""
    return dict(_read(folder / _PLANNED).get("started_with", {}))


def by_hand() -> bool:
    """Whether a person runs this step: no Snakefile has checked what it gets, and no run keeps a record of it."""
    return not os.environ.get(VARIABLE)


@contextlib.contextmanager
def recorded() -> Iterator[None]:
    """Record a step that runs as a job: that it starts, and how it ends. A step that is run by hand is not recorded."""
    if by_hand():
        yield
        return
    folder = os.environ[VARIABLE]
    module = f"latentdyn.steps.{Path(sys.argv[0]).stem}"
    started, host = time.time(), socket.gethostname()
    facts = {
        "job": f"{int(started * 1e6)}-{host}-{os.getpid()}", "command": _key(["python", "-m", module, *sys.argv[1:]]),
        "step": module.rpartition(".")[2], "started": _utc(started), "host": host, "status": "running",
    }  # fmt: skip
    file = Path(folder) / f"{facts['job']}.json"
    _note(file, facts)
    try:
        yield
    except BaseException as error:
        _note(file, {**facts, **_end(started), **_failure(error)})
        raise
    _note(file, {**facts, **_end(started), "status": "done"})


def collect(folder: Path = FOLDER, manifest: Path = MANIFEST) -> None:
    """Make lines of the files of all jobs. Only a Snakemake with the lock calls it, while none of its jobs runs."""
    files = list(_unfinished(folder))
    if not files:
        return
    lines = [canonical_json(told) for file in files if (told := _told(_read(file), folder))]
    with manifest.open("ab+") as out:
        out.write("".join(f"{line}\n" for line in (*_end_of_cut_line(out), *lines)).encode())
        out.flush()
        os.fsync(out.fileno())
    for file in files:
        file.unlink(missing_ok=True)


def runs(folder: Path = FOLDER, manifest: Path = MANIFEST) -> list[dict[str, Any]]:
    """Every job that is known, in the order of their starts; those that run are among them."""
    found: dict[str, dict[str, Any]] = {}
    if manifest.exists():
        for line in manifest.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):  # cut by a kill
                job = json.loads(line)
                found[job["job"]] = job
    for file in _unfinished(folder):
        if told := _told(_read(file), folder, ended=False):
            found.setdefault(told["job"], told)
    return sorted(found.values(), key=lambda job: str(job["started"]))


def keep_code(digest: str, entries: Iterable[str], presentation: bool, folder: Path = FOLDER) -> None:
    """Keep what counts in a digest of code, so that `why` can name the definitions that were edited since."""
    file = folder / "code" / f"{digest}.json"
    if file.exists():
        return
    from latentdyn.provenance.code import definition_digests

    named = list(entries)
    definitions = dict(definition_digests(*named, presentation=presentation))
    _write(file, {"entries": named, "presentation": presentation, "definitions": definitions})


def kept_code(digest: str, folder: Path = FOLDER) -> dict[str, Any]:
    """What counted in a digest of code; empty where that was not kept."""
    return _read(folder / "code" / f"{digest}.json")


def _unfinished(folder: Path) -> Iterator[Path]:
    """The files of jobs that are in no line yet; those that are just being written are left out."""
    yield from sorted(f for f in folder.glob("*.json") if f.name != _PLANNED and not f.name.startswith("."))


def _end_of_cut_line(manifest: BinaryIO) -> list[str]:
    """What ends the last line of a file, if a kill has cut it."""
    if manifest.seek(0, os.SEEK_END) == 0:
        return []
    manifest.seek(-1, os.SEEK_END)
    return [""] if manifest.read(1) != b"\n" else []


def _told(facts: dict[str, Any], folder: Path, ended: bool = True) -> dict[str, Any]:
    """The line of a job: what it says, and what was planned of it. ended: one that still runs has been killed."""
    if "job" not in facts:
        return {}
    if ended and facts["status"] == "running":
        facts = {**facts, "status": "killed", "error": "it ended without a word: killed, or its machine was lost"}
    planned = _read(folder / _PLANNED).get("jobs", {}).get(facts.pop("command"), {})
    return {"rule": facts["step"], **planned, **facts}


def _failure(error: BaseException) -> dict[str, str]:
    code = getattr(error, "code", 0) if isinstance(error, SystemExit) else 1
    if code in (0, None):
        return {"status": "done"}
    told = str(error) if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
    return {"status": "interrupted" if code == 130 else "failed", "error": told[:500]}


def _end(started: float) -> dict[str, Any]:
    return {"ended": _utc(time.time()), "seconds": round(time.time() - started, 3), "device": _device()}


def _device() -> str:
    """The GPU that the step has used, if it has used one."""
    torch = sys.modules.get("torch")
    return str(torch.cuda.get_device_name()) if torch and torch.cuda.is_initialized() else "cpu"


def words_of(command: str) -> list[str]:
    """The words of a rule's command, without what becomes of its output."""
    words = shlex.split(command)
    return words[: next((i for i, word in enumerate(words) if word.startswith(">")), len(words))]


def _key(words: list[str]) -> str:
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:32]


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _note(file: Path, facts: Mapping[str, Any]) -> None:
    """A record is not worth a job: where it cannot be written, there is none."""
    with contextlib.suppress(OSError):
        _write(file, facts)


def _write(file: Path, content: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as path:
        path.write_text(json.dumps(content), encoding="utf-8")


def _read(file: Path) -> dict[str, Any]:
    """What a file holds; nothing where it is gone or damaged."""
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}
