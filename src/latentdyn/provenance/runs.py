"""Records of runs: what made an artifact, beside the artifact and outside of its handle."""

import importlib.metadata
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import latentdyn
from latentdyn.files import file_sha256, write_json


def write_run_record(path: Path, *, started: float, files: Iterable[Path] = (), **facts: Any) -> None:
    """Write who made the artifact beside `path`: command, versions, commit, machine, seconds, and the most memory that
    the job's largest process had.

    Args:
        files: beside `path`, which nothing else holds a digest of; their sha256 is written.

    It is kept out of handles: those hold only what the content determines, so that a rebuild of equal
    content gives an equal handle.
    """
    versions = {}
    for package in ("torch", "numpy", "zarr", "transformers", "snakemake"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    record = {
        "command": sys.argv,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(time.time() - started, 3),
        "peak_mb": _peak_mb(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
        "latentdyn": latentdyn.__version__,
        "commit": source_commit(),
        "files": {file.name: file_sha256(file) for file in files},
        **json.loads(json.dumps(facts, default=str)),
    }
    write_json(path, record)


def _peak_mb() -> int:
    """The most resident memory that this process has had, or the largest of those that it has started; in MB."""
    most = max(resource.getrusage(of).ru_maxrss for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(most * (1 if sys.platform == "darwin" else 1024) / 1e6)


def source_commit() -> str | None:
    """The commit of the checkout that this package lies in, with `-dirty` after it where files differ from it; None
    where the package was installed, or git tells nothing."""
    package = Path(latentdyn.__file__).parent
    if not (package.parents[1] / ".git").exists():
        return None
    git = ["git", "-C", str(package), "describe", "--always", "--dirty", "--abbrev=12", "--exclude", "*"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
