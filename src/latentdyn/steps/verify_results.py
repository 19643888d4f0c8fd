"""Check that every file of a results folder is there and as it was written.

What carries a checksum is compared with it, and what a handle or a run record describes is compared with that. What is
left of something that is gone is told too: of a handle, a record, a table, a measurement. One line is printed for each
damaged or missing file: which one it is, what is wrong, and which file to delete, so that the same snakemake command
makes it again. The exit status is 1 if there is any. A last sentence says what is not checked. Unfinished work (.state)
is not: a job that continues it checks it, and does again what is damaged.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from latentdyn.diagnostics.records import IDENTITY, Identity, read_metrics
from latentdyn.errors import UserError
from latentdyn.files import check_folders, file_sha256, read_json
from latentdyn.models.checkpoint import read_checkpoint
from latentdyn.parquet import parquet_facts, read_parquet
from latentdyn.steps.cli import run_step
from latentdyn.stores.frames import read_frames_handle
from latentdyn.stores.latents import open_latents

_SHOWN = {"csv", "md", "tex", "sheet.json", "png", "svg"}  # endings of the forms of a table and of its figure
_AGAIN = "and run the same command again"
MODEL_KINDS = ("predictor", "score", "vae", "factorizer")  # what is fitted; a handle has its kind's name
_PARTS = {"parts", "manifest_parts"}  # folders, of tables that say which corpus they are of
_SKIPPED = {".snakemake", ".state", "audio", "logs"}  # audio: by the manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"), help="the folder (default: results)")


def step(arguments: argparse.Namespace) -> None:
    results = arguments.results
    if not results.is_dir():
        raise UserError("there is no such folder of results", results, "give the folder that Snakemake made")
    files, damaged, found = list(_files(results)), dict[str, str](), Found()
    summed = [path for path in files if _carries_checksum(path)]
    if not summed:
        raise UserError("this folder holds no results", results, "give the folder that Snakemake made")
    errors = [error for path in summed for error in _faults(path, found)]
    others = [path for path in files if path not in found.described and not _carries_checksum(path)]
    for error in [*errors, *_gone(results, found.measured), *_not_described(others)]:
        damaged.setdefault(error.where, f"{error.where}: {error.what}. What to do: {error.fix}.")
    for line in damaged.values():
        print(line)
    not_checked = _without_figure(results) + _not_checked(results, others)
    if damaged:
        print(f"{len(damaged)} damaged or missing files in {results}: do what each line says, {_AGAIN}. {not_checked}")
        sys.exit(1)
    print(
        f"All that is there is as it was written: {len(summed)} files with a checksum in {results}, and "
        f"{len(found.described)} that they describe. {not_checked}"
    )


class Found:
    """What the files that carry a checksum tell. described: files that they hold a digest of. measured: identities of
    the measurements that are there."""

    def __init__(self) -> None:
        self.described: set[Path] = set()
        self.measured: set[tuple[str, ...]] = set()


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder but those that are passed over."""
    for path in sorted(folder.iterdir()):
        if not path.is_dir():
            if path.name != ".snakemake_timestamp":  # Snakemake's own, in each folder that a rule makes
                yield path
        elif path.name not in _SKIPPED:
            yield from _files(path)


def _carries_checksum(path: Path) -> bool:
    """Whether a file has a checksum of its own; those of a store stand in its handle."""
    return path.suffix in (".json", ".parquet") and not any(folder.suffix == ".zarr" for folder in path.parents)


def _not_checked(results: Path, others: list[Path]) -> str:
    """What this step does not look at, in a sentence."""
    first = f" (no step has a checksum of them; the first is {others[0].relative_to(results)})" if others else ""
    return (
        f"Not checked: {len(others)} other files{first}; logs and "
        "unfinished work; run records of models and measurements that are missing; and whether the config asks for "
        "more, which snakemake -n tells."
    )


def _without_figure(results: Path) -> str:
    """The tables that have no figure, which is no damage where nobody asked for one."""
    tables = sorted(results.glob("*/tables/*.csv"))
    names = [f"{t.parts[-3]}/{t.stem}" for t in tables if not _figure(t).exists()]
    return f"Tables without a figure, in case you asked for it: {', '.join(names)}. " if names else ""


