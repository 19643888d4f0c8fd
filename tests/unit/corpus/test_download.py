"""Against an HTTP server on this machine that can be told to misbehave."""

import contextlib
import hashlib
import http.server
import io
import shutil
import tarfile
import threading
import time
from collections import namedtuple

import pytest

from latentdyn.corpus.download import download_corpus, fetch, unpack
from latentdyn.corpus.librispeech import librispeech_files
from latentdyn.errors import UserError
from latentdyn.files import read_json, write_json

CONTENT = bytes(range(256)) * 2000
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `content`; notes each request's Range and the number of body bytes sent."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.date = CONTENT, '"v1"', None
        self.takes_ranges, self.states_length = True, True
        self.break_after = []  # bytes after which each of the next connections breaks off
        self.statuses = []  # error statuses of the next requests
        self.ranges, self.n_sent = [], 0
        self.url = f"http://127.0.0.1:{self.server_port}/corpus.tar.gz"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_):
        pass

    def do_GET(self):
        server, start = self.server, 0
        server.ranges.append(self.headers.get("Range"))
        if server.statuses:
            return self.send_error(server.statuses.pop(0))
        same = self.headers.get("If-Range") in (server.etag, server.date)
        if server.takes_ranges and same and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(server.content):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            end, total = len(server.content) - 1, len(server.content)
            self.send_header("Content-Range", f"bytes {start}-{end}/{total}")
        if server.etag:
            self.send_header("ETag", server.etag)
        if server.date:
            self.send_header("Last-Modified", server.date)
        if server.states_length:
            self.send_header("Content-Length", str(len(server.content) - start))
        self.end_headers()
        body = server.content[start:]
        if server.break_after:
            body = body[: server.break_after.pop(0)]
        server.n_sent += len(body)  # before the client can have them, or a test may look too early
        self.wfile.write(body)


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def get(server, state, checksum=SHA256):
    return fetch(server.url, checksum, state, pause_s=0)


@pytest.mark.parametrize("date_only", [False, True])
def test_a_broken_download_goes_on(server, tmp_path, date_only):
    if date_only:
        server.etag, server.date = None, "Wed, 21 Oct 2015 07:28:00 GMT"
    server.break_after = [200_000, 100_000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=200000-", "bytes=300000-"]
    assert server.n_sent == len(CONTENT)


def test_it_goes_on_in_another_run(server, tmp_path):
    server.break_after = [200_000] + [0] * 6
    with pytest.raises(UserError, match=r"broke off 6 times .* 200000 bytes have arrived and are kept"):
        get(server, tmp_path)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.n_sent == len(CONTENT)
    n_requests = len(server.ranges)
    assert get(server, tmp_path).read_bytes() == CONTENT  # verified already
    assert len(server.ranges) == n_requests


def test_a_whole_part_is_not_asked_for_again(server, tmp_path):
    digest = SHA256.removeprefix("sha256:")
    (tmp_path / f"{digest}.part").write_bytes(CONTENT)
    memo = {"url": server.url, "validator": '"v1"', "total": len(CONTENT)}
    write_json(tmp_path / f"{digest}.json", memo)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == []
    assert [file.name for file in tmp_path.iterdir()] == [digest]


def test_a_part_of_another_file_or_address_is_dropped(server, tmp_path):
    server.break_after, server.content, server.etag = [1000] + [0] * 5, b"x" * 5000, '"v0"'
    with pytest.raises(UserError, match="broke off"):
        get(server, tmp_path)
    server.content, server.etag = CONTENT, '"v1"'  # the file has changed since
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=1000-"

    digest = SHA256.removeprefix("sha256:")
    (tmp_path / digest).unlink()
    (tmp_path / f"{digest}.part").write_bytes(b"x" * 1000)
    memo = {"url": "http://127.0.0.1/other", "validator": '"v1"', "total": len(CONTENT)}
    write_json(tmp_path / f"{digest}.json", memo)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] is None


