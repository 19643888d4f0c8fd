"""A corpus from its address: fetched in pieces that survive interruptions, verified, then unpacked.

Nothing is unpacked before its checksum is right, and nothing that is unpacked can land outside its folder. A right
checksum says that an archive is the publisher's, not that it is harmless.
"""

import contextlib
import hashlib
import http.client
import logging
import os
import re
import shutil
import ssl
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import latentdyn
from latentdyn.errors import DISK_FULL, UserError
from latentdyn.files import read_own_json, write_json
from latentdyn.progress import progress

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 60
_MAX_FAILURES = 6
_MIN_BYTES = 1 << 16  # that must arrive between two failures, and in each of these many seconds, or the server is stuck
_WINDOW_S = 300.0
_ROOM_EVERY_BYTES = 1 << 26
_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)


def download_corpus(url: str, checksum: str, *, state: Path, out: Path, handle: Path) -> None:
    """Fetch a .tar.gz, verify it and unpack it into the folder `out`, which it replaces.

    Args:
        url: http or https address.
        checksum: "md5:..." or "sha256:...", in hexadecimal digits.
        state: folder that keeps a download between runs; emptied of it on success.
        handle: JSON, written last: schema_version, url, checksum, n_files, listing_sha256.

    Raises:
        UserError: as `fetch` and `unpack` do.
    """
    archive = fetch(url, checksum, state, room_for=out)
    unpack(archive, out)
    files = [file for file in out.rglob("*") if file.is_file()]
    listing = sorted(f"{file.relative_to(out).as_posix()}\t{file.stat().st_size}\n" for file in files)
    digest = hashlib.sha256("".join(listing).encode()).hexdigest()
    write_json(
        handle,
        {
            "schema_version": 1,
            "url": url,
            "checksum": checksum,
            "n_files": len(files),
            "listing_sha256": digest,
        },
    )
    archive.unlink()  # not before: until the handle is there, a crash must not cost another download
    with contextlib.suppress(OSError):  # it may hold another download
        state.rmdir()


def fetch(url: str, checksum: str, state: Path, *, room_for: Path | None = None, pause_s: float = 1) -> Path:
    """Download a file into `state`, going on from where an earlier try broke off, and verify it.

    It goes on only if the server confirms that its file is still the same one (`If-Range` with a strong ETag
    or a date), and starts again otherwise. A broken connection is tried again after pause_s x 1, 2, 4, ...
    seconds, and given up after 6 failures in a row with next to no new bytes. A server that sends next to nothing for
    minutes counts as broken.

    Args:
        room_for: a place where the content will need about as much room again; checked before it starts.

    Returns:
        the verified file.

    Raises:
        UserError: the address or checksum is not one, the server refuses or keeps breaking off, the disk has
            too little room, or the bytes are not those of the checksum (they are deleted then).
    """
    algorithm, _, digest = checksum.partition(":")
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise UserError("this address is neither http nor https", url, "correct the corpus's url")
    if algorithm not in ("md5", "sha256") or not re.fullmatch(r"[0-9a-f]+", digest):
        raise UserError("this is no checksum", checksum, "give md5:... or sha256:... in hexadecimal digits")
    state.mkdir(parents=True, exist_ok=True)
    verified = state / digest
    if verified.exists():
        return verified
    partial = _Partial(state / f"{digest}.part", state / f"{digest}.json")
    _receive_persistently(url, partial, room_for, pause_s)
    with open(partial.content, "rb") as file:
        os.fsync(file.fileno())
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if found != digest:
        n_bytes = partial.n_bytes
        partial.discard()
        raise UserError(
            f"the {n_bytes} bytes received have the {algorithm} {found} instead of {digest}",
            f"{url} (what was received is deleted)",
            "compare the checksum with the one that the publisher gives; if they agree, run again",
        )
    partial.content.rename(verified)
    partial.memo.unlink()
    return verified


