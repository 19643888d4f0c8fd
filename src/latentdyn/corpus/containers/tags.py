"""Tags before and after a stream of MPEG audio or FLAC: ID3v2 (id3.org), ID3v1, and APEv2."""

from typing import BinaryIO

from latentdyn.corpus.containers.sound import bytes_at

_ID3V1_BYTES = 128
_APE_FOOTER_BYTES = 32


def without_tags(file: BinaryIO, size: int) -> range:
    """The bytes of a file between its tags."""
    start, stop = 0, size
    while (head := bytes_at(file, start, 10))[:3] == b"ID3" and len(head) == 10:
        length = 0
        for seven_bits in head[6:]:
            length = length << 7 | seven_bits & 0x7F
        start += 10 + length + (10 if head[5] & 0x10 else 0)  # a footer
    while stop > start:
        if bytes_at(file, max(start, stop - _ID3V1_BYTES), 3) == b"TAG":
            stop = max(start, stop - _ID3V1_BYTES)
            continue
        footer = bytes_at(file, max(start, stop - _APE_FOOTER_BYTES), _APE_FOOTER_BYTES)
        if footer[:8] != b"APETAGEX":
            break
        has_header = footer[23] & 0x80
        stop = max(start, stop - int.from_bytes(footer[12:16], "little") - (_APE_FOOTER_BYTES if has_header else 0))
    return range(min(start, size), max(stop, min(start, size)))
