"""Whether a file is still the one that its manifest lists."""

from pathlib import Path

from latentdyn.errors import UserError
from latentdyn.files import file_sha256


def check_unchanged(path: Path, sha256: str) -> None:
    """Compare a file with the digest in its manifest.

    Raises:
        UserError: it is missing, cannot be read, or is another.
    """
    try:
        found = file_sha256(path)
    except OSError as error:
        raise UserError(
            f"a file that the manifest lists cannot be read ({error.strerror or error})",
            path,
            "restore it, or remove it; the next run then builds the manifest without it",
        ) from None
    if found != sha256:
        raise UserError(
            "this file changed since the manifest was built (its sha256 is another)",
            path,
            "restore it, or build the manifest again: rerun Snakemake with `--forcerun build_manifest` (of a corpus "
            "with manifest_parts `--forcerun inspect_recordings`)",
        )