def unpack(archive: Path, out: Path) -> None:
    """Unpack a .tar.gz into a new folder, then replace `out` by it.

    Only plain files and folders are accepted: a corpus needs no links, and without them an archive has no
    means to reach out of its folder but its names, which are checked.

    Raises:
        UserError: the archive is broken, or a member is a link or a device or would land outside.
    """
    logger.info("unpacking into %s", out)
    unpacked = out.with_name(f".{out.name}.partial")
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(parents=True)
    try:
        _extract(archive, unpacked)
        if out.exists():
            shutil.rmtree(out)
        unpacked.rename(out)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _extract(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in progress(tar, unit="file"):
                _check_member(member)
                tar.extract(member, folder, filter="data")
    except tarfile.FilterError as error:
        raise UserError(
            f"the archive is refused, as only plain files below its own folder are unpacked ({error})",
            archive,
            "do not use this archive; check url and checksum against the publisher's page",
        ) from None
    except (tarfile.TarError, zlib.error, EOFError, ValueError, OverflowError, OSError) as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise
        raise UserError(
            f"the archive cannot be unpacked ({error})", archive, "check that url names a .tar.gz archive"
        ) from None


class _Partial(NamedTuple):
    """A download under way: what has arrived, and a memo of which file it is a part of."""

    content: Path
    memo: Path

    @property
    def n_bytes(self) -> int:
        return self.content.stat().st_size if self.content.exists() else 0

    def discard(self) -> None:
        self.memo.unlink(missing_ok=True)
        self.content.unlink(missing_ok=True)

    def begin(self, url: str, validator: str | None, total: int | None) -> None:
        self.discard()
        self.content.touch()
        write_json(self.memo, {"url": url, "validator": validator, "total": total})

    def recall(self, url: str) -> dict[str, Any]:
        """The memo, if it is whole, about this address, and about a server that lets a download go on."""
        memo = read_own_json(self.memo) if self.content.exists() else None
        return memo if memo and memo["url"] == url and memo["validator"] else {}


def _receive_persistently(url: str, partial: _Partial, room_for: Path | None, pause_s: float) -> None:
    most_bytes, failures = partial.n_bytes, 0
    while True:
        try:
            return _receive(url, partial, room_for)
        except urllib.error.HTTPError as error:
            problem: Exception = error
            if error.code == 416:  # what has arrived does not fit the server's file
                partial.discard()
            elif error.code not in _PASSING_STATUS:
                raise UserError(f"the server refuses the download ({error})", url, "correct the corpus's url") from None
        except _BROKEN as error:
            problem = error
        failures = 0 if partial.n_bytes >= most_bytes + _MIN_BYTES else failures + 1
        most_bytes = max(most_bytes, partial.n_bytes)
        if failures >= _MAX_FAILURES:
            raise UserError(
                f"the download broke off {failures} times with next to nothing new arriving (last: {problem})",
                url,
                f"check the network and run again; {partial.n_bytes} bytes have arrived and are kept",
            ) from None
        logger.warning("the connection broke (%s); %d bytes have arrived, trying again", problem, partial.n_bytes)
        time.sleep(pause_s * 2**failures)


def _receive(url: str, partial: _Partial, room_for: Path | None) -> None:
    """Receive what is missing over one connection; returns only when nothing is missing."""
    memo = partial.recall(url)
    start = partial.n_bytes if memo else 0
    if memo and memo["total"] == start:
        return
    headers = {"User-Agent": f"latentdyn/{latentdyn.__version__}"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": memo["validator"]}
    with _OPENER.open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_S) as response:
        goes_on = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if response.status == 206 and not goes_on:
            partial.discard()
            raise ConnectionError("the server sent another range than it was asked for")
        if goes_on:
            total = memo["total"]
        else:
            start = 0
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
            partial.begin(url, _validator(response.headers), total)
        if total is not None:
            needs = [(partial.content, total - start), *([(room_for, total)] if room_for else [])]
            _check_room(url, needs)
        logger.info("downloading %s from byte %d of %s", url, start, total or "unknown")
        _append(response, partial.content, start, total, lambda n: _check_room(url, [(room_for or partial.content, n)]))
    if total is not None and partial.n_bytes != total:
        raise ConnectionError(f"it ended after {partial.n_bytes} of {total} bytes")


def _append(
    response: http.client.HTTPResponse, content: Path, start: int, total: int | None, check_room: Callable[[int], None]
) -> None:
    n_bytes = checked = start
    window, arrived = time.monotonic(), 0
    with (
        open(content, "ab") as file,
        progress(total=total, initial=start, unit="B", unit_scale=True) as bar,
    ):
        while chunk := response.read1(_CHUNK_BYTES):  # what is there: a full chunk may never come
            file.write(chunk)
            bar.update(len(chunk))
            n_bytes, arrived = n_bytes + len(chunk), arrived + len(chunk)
            if total is None and n_bytes - checked >= _ROOM_EVERY_BYTES:  # it may never end
                check_room(n_bytes)
                checked = n_bytes
            if (seconds := time.monotonic() - window) >= _WINDOW_S:
                if arrived < _MIN_BYTES:
                    raise ConnectionError(f"{arrived} bytes in {seconds:.0f} s")
                window, arrived = time.monotonic(), 0


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https, not to other schemes, which would be fetched without their checks."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urllib.parse.urlsplit(newurl).scheme not in ("http", "https"):
            raise UserError(
                f"the server redirects to an address that is neither http nor https ({newurl})",
                req.full_url,
                "correct the corpus's url",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_WebOnly)


def _validator(headers: http.client.HTTPMessage) -> str | None:
    """What If-Range may carry (RFC 9110, 13.1.5): a strong ETag, else the date of the last change."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified")


def _check_room(url: str, needs: Iterable[tuple[Path, int]]) -> None:
    """Raise UserError if the disks under these places are too small for these bytes together."""
    devices: dict[int, tuple[Path, int]] = {}
    for place, n_bytes in needs:
        folder = next(parent for parent in place.absolute().parents if parent.exists())
        device = folder.stat().st_dev
        devices[device] = (folder, devices.get(device, (folder, 0))[1] + n_bytes)
    for folder, n_bytes in devices.values():
        free = shutil.disk_usage(folder).free
        if free < n_bytes:
            raise UserError(
                f"the disk is too small: downloading and unpacking {url} takes {n_bytes / 1e9:.2f} GB and "
                f"{free / 1e9:.2f} GB are free",
                folder,
                "free some space, or run in a folder on a larger disk",
            )


def _check_member(member: tarfile.TarInfo) -> None:
    """Refuse also what tarfile's data filter lets pass (links that stay inside) or corrects (absolute names)."""
    path = PurePosixPath(member.name)
    try:
        member.name.encode()
    except UnicodeEncodeError:
        raise tarfile.FilterError(f"the name {member.name!a} is not valid UTF-8") from None
    if path.is_absolute():
        raise tarfile.AbsolutePathError(member)
    if ".." in path.parts:
        raise tarfile.OutsideDestinationError(member, member.name)
    if not (member.isfile() or member.isdir()):
        raise tarfile.FilterError(f"{member.name!r} is a link or a device")
