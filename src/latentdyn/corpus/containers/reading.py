"""Which container a file is, by its own bytes and never by its name."""

import os
from typing import BinaryIO

from latentdyn.corpus.containers.chunked import read_aiff, read_wave
from latentdyn.corpus.containers.flac import read_flac
from latentdyn.corpus.containers.headed import read_au, read_sphere
from latentdyn.corpus.containers.mpeg import read_mpeg
from latentdyn.corpus.containers.ogg import read_ogg
from latentdyn.corpus.containers.sound import Sound, UnreadableError
from latentdyn.pointers import find_pointer

READ = "WAV (also RF64 and Wave64), FLAC, MP3, Ogg (Vorbis, Opus), AIFF, AU or NIST SPHERE"

_READERS = (read_wave, read_aiff, read_au, read_sphere, read_ogg, read_flac, read_mpeg)
_OTHERS = (  # where in a file which bytes stand, and what they tell
    (4, b"ftyp", "MP4 or M4A"),
    (0, b"\x1aE\xdf\xa3", "Matroska or WebM"),
    (0, b"0&\xb2u", "Windows Media"),
    (0, b"caff", "Core Audio Format"),
    (0, b"#!AMR", "AMR"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
)


def find_sound(file: BinaryIO) -> Sound:
    """The sound of a file.

    Raises:
        UnreadableError: the file cannot be read, or not all of it; says why.
        OSError: the disk fails.
    """
    head = file.read(64)
    size = file.seek(0, os.SEEK_END)
    if pointer := find_pointer(head):
        raise UnreadableError(pointer)
    for read in _READERS:
        if sound := read(file, head, size):
            return sound
    named = (f"this is {name}" for at, mark, name in _OTHERS if head[at : at + len(mark)] == mark)
    kind = next(named, "this is not audio, or damaged")
    raise UnreadableError(f"{kind}; read are {READ}; convert it, for example with `ffmpeg -i FILE NEW.flac`")