def _figure(table: Path) -> Path:
    return table.parent.with_name("figures") / f"{table.stem}.png"


def _not_described(others: list[Path]) -> Iterator[UserError]:
    """Files of a kind that a run record describes, and does not."""
    for path in others:
        records = [owner for owner in _owners(path) if owner.name.endswith(".run.json") and owner.exists()]
        if records:
            yield UserError(f"{records[0].name} beside it holds no checksum of it", path, _yours_or_again(path))


def _yours_or_again(path: Path) -> str:
    return f"if you have put it there, move it out of the results; else delete {path} {_AGAIN}"


def _gone(folder: Path, measured: set[tuple[str, ...]]) -> Iterator[UserError]:
    """What is missing of which something else is left.

    Args:
        measured: identities of the measurements that are there.
    """
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in _SKIPPED and path.suffix != ".zarr":
            yield from _gone(path, measured)
        owners = _owners(path)
        if owners and not any(owner.exists() for owner in owners):
            shown = path.parent.name in ("tables", "figures")
            fix = _yours_or_again(path) if shown else f"delete {path} {_AGAIN}"
            yield UserError(f"it is missing, and {path.name} is left of it", owners[0], fix)
        if path.suffix in (".csv", ".png") and path.parent.name in ("tables", "figures"):
            for name in ("metrics", "speakers", "worst_frames"):
                file = path.parent.with_name("measured") / path.stem / f"{name}.parquet"
                if not file.exists():
                    what = f"it is missing, and {path.name} that was made of it is left"
                    yield UserError(what, file, _yours_or_again(path))
        if path.name == "metrics.parquet" and path.parent.parent.name == "measured":
            yield from filter(None, [_error(partial(_check_measured, path, measured))])
            table = path.parents[2] / f"tables/{path.parent.name}.csv"
            if not table.exists():
                what = "it is missing, and what it shows is measured"
                fix = "run the same command again, which makes it; if nothing asks for it any more, delete "
                yield UserError(what, table, f"{fix}{path.parent}")


def _owners(path: Path) -> list[Path]:
    """The handle or record, or what may be that, without which a file or folder is worth nothing."""
    corpus_handle = path.with_name("manifest.json")
    if path.parent.name in ("tables", "figures"):
        name, _, form = path.name.partition(".")
        return [path.with_name(f"{name}.run.json")] if form in _SHOWN else []
    if path.name in ("report.html", "report.run.json"):
        return [path.with_name("report.run.json" if path.suffix == ".html" else "report.html")]
    if path.parent.suffix == ".heard" or path.parent.name == "paper":
        return [path.with_name("files.run.json")] if path.name != "files.run.json" else []
    if path.suffix in (".zarr", ".safetensors") or path.name in ("manifest.parquet", "frames.parquet"):
        return [path.with_suffix(".json")]
    if path.name in ("splits.parquet", "excluded.parquet"):
        return [corpus_handle]
    if path.name == "audio" and path.is_dir() and corpus_handle.exists():
        return [path.with_name("audio.json")]
    if path.parent.name == "parts" and path.suffix == ".parquet":
        return [path.parent.with_name("manifest.json")]
    if path.name == "curve.parquet":
        return [path.with_name(f"{kind}.json") for kind in MODEL_KINDS]
    if path.name.endswith("speakers.parquet") and path.parent.parent.name != "measured":
        return [path.with_name(f"{path.stem.removesuffix('speakers').removesuffix('_') or 'metrics'}.json")]
    if path.suffix == ".heard":
        return [path.with_suffix(".json")]
    if path.name.endswith(".run.json"):
        return [path.with_name(path.name.replace(".run.json", ".json"))]
    return []


def _check_measured(path: Path, measured: set[tuple[str, ...]]) -> None:
    """Whether every measurement of a collection is still there."""
    names = list(IDENTITY)
    collected = read_parquet(path, names, made_by="collect_metrics")[names].drop_duplicates().astype(str)
    gone = [identity for identity in collected.itertuples(index=False, name=None) if identity not in measured]
    if gone:
        of = dict(zip(names, gone[0], strict=True))
        raise UserError(
            f"{len(gone)} of {len(collected)} measurements that it was collected from are missing; the first is "
            f"{of['measurement']} of {of['representation']} by {of['by']}, seed {of['seed']}",
            path,
            f"delete it {_AGAIN}; if nothing asks for its table any more, delete its folder and the table",
        )