@pytest.mark.parametrize("etag", [None, 'W/"v1"', '"v1"'])
def test_without_ranges_or_validator_it_starts_again(server, tmp_path, etag):
    server.etag, server.takes_ranges = etag, False
    server.break_after = [200_000, 300_000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.n_sent == 500_000 + len(CONTENT)
    if etag != '"v1"':
        assert server.ranges == [None] * 3


def test_without_a_length(server, tmp_path):
    server.states_length = False
    assert get(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("memo", [b"", b"\0" * 99, b"{}"])
def test_a_part_whose_memo_is_damaged_is_dropped(server, tmp_path, memo):
    digest = SHA256.removeprefix("sha256:")
    (tmp_path / f"{digest}.part").write_bytes(b"x" * 1000)
    (tmp_path / f"{digest}.json").write_bytes(memo)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None]


def test_a_part_that_is_too_long_is_dropped(server, tmp_path):
    digest = SHA256.removeprefix("sha256:")
    (tmp_path / f"{digest}.part").write_bytes(CONTENT + b"x")
    memo = {"url": server.url, "validator": '"v1"', "total": len(CONTENT)}
    write_json(tmp_path / f"{digest}.json", memo)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT) + 1}-", None]


def test_passing_and_lasting_refusals(server, tmp_path):
    server.statuses = [503, 429]
    assert get(server, tmp_path / "a").read_bytes() == CONTENT
    server.statuses = [404]
    with pytest.raises(UserError, match=r"refuses the download .*404"):
        get(server, tmp_path / "b")
    assert len(server.ranges) == 4


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_wrong_bytes_are_deleted(server, tmp_path, algorithm):
    right = hashlib.new(algorithm, CONTENT).hexdigest()
    server.content = CONTENT[:-1] + b"?"
    found = hashlib.new(algorithm, server.content).hexdigest()
    with pytest.raises(UserError, match=f"have the {algorithm} {found} instead of {right}"):
        get(server, tmp_path, f"{algorithm}:{right}")
    assert list(tmp_path.iterdir()) == []
    server.content = CONTENT
    assert get(server, tmp_path, f"{algorithm}:{right}").read_bytes() == CONTENT


def test_only_web_addresses_and_known_checksums(tmp_path):
    (tmp_path / "secret").write_bytes(CONTENT)
    with pytest.raises(UserError, match="neither http nor https"):
        fetch(f"file://{tmp_path}/secret", SHA256, tmp_path)
    for checksum in ("crc32:abcd", "md5", "md5:", "sha256:../../x"):
        with pytest.raises(UserError, match="no checksum"):
            fetch("http://127.0.0.1/x", checksum, tmp_path)


def test_too_small_a_disk_is_told_before_anything_is_fetched(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(len(CONTENT) * 3 // 2))
    with pytest.raises(UserError, match="the disk is too small"):
        fetch(server.url, SHA256, tmp_path / "state", room_for=tmp_path / "a" / "out", pause_s=0)
    assert get(server, tmp_path / "state").read_bytes() == CONTENT  # enough for the archive alone


# ------------------------------------------------------------------------------------------------- archives


def archive(*members: tuple[tarfile.TarInfo, bytes] | tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info, data in members:
            info = tarfile.TarInfo(info) if isinstance(info, str) else info
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


GOOD = archive(
    ("LibriSpeech/SPEAKERS.TXT", b"19 | F | dev-clean | 1 | A\n"),
    ("LibriSpeech/dev-clean/19/198/19-198-0001.flac", b"fLaC"),
)


@pytest.mark.parametrize(
    "hostile",
    [
        ("../outside", b"x"),
        ("a/../../outside", b"x"),
        ("/tmp/latentdyn-outside", b"x"),
        (special("link", tarfile.SYMTYPE, "../.."), b""),
        (special("link", tarfile.SYMTYPE, "/etc"), b""),
        (special("link", tarfile.SYMTYPE, "inside"), b""),
        (special("link", tarfile.LNKTYPE, "../outside"), b""),
        (special("pipe", tarfile.FIFOTYPE), b""),
        (special("device", tarfile.CHRTYPE), b""),
        ("\udcff.wav", b"x"),
    ],
)
def test_hostile_members_are_refused(tmp_path, hostile):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(archive(("good", b"x"), hostile))
    out = tmp_path / "deep" / "out"
    with pytest.raises(UserError, match=r"the archive is refused"):
        unpack(path, out)
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["a.tar.gz", "deep"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        GOOD[:-30],
        GOOD[:60],
        archive(("/".join(["d" * 200] * 30), b"x")),
        archive((special("a/b", tarfile.DIRTYPE), b""), ("a", b"x")),
        archive((".", b"x")),
        archive(("a", b"x"), ("a/b", b"x")),
    ],
    ids=["empty", "html", "end missing", "head only", "long name", "folder then file", "dot", "file then folder"],
)  # named, since gzip writes the time of day into the data, and every worker must find the same tests
def test_broken_archives_leave_the_earlier_folder_alone(tmp_path, data):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(data)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "earlier").touch()
    with pytest.raises(UserError, match="cannot be unpacked"):
        unpack(path, tmp_path / "out")
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["a.tar.gz", "earlier", "out"]


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b'{"url": 1}'])
def test_a_torn_memo_of_a_download_starts_it_again(server, tmp_path, torn):
    state = tmp_path / "state"
    server.break_after = [100_000]
    fetch(server.url, SHA256, state, pause_s=0).unlink()
    digest = SHA256.partition(":")[2]
    (state / f"{digest}.part").write_bytes(b"x" * 1000)
    (state / f"{digest}.json").write_bytes(torn)
    assert fetch(server.url, SHA256, state, pause_s=0).read_bytes() == CONTENT


