"""What was said in a recording, where a file beside it tells.

LibriSpeech writes `SPEAKER-CHAPTER.trans.txt` beside the recordings of a chapter, a line each: the utterance, a blank,
the text. Elsewhere a file of the recording's own name with the suffix .txt holds its text.
"""

from pathlib import Path


def transcript_of(recording: Path) -> str | None:
    """The text of a recording; None where there is none, or it cannot be read as text."""
    own = recording.with_suffix(".txt")
    listed = recording.with_name(f"{recording.stem.rpartition('-')[0]}.trans.txt")
    try:
        if own.is_file():
            return own.read_text(encoding="utf-8").strip() or None
        if not listed.is_file():
            return None
        lines = (line.partition(" ") for line in listed.read_text(encoding="utf-8").splitlines())
        return next((text.strip() for name, _, text in lines if name == recording.stem), None)
    except (OSError, UnicodeDecodeError):
        return None
