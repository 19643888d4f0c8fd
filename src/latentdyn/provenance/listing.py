"""Listings of files that a user provides: an input of Snakemake that changes when, and only when, they do.

Snakemake looks at a file's contents only if the file is newer than what was made of it. But recordings and weights are
often replaced by older ones: `mv`, `cp -p`, `rsync -a` and `tar` keep dates, and a link may be pointed elsewhere. So
what a rule gets as its input is a listing, one line a file. A file that was only touched or moved keeps its line.

    LISTING.json        what Snakemake sees: for each path the version of its content
    LISTING.seen.json   for each path where it lay, its size and date when it was last looked at, and its version
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from latentdyn.errors import UserError
from latentdyn.files import canonical_json, file_sha256, write_text

Known = Callable[[], dict[str, str]]  # the digests (SHA-256) that files had when something was made of them, by path


def update_listing(listing: Path, files: Iterable[Path], known: Known | None = None) -> list[str]:
    """Bring a listing up to date; leave its file as it is where no content has changed.

    Args:
        listing: its file; made if it is missing.
        files: paths. Each that exists is looked at (where it leads, size, date), but read only if that has changed.
        known: what the contents were. It is called only if some file looks changed, and a file that it does not know
            counts as changed. None: few and important files, whose contents are read when they are first listed.

    Returns:
        The paths that are new, gone or changed: all, where there was no listing before.

    Raises:
        UserError: a file cannot be read, or the listing cannot be written.
    """
    seen_file = listing.with_suffix(".seen.json")
    before: dict[str, Any] = _read(seen_file)
    now: dict[str, Any] = {}
    digests: dict[str, str] = {}
    try:
        for file in filter(Path.is_file, files):  # a link that leads nowhere is as good as no file
            path, looks = str(file), _looks(file)
            if path in before and before[path][0] == looks:
                now[path] = before[path]
            elif known is None:
                now[path] = [looks, file_sha256(file)]
            else:
                digests = digests or (known() if path in before else {})
                same = path in before and path in digests and digests[path] == file_sha256(file)
                now[path] = [looks, before[path][1] if same else canonical_json(looks)]
        text = json.dumps({path: version for path, (_, version) in sorted(now.items())}, indent=0, ensure_ascii=True)
        if now != before:
            write_text(seen_file, json.dumps(now))
        if not listing.is_file() or listing.read_text(encoding="utf-8") != text:
            write_text(listing, text)
    except OSError as error:
        raise UserError(
            f"the list of the files that you provide cannot be kept up to date ({error})",
            listing.parent,
            "see that this folder can be written and these files can be read",
        ) from None
    return [p for p in sorted({*before, *now}) if p not in now or p not in before or now[p][1] != before[p][1]]


def _looks(file: Path) -> list[Any]:
    facts = file.stat()
    return [str(file.resolve()), facts.st_size, facts.st_mtime_ns]


def _read(seen: Path) -> dict[str, Any]:
    """What was seen; nothing if that cannot be read, so that every file counts as new."""
    try:
        return dict(json.loads(seen.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def known_digests(manifest: Path, root: Path) -> dict[str, str]:
    """The digests that a corpus's files had when its manifest was built, by path.

    Args:
        manifest: parquet of its utterances; it may be missing.
        root: what their paths are relative to, or the CSV beside which they lie.
    """
    from pyarrow import ArrowException, parquet  # only where a file looks changed

    folder = root.parent if root.is_file() else root
    try:
        table = parquet.read_table(manifest, columns=["path", "sha256"]).to_pydict()
    except (OSError, ArrowException, KeyError, ValueError):
        return {}
    return {str(folder / path): digest for path, digest in zip(table["path"], table["sha256"], strict=True)}
