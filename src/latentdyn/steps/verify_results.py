"""Check that every file of a results folder is there and as it was written.

What carries a checksum is compared with it, and what a handle describes is compared with the handle. What is left of
something whose handle or measurement is gone is told too. One line is printed for each damaged file: which one it is,
what is wrong, and which file to delete, so that the same snakemake command makes it again. The exit status is 1 if
there is any. Unfinished work (.state) is not checked here: a job that continues it checks it, and does again what is
damaged.
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

_AGAIN = "and run the same command again"
_SKIPPED = {".snakemake", ".state", "audio", "logs", "benchmarks"}  # audio: by the manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"), help="the folder (default: results)")


def step(arguments: argparse.Namespace) -> None:
    if not arguments.results.is_dir():
        raise UserError("there is no such folder of results", arguments.results, "give the folder that Snakemake made")
    n_files, damaged, measured = 0, dict[str, str](), set[tuple[str, ...]]()
    errors: list[UserError] = []
    for path in _files(arguments.results):
        n_files += 1
        errors += _faults(path, measured)
    for error in [*errors, *_gone(arguments.results, measured)]:
        damaged.setdefault(error.where, f"{error.where}: {error.what}. What to do: {error.fix}.")
    if not n_files:
        raise UserError("this folder holds no results", arguments.results, "give the folder that Snakemake made")
    for line in damaged.values():
        print(line)
    if damaged:
        print(f"{len(damaged)} damaged or missing files in {arguments.results}: do what each line says, {_AGAIN}.")
        sys.exit(1)
    print(f"All is as it was written: {n_files} files with a checksum in {arguments.results}, and what they describe.")


def _files(folder: Path) -> Iterator[Path]:
    """What carries a checksum, below a folder."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in _SKIPPED and path.suffix != ".zarr":
                yield from _files(path)
        elif path.suffix in (".json", ".parquet"):
            yield path


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
            yield UserError(f"it is missing, and {path.name} is left of it", owners[0], f"delete {path} {_AGAIN}")
        if path.suffix == ".csv" and path.parent.name == "tables":
            for name in ("metrics", "speakers", "worst_frames"):
                file = path.parent.with_name("measured") / path.stem / f"{name}.parquet"
                if not file.exists():
                    yield UserError("it is missing, and the table made of it is left", file, f"delete {path} {_AGAIN}")
        if path.name == "metrics.parquet" and path.parent.parent.name == "measured":
            yield from filter(None, [_error(partial(_check_measured, path, measured))])


def _owners(path: Path) -> list[Path]:
    """The handle, or what may be the handle, that a file or folder belongs to."""
    if path.suffix in (".zarr", ".safetensors") or path.name in ("manifest.parquet", "frames.parquet"):
        return [path.with_suffix(".json")]
    if path.name == "curve.parquet":
        return [path.with_name(f"{model}.json") for model in ("predictor", "score")]
    if path.name.endswith("speakers.parquet") and path.parent.parent.name != "measured":
        return [path.with_name(f"{path.stem.removesuffix('speakers').removesuffix('_') or 'metrics'}.json")]
    if path.name.endswith(".run.json") and path.parent.name not in ("tables", "figures"):
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


def _faults(path: Path, measured: set[tuple[str, ...]]) -> Iterator[UserError]:
    """What is wrong with a file, or with what it describes. The identity of a measurement is added to `measured`."""
    content: dict[str, Any] = {}

    def read() -> None:
        content.update(parquet_facts(path, made_by="") if path.suffix == ".parquet" else read_json(path, made_by=""))

    if error := _error(read):
        yield UserError(error.what, path, f"delete {_wanted(path)} {_AGAIN}")
        return
    if "identity" in content:
        measured.add(tuple(map(str, vars(Identity(**content["identity"])).values())))
    place = path.parent if path.parent.name == "parts" else path
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
    models = [handle for handle in handles if handle.stem in ("predictor", "score", path.stem) and handle.exists()]
    return models[0] if models else path


def _checks(path: Path, content: dict[str, Any]) -> Iterator[Callable[[], object]]:
    """What to compare with a file of JSON, by what the file holds."""
    table = path.with_suffix(".parquet")
    if {"lineage", "files"} <= content.keys():
        for name, facts in content["files"].items():
            yield partial(_compare, path.with_suffix(".zarr") / name, facts["sha256"], path)
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
        if (path.parent / "audio").is_dir():
            recordings = read_parquet(table, ["path", "sha256"], made_by="build_manifest")
            for name, sha256 in recordings.itertuples(index=False):
                yield partial(_compare, path.parent / "audio" / name, sha256, path.parent / "audio.json")
    elif path.name.endswith(".run.json"):
        for name, sha256 in content.get("files", {}).items():
            yield partial(_compare, path.with_name(name), sha256, path.with_name(name))


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