def _faults(path: Path, found: Found) -> Iterator[UserError]:
    """What is wrong with a file, or with what it describes. What it tells is added to `found`."""
    content: dict[str, Any] = {}

    def read() -> None:
        content.update(parquet_facts(path, made_by="") if path.suffix == ".parquet" else read_json(path, made_by=""))

    if error := _error(read):
        yield UserError(error.what, path, f"delete {_wanted(path)} {_AGAIN}")
        return
    if "identity" in content:
        found.measured.add(tuple(map(str, vars(Identity(**content["identity"])).values())))
    if path.suffix == ".json":
        found.described |= set(_described(path, content))
    place = path.parent if path.parent.name in _PARTS else path
    if error := _error(lambda: check_folders(place, content)):
        yield UserError(error.what, path, f"delete {path} {_AGAIN}")
    checks = [lambda: _check_collection(path, content)] if path.suffix == ".parquet" else _checks(path, content)
    yield from filter(None, map(_error, checks))


def _error(check: Callable[[], object]) -> UserError | None:
    try:
        check()
    except UserError as error:
        return error
    return None


def _wanted(path: Path) -> Path:
    """The file to delete so that this one is made again: one that some later job reads."""
    if path.name == "excluded.parquet":
        return path.with_name("manifest.json")
    handles = path.parent.glob("*.json") if path.name == "curve.parquet" else [path.with_suffix(".json")]
    models = [handle for handle in handles if handle.stem in (*MODEL_KINDS, path.stem) and handle.exists()]
    return models[0] if models else path


def _checks(path: Path, content: dict[str, Any]) -> Iterator[Callable[[], object]]:
    """What to compare with a file of JSON, by what the file holds."""
    table = path.with_suffix(".parquet")
    for needed in _needed(path, content):
        yield partial(_check_there, needed, path)
    if {"lineage", "files"} <= content.keys():
        for name, facts in content["files"].items():
            yield partial(_compare, path.with_suffix(".zarr") / name, facts["sha256"], path)
        yield partial(_check_parts, path, content)
        yield lambda: open_latents(path)
    elif "latents_digest" in content:
        yield lambda: read_parquet(table, [], made_by="index_frames", handle=path)
        yield lambda: read_frames_handle(path, open_latents(path.with_name("latents.json")))
    elif {"parts", "data"} <= content.keys():
        yield lambda: read_checkpoint(path, content["kind"], None, content["dim"])
        yield lambda: _check_curve(path, content["curve"])
    elif "identity" in content:
        yield lambda: _check_sums(path, read_metrics(path).sums)
    elif "n_utterances" in content and "hours" in content:
        yield lambda: read_parquet(table, [], made_by="build_manifest", handle=path)
        if "excluded" in content:
            yield partial(_check_excluded, path, content["excluded"])
        if (path.parent / "audio").is_dir():
            recordings = read_parquet(table, ["path", "sha256"], made_by="build_manifest")
            for name, sha256 in recordings.itertuples(index=False):
                yield partial(_compare, path.parent / "audio" / name, sha256, path.parent / "audio.json")
    elif path.name.endswith(".run.json"):
        for name, sha256 in content.get("files", {}).items():
            yield partial(_compare, path.with_name(name), sha256, path.with_name(name))


def _described(path: Path, content: dict[str, Any]) -> Iterator[Path]:
    """The files without a checksum of their own that a file of JSON holds one of."""
    if {"lineage", "files"} <= content.keys():
        yield from (path.with_suffix(".zarr") / name for name in content["files"])
    elif {"parts", "data"} <= content.keys():
        yield path.with_suffix(".safetensors")
    elif path.name.endswith(".run.json"):
        yield from (path.with_name(name) for name in content.get("files", {}))


