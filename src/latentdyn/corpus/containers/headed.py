"""Containers of one header and samples to the end of the file: AU, and NIST SPHERE (as TIMIT's `.WAV` files).

AU: Sun Microsystems, audio(4). SPHERE: NIST, "SPHERE header", text lines `name -type value` up to `end_head`.
"""

import struct
from typing import BinaryIO

from latentdyn.corpus.containers.sound import (
    SIGNED,
    Samples,
    Sound,
    UnreadableError,
    bytes_at,
    check_extent,
    uncompressed,
)

_AU = {1: "ULAW", 2: "PCM_S8", 3: "PCM_16", 4: "PCM_24", 5: "PCM_32", 6: "FLOAT", 7: "DOUBLE", 27: "ALAW"}
_UNKNOWN = 0xFFFFFFFF
_SPHERE_CODINGS = {"ulaw": "ULAW", "mu-law": "ULAW", "alaw": "ALAW"}


def read_au(file: BinaryIO, head: bytes, size: int) -> Sound | None:
    """The sound of an AU file; None for another file. Raises UnreadableError if it cannot be read."""
    if head[:4] not in (b".snd", b"dns."):
        return None
    order = ">" if head[:4] == b".snd" else "<"
    if len(head) < 24:
        raise UnreadableError("its header breaks off")
    start, n_bytes, encoding, rate, channels = struct.unpack(order + "5I", head[4:24])
    if encoding not in _AU:
        raise UnreadableError(f"its samples are of a kind that is not read here (AU encoding {encoding})")
    if start < 24:
        raise UnreadableError(f"its header states that the samples begin within it, at byte {start}")
    present = max(0, size - start)
    if n_bytes != _UNKNOWN:
        check_extent(n_bytes, present)
    return uncompressed(start, present, Samples(rate, channels, _AU[encoding], order == ">"))


def read_sphere(file: BinaryIO, head: bytes, size: int) -> Sound | None:
    """The sound of a NIST SPHERE file; None for another file. Raises UnreadableError if it cannot be read."""
    if head[:8] != b"NIST_1A\n":
        return None
    try:
        start = int(head[8:16])
        text = bytes_at(file, 16, min(max(start, 0), 1 << 20)).decode("ascii", "replace").partition("end_head")[0]
        fields = {line.split()[0]: line.split(maxsplit=2)[2].strip() for line in text.splitlines() if line.split()[2:]}
        channels, n_samples = int(fields.get("channel_count", "1")), int(fields["sample_count"])
        rate, width = int(fields["sample_rate"]), int(fields.get("sample_n_bytes", "2"))
    except (ValueError, KeyError) as error:
        raise UnreadableError(f"its header lacks a number, or is not one of NIST SPHERE ({error})") from None
    if start < len(text) or channels < 1:
        raise UnreadableError(f"its header states {start} bytes of its own, and {channels} channels")
    coding = fields.get("sample_coding", "pcm").lower()
    subtype = SIGNED.get(width) if coding in ("pcm", "linear") else _SPHERE_CODINGS.get(coding)
    if subtype is None:
        raise UnreadableError(
            f"its samples are of a kind that is not read here (coding {coding}, {width} bytes); "
            "convert it, for example with `sph2pipe -f wav`"
        )
    samples = Samples(rate, channels, subtype, big_endian=fields.get("sample_byte_format", "01") == "10")
    check_extent(max(0, n_samples) * samples.n_bytes, max(0, size - start))
    return uncompressed(start, n_samples * samples.n_bytes, samples)
