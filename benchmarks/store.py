"""Latents on disk: our flat, sharded store against an array for each utterance.

Run by hand: `python benchmarks/store.py`; LibriSpeech-100's own size is `--utterances 28539 --frames 4500000`, which
takes 35 GB of disk. An array for each utterance is written twice, by zarr's defaults (compressed) and uncompressed,
each in one chunk, which is the fewest files it can have. Reading is of everything, into float32 in memory, and ours
also one utterance after another (`iterate`). Our reading verifies the checksum of each file; it is also timed without
that, and beside zarr's own reading of the same store, chunk by chunk, which verifies nothing. MB are of float32 values,
whatever is stored. Each reading is timed after one that is not, so that the operating system's cache serves all alike:
software is compared, not disks.
"""

import argparse
import functools
import shutil
import tempfile
import unittest.mock
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from latentdyn.files import file_sha256
from latentdyn.stores import verified
from latentdyn.stores.latents import SHARD_FRAMES, open_latents, store_path
from latentdyn.stores.latents_writer import LatentsWriter
from measure import in_turns, machine, noise_blocks, parse, ratio, seconds, table, utterance_lengths

LIBRISPEECH_100 = (28_539, 4_500_000)  # utterances, frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=1500, help="default 1500")
    parser.add_argument("--frames", type=int, default=240_000, help="of all utterances (default 240000: 0.5 GB)")
    parser.add_argument("--dim", type=int, default=512, help="D (default 512)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds (default 3)")
    parser.add_argument(
        "--count-files-of", type=int, nargs=2, default=LIBRISPEECH_100, metavar=("UTTERANCES", "FRAMES"),
        help="size of the corpus whose files are counted (default LibriSpeech-100)",
    )  # fmt: skip
    arguments = parse(
        parser, quick={"utterances": 20, "frames": 2000, "dim": 4, "repeats": 1, "count_files_of": (40, 4000)}
    )
    lengths = utterance_lengths(arguments.utterances, arguments.frames)
    megabytes = arguments.frames * arguments.dim * 4 / 1e6
    print(f"{machine()}, zarr {zarr.__version__}")
    print(f"{arguments.utterances} utterances, {arguments.frames} frames x {arguments.dim}: {megabytes:.0f} MB\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        handles = {dtype: folder / f"ours_{dtype}.json" for dtype in ("float32", "float16")}
        groups: dict[str, dict[str, Any]] = {"array_defaults": {}, "array_uncompressed": {"compressors": None}}
        blocks = functools.partial(noise_blocks, lengths, arguments.dim)
        write: dict[str, Callable[[], float]] = {}
        read: dict[str, Callable[[], float]] = {}
        files: dict[str, Path] = {}
        for dtype, handle in handles.items():
            name = f"ours, {dtype}"
            write[name] = timed(write_ours, handle, blocks, arguments.dim, dtype)
            read[name] = timed_again(read_ours, handle)
            files[name] = store_path(handle)
        read["ours, float32, by utterance"] = timed_again(read_by_utterance, handles["float32"])
        read["ours, float32, not verified"] = timed_again(read_unverified, handles["float32"])
        read["ours, float32, by zarr alone"] = timed_again(read_by_zarr, handles["float32"])
        for name, layout in groups.items():
            title = name.replace("array_", "an array an utterance, ")
            write[title] = timed(write_arrays, folder / name, blocks, layout)
            read[title] = timed_again(read_arrays, folder / name, arguments.frames, arguments.dim)
            files[title] = folder / name
        written, loaded = in_turns(write, arguments.repeats), in_turns(read, arguments.repeats)
        rows = []
        for name in dict.fromkeys([*written, *loaded]):
            cells: list[object] = [name]
            for rounds in (written, loaded):
                cells += speed(rounds, name, megabytes)
            rows.append([*cells, count_files(files[name]) if name in files else ""])
        print(table(["layout", "write, MB/s", "ours over it", "read, MB/s", "ours over it", "files"], rows))
        ours = files["ours, float32"]
        digest_s = np.median([seconds(lambda: [file_sha256(f) for f in shards(ours)]) for _ in range(3)])
        share = digest_s / np.median(written["ours, float32"])
        print(f"\ndigests of our shards: {digest_s:.2f} s, {100 * share:.0f} % of writing them")
    n_utterances, n_frames = arguments.count_files_of
    rows = [
        ["ours", projected_files(n_utterances, n_frames)],
        ["an array an utterance", f"{2 * n_utterances + 1} (two files each)"],
    ]
    print(f"\n{n_utterances} utterances, {n_frames} frames\n")
    print(table(["layout", "files"], rows))


def timed(work: Callable[..., object], *arguments: object) -> Callable[[], float]:
    return lambda: seconds(lambda: work(*arguments))


def timed_again(work: Callable[..., object], *arguments: object) -> Callable[[], float]:
    def again() -> float:
        work(*arguments)
        return seconds(lambda: work(*arguments))

    return again


def speed(rounds: dict[str, np.ndarray], name: str, megabytes: float) -> list[str]:
    if name not in rounds:
        return ["", ""]
    return [f"{megabytes / np.median(rounds[name]):.0f}", f"{ratio(rounds[name], rounds['ours, float32']):.2f}"]


def write_ours(handle: Path, blocks: Callable[[], Any], dim: int, dtype: str) -> None:
    writer = LatentsWriter(handle, dim, 12.5, dtype)
    for i, latents in enumerate(blocks()):
        writer.append(f"utterance{i:05}", f"speaker{i % 251:03}", latents)
    writer.close()


def write_arrays(path: Path, blocks: Callable[[], Any], layout: dict[str, Any]) -> None:
    shutil.rmtree(path, ignore_errors=True)  # as our writer does with what is there
    group = zarr.open_group(path, mode="w")
    for i, latents in enumerate(blocks()):
        array = group.create_array(
            f"utterance{i:05}", shape=latents.shape, chunks=latents.shape, dtype=latents.dtype, **layout
        )
        array[:] = latents


def read_ours(handle: Path) -> np.ndarray:
    return open_latents(handle).load()


def read_unverified(handle: Path) -> np.ndarray:
    """As `read_ours`, with the checksums taken from what was just read."""
    with unittest.mock.patch.object(verified, "crc32c", lambda content: AnyNumber()):
        return read_ours(handle)


class AnyNumber:
    """Equal to every checksum."""

    def __ne__(self, other: object) -> bool:
        return False


def read_by_zarr(handle: Path) -> np.ndarray:
    store = open_latents(handle)
    source: Any = zarr.open_group(store.path, mode="r")["latents"]
    out = np.empty((store.n_rows, store.dim), np.float32)
    for start in range(0, store.n_rows, SHARD_FRAMES // 4):  # as `load` does
        out[start : start + SHARD_FRAMES // 4] = source[start : start + SHARD_FRAMES // 4]
    return out


def read_arrays(path: Path, n_frames: int, dim: int) -> np.ndarray:
    group, out, done = zarr.open_group(path, mode="r"), np.empty((n_frames, dim), np.float32), 0
    for _, array in group.arrays():
        n = array.shape[0]
        out[done : done + n] = array[:]
        done += n
    return out


def read_by_utterance(handle: Path) -> None:
    for _ in open_latents(handle).iterate():
        pass


def count_files(path: Path) -> int:
    return sum(file.is_file() for file in path.rglob("*"))


def shards(path: Path) -> list[Path]:
    return [file for file in path.rglob("*") if file.is_file() and file.name != "zarr.json"]


def projected_files(n_utterances: int, n_frames: int) -> int:
    """Files of a store of this size, counted in one that is written with a dimension of 1.

    A shard holds as many frames whatever the dimension, so the count is the same.
    """
    with tempfile.TemporaryDirectory() as folder:
        handle = Path(folder) / "latents.json"
        blocks = functools.partial(noise_blocks, utterance_lengths(n_utterances, n_frames), 1)
        write_ours(handle, blocks, 1, "float32")
        return 1 + count_files(store_path(handle))


if __name__ == "__main__":
    main()