def test_a_redirect_to_another_scheme_is_refused(server, tmp_path, monkeypatch):
    def redirect(handler):
        handler.send_response(302)
        handler.send_header("Location", "ftp://127.0.0.1/corpus.tar.gz")
        handler.end_headers()

    monkeypatch.setattr(Handler, "do_GET", redirect)
    with pytest.raises(UserError, match="neither http nor https"):
        fetch(server.url, SHA256, tmp_path / "state", pause_s=0)


def test_a_server_that_trickles_is_given_up(server, tmp_path, monkeypatch):
    def trickle(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(100):
                handler.wfile.write(b"x")
                time.sleep(0.01)

    monkeypatch.setattr(Handler, "do_GET", trickle)
    monkeypatch.setattr("latentdyn.corpus.download._WINDOW_S", 0.05)
    with pytest.raises(UserError, match=r"next to nothing new arriving .last: \d+ bytes in 0 s"):
        fetch(server.url, SHA256, tmp_path / "state", pause_s=0)


def test_a_server_that_never_ends_stops_before_the_disk_is_full(server, tmp_path, monkeypatch):
    server.states_length = False
    monkeypatch.setattr("latentdyn.corpus.download._ROOM_EVERY_BYTES", 1 << 17)
    free = namedtuple("free", "free")(100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(UserError, match="the disk is too small"):
        fetch(server.url, SHA256, tmp_path / "state", pause_s=0)


def test_download_corpus(server, tmp_path):
    server.content = GOOD
    checksum = "md5:" + hashlib.md5(GOOD).hexdigest()
    places = {"state": tmp_path / "state", "out": tmp_path / "corpus", "handle": tmp_path / "handle.json"}
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "stale").touch()
    download_corpus(server.url, checksum, **places)
    assert len(librispeech_files(tmp_path / "corpus" / "LibriSpeech", "dev-clean")) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["corpus", "handle.json"]
    assert not (tmp_path / "corpus" / "stale").exists()
    handle = places["handle"].read_bytes()
    listing = "LibriSpeech/SPEAKERS.TXT\t27\nLibriSpeech/dev-clean/19/198/19-198-0001.flac\t4\n"
    assert read_json(places["handle"], made_by="download_corpus") == {
        "schema_version": 1,
        "url": server.url,
        "checksum": checksum,
        "n_files": 2,
        "listing_sha256": hashlib.sha256(listing.encode()).hexdigest(),
    }
    download_corpus(server.url, checksum, **places)
    assert places["handle"].read_bytes() == handle


def test_a_hostile_download_is_not_unpacked(server, tmp_path):
    server.content = archive(("../outside", b"x"))
    checksum = "sha256:" + hashlib.sha256(server.content).hexdigest()
    with pytest.raises(UserError, match="refused"):
        download_corpus(
            server.url, checksum, state=tmp_path / "s", out=tmp_path / "d" / "out", handle=tmp_path / "h.json"
        )
    assert not (tmp_path / "h.json").exists()
    assert not list(tmp_path.rglob("outside"))