def _needed(path: Path, content: dict[str, Any]) -> Iterator[Path]:
    """What a file of JSON was made of or together with: files whose absence nothing else tells."""
    folder = path.parent
    if {"lineage", "files"} <= content.keys():
        of_part = folder.name == "parts"
        yield folder.parents[1 if of_part else 0] / "manifest.json"
        if of_part:
            yield folder.parents[1] / f"parts/{path.stem}.parquet"
    elif "latents_digest" in content:
        yield folder.with_name("splits.parquet")
    elif {"parts", "data"} <= content.keys() and folder.name.startswith(
        "seed"
    ):  # of learned representations: the source
        yield from (folder.parents[1] / f"{name}.json" for name in ("latents", "frames") if name in content["data"])
    elif "identity" in content:
        identity, data = Identity(**content["identity"]), content["data"]
        of = [f for f in path.parents if (f.parent.name, f.name) == (identity.corpus, identity.representation)]
        for representation in of[:1]:
            yield from (representation / f"{name}.json" for name in ("latents", "frames") if name in data)
            by = f"{representation.name}/{identity.by}/seed{identity.seed}"
            if "predictor" in data and folder == representation.parent / by:
                yield representation.parent.with_name(identity.fitted_on) / by / "predictor.json"
    elif "n_utterances" in content and "excluded" in content:
        yield path.with_name("excluded.parquet")
    elif path.name == "audio.json":
        yield path.with_name("audio")
    elif path.name.endswith(".run.json"):
        command = content.get("command", [])
        if "--folder" in command[:-1] and (further := command[command.index("--folder") + 1]).endswith(".heard"):
            yield path.with_name(Path(further).name)


def _check_there(needed: Path, path: Path) -> None:
    if not needed.exists():
        delete = path.with_name(path.name.replace(".run.json", ".json"))
        raise UserError(f"it is missing, and {path} that belongs to it is left", needed, f"delete {delete} {_AGAIN}")


def _check_parts(path: Path, content: dict[str, Any]) -> None:
    """Whether the encoded parts that a store was joined from are there; only an encoder's store has such parts."""
    numbers = {part.stem.partition("of")[2] for part in path.parent.with_name("parts").glob("*of*.parquet")}
    if path.parent.name == "parts" or len(content["lineage"]) > 1 or not numbers:
        return
    parts = path.parent / "parts"
    if not any(all((parts / f"{i}of{n}.json").exists() for i in range(int(n))) for n in numbers):
        raise UserError(f"parts that {path} was joined from are missing", parts, f"delete {path} {_AGAIN}")


def _check_excluded(handle: Path, counts: dict[str, int]) -> None:
    """Whether the table of what was set aside is the one of its manifest."""
    table = handle.with_name("excluded.parquet")
    if table.exists():  # what is missing is told for itself
        reasons = read_parquet(table, ["reason"], made_by="build_manifest")["reason"].value_counts()
        if {str(reason): int(n) for reason, n in reasons.items()} != counts:
            raise UserError("this table is not the one of its manifest", table, f"delete {handle} {_AGAIN}")


def _check_curve(handle: Path, digest: str) -> None:
    curve = handle.with_name("curve.parquet")
    if parquet_facts(curve, made_by="")["digest"] != digest:
        raise UserError("this curve is not the one of its model", curve, f"delete {handle} {_AGAIN}")


def _check_sums(metrics: Path, digest: str | None) -> None:
    beside = metrics.parent.glob("*speakers.parquet")
    if digest is not None and digest not in [_digest(path) for path in beside]:
        raise UserError("the sums by speaker that belong to it are missing or others", metrics, f"delete it {_AGAIN}")


def _check_collection(path: Path, facts: dict[str, Any]) -> None:
    """Whether tables that were collected together are still together."""
    for name in ("speakers", "worst_frames"):
        if name in facts and facts[name] != _digest(path.with_name(f"{name}.parquet")):
            raise UserError(
                f"it was not collected together with {name}.parquet beside it, or that is damaged",
                path,
                f"delete both {_AGAIN}",
            )


def _compare(path: Path, sha256: str, delete: Path) -> None:
    if not path.is_file() or file_sha256(path) != sha256:
        what = "it is not as it was written" if path.is_file() else "it is missing"
        raise UserError(what, path, f"delete {delete} {_AGAIN}")


def _digest(table: Path) -> object:
    """Of a table's content; None if it is missing or damaged, which is told for itself."""
    digests: list[object] = []
    _error(lambda: digests.append(parquet_facts(table, made_by="")["digest"]))
    return digests[0] if digests else None


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
