"""Where results are from: the run records of a corpus's folder, summed up by rule."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

import latentdyn
from latentdyn.files import read_own_json
from latentdyn.parquet import parquet_facts, read_parquet

_MADE_BY, _LISTED_BY = "split_speakers", "build_manifest"
_MOST_FOLDERS = 8  # that are told one by one
_SKIPPED = {".snakemake", ".state", "audio", "logs"}


@dataclass(frozen=True)
class Stage:
    """The jobs of one rule. seconds: of all together. peak_mb: of the largest, None where no record tells it.
    devices: all that there were. first, last: when they ended (UTC)."""

    rule: str
    jobs: int
    seconds: float
    peak_mb: float | None
    devices: str
    first: str
    last: str

    @property
    def duration(self) -> str:
        minutes, seconds = divmod(round(self.seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


@dataclass(frozen=True)
class Origins:
    """stages: in the order in which they first ended. environment: by name, every value that a job had. damaged:
    records that are not as they were written."""

    stages: list[Stage]
    environment: dict[str, str]
    damaged: list[str]


def origins(folder: Path) -> Origins:
    """What the run records below a folder tell."""
    records, damaged = [], []
    for path in sorted(_files(folder, ".run.json")):
        if path.name == "files.run.json":  # the files that a job wrote beside what it measured: that record counts
            continue
        record = read_own_json(path)
        if record is None:
            damaged.append(path.relative_to(folder).as_posix())
        else:
            records.append(_facts(record))
    if not records:
        return Origins([], {}, damaged)
    table = pd.DataFrame(records).sort_values("finished", kind="stable")
    stages = [_stage(str(rule), jobs) for rule, jobs in table.groupby("rule", sort=False)]
    shared = {name: _joined(table[name]) for name in ("latentdyn", "commit", "python", "platform", "packages")}
    return Origins(stages, {name: value for name, value in shared.items() if value}, damaged)


def facts_of(folder: Path, splits: Path | None, commit: str | None) -> dict[str, str]:
    """What a document says of where it is from, by name: versions, speech, utterances, weights of codecs.

    Args:
        folder: of the corpus. splits: its splits.parquet, where speakers are to be counted. commit: of the code that
            writes it, where that is known.

    Raises:
        UserError: a file is not as it was written.
    """
    facts = {"latentdyn": latentdyn.__version__, "corpus": folder.name}
    if commit:
        facts["commit"] = commit
    if splits:
        facts["speech"] = speech(splits)
    if latents := latents_of(folder):
        facts["latents"] = latents
    return facts | material(folder)


def speech(splits: Path) -> str:
    """How much a corpus has, in a sentence: of each split the speakers, the utterances and, where known, the hours.

    Raises:
        UserError: the file is not as it was written.
    """
    table = read_parquet(splits, ["split", "n_utterances", "duration_s"], made_by=_MADE_BY)
    told = []
    for split, mine in table.groupby("split"):
        minutes = mine["duration_s"].sum() / 60  # 0 of what came without audio
        long = f" of {minutes / 60:.3g} hours" if minutes >= 60 else f" of {minutes:.3g} minutes" if minutes else ""
        told.append(f"{split} {len(mine)} speakers, {mine['n_utterances'].sum()} utterances{long}")
    return "; ".join(told)


def material(folder: Path) -> dict[str, str]:
    """What results are made of, as far as it is recorded below a corpus's folder: which utterances, and the weights of
    each codec. By name, in words."""
    told = {}
    listed = read_own_json(folder / "manifest.json")
    table = folder / "manifest.parquet"
    if listed and table.exists() and not _is_of_recordings(table):
        told["utterances"] = (
            f"{listed['n_utterances']}, without recordings; the digest of their list is {listed['digest']}"
        )
    elif listed and table.exists():
        paths = read_parquet(table, ["path"], made_by=_LISTED_BY)["path"].dropna()
        tops = paths.str.split("/").str[0].value_counts().sort_index()
        few = len(tops) <= _MOST_FOLDERS and paths.str.contains("/").all()  # else they are speakers, or files
        of = ", ".join(f"{n} in {top}" for top, n in tops.items()) if few else ""
        told["utterances"] = (
            f"{of or listed['n_utterances']}; each with the sha256 of its file in manifest.parquet, whose digest is "
            f"{listed['digest']}"
        )
    for path in sorted(folder.glob("*/latents.json")):
        facts = read_own_json(path) or {}
        if len(facts.get("lineage", ())) == 1 and facts.get("weights_sha256"):
            told[f"weights of {path.parent.name}"] = f"sha256 {facts['weights_sha256']}"
    return told


def latents_of(folder: Path) -> str:
    """Which latents are below a corpus's folder, in a sentence: those of codecs, and how many are made of them; ""
    without any. Surrogates are not counted."""
    handles = {path.parent.name: read_own_json(path) or {} for path in sorted(folder.glob("*/latents.json"))}
    known = {name: facts for name, facts in handles.items() if "__" not in name and "dim" in facts}
    own = {name: facts for name, facts in known.items() if len(facts.get("lineage", ())) == 1}
    told = [f"of {name}, {facts['dim']} dimensions{_at([facts])}" for name, facts in own.items()]
    if made := [facts for name, facts in known.items() if name not in own]:
        low, high = (of(facts["dim"] for facts in made) for of in (min, max))
        sizes = f"{low} to {high}" if low < high else f"{low}"
        told.append(f"{len(made)} representations are made of them, of {sizes} dimensions{_at(made)}")
    return f"latents are {'; '.join(told)}" if told else ""


def _at(handles: Iterable[Mapping[str, Any]]) -> str:
    """The frame rates of some latents, after a blank; "" where none is known."""
    rates = sorted({facts["frame_rate_hz"] for facts in handles if facts.get("frame_rate_hz")})
    return f" at {', '.join(f'{rate:g}' for rate in rates)} Hz" if rates else ""


def made_of(folder: Path) -> dict[str, str]:
    """Of each representation below a corpus's folder, how it is made, how large it is, and how many frames a second it
    has, in words."""
    told = {}
    for path in sorted(folder.glob("*/latents.json")):
        facts = read_own_json(path) or {}
        if "dim" in facts and "lineage" in facts:
            links = ", then ".join(str(link["kind"]) for link in facts["lineage"])
            told[path.parent.name] = f"{links}: {facts['dim']} dimensions{_at([facts])}"
    return told


def frame_rates(folder: Path) -> dict[str, float]:
    """Frames a second of each representation below a corpus's folder."""
    handles = {path.parent.name: read_own_json(path) or {} for path in sorted(folder.glob("*/latents.json"))}
    return {name: float(facts["frame_rate_hz"]) for name, facts in handles.items() if facts.get("frame_rate_hz")}


def citation(facts: Mapping[str, str], settings: Iterable[str]) -> str:
    """How to name what made a document: project, version, commit, and a digest of all settings. No authors: nobody told
    them.

    Args:
        facts: as of `facts_of`. settings: of each table, as JSON.
    """
    digest = hashlib.sha256("\n".join(settings).encode()).hexdigest()[:16]
    commit = f", commit {facts['commit']}" if "commit" in facts else ""
    return f"latentdyn {latentdyn.__version__}{commit}, settings {digest}"


def _is_of_recordings(manifest: Path) -> bool:
    """Whether a list of utterances names files: those that are drawn, or came as latents, have none.

    Raises:
        UserError: it is not as it was written.
    """
    parquet_facts(manifest, made_by=_LISTED_BY)
    return "path" in pq.read_schema(manifest).names


def _files(folder: Path, ending: str) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if path.name not in _SKIPPED and path.suffix != ".zarr":
                yield from _files(path, ending)
        elif path.name.endswith(ending):
            yield path


def _facts(record: dict[str, Any]) -> dict[str, Any]:
    device = record.get("device") or {}
    packages = record.get("packages") or {}
    return {
        "rule": _rule([str(word) for word in record["command"]]),
        "finished": record["finished"],
        "seconds": float(record["seconds"]),
        "peak_mb": record.get("peak_mb"),  # records of older versions have none
        "device": str(device.get("name") or device.get("type") or "") if isinstance(device, dict) else str(device),
        "latentdyn": record["latentdyn"],
        "commit": record.get("commit") or "",
        "python": record["python"],
        "platform": record["platform"],
        "packages": ", ".join(f"{name} {version}" for name, version in packages.items()),
    }


def _rule(command: list[str]) -> str:
    """The rule whose command this is: of measurements and models, it bears the name of their kind."""
    step = Path(command[0]).stem
    told = dict(pairwise(command))
    if step == "measure" and "--identity" in told:
        return f"measure_{json.loads(told['--identity'])['measurement']}"
    return f"train_{told['--kind']}" if step == "train_model" and "--kind" in told else step


def _stage(rule: str, jobs: pd.DataFrame) -> Stage:
    return Stage(
        rule,
        len(jobs),
        float(jobs["seconds"].sum()),
        max(jobs["peak_mb"].dropna(), default=None),
        _joined(jobs["device"]),
        str(jobs["finished"].min()),
        str(jobs["finished"].max()),
    )


def _joined(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(filter(None, values)))
