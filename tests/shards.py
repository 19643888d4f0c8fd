"""Small shards for tests, so that a few frames fill several."""

import pytest

_MODULES = ("stores.latents", "stores.latents_files", "stores.latents_writer", "stores.latents_merge", "dataset")


def small_shards(patch: pytest.MonkeyPatch, shard_frames: int, chunk_frames: int) -> None:
    """Write and read latents stores in such shards and chunks, as long as the patch lasts."""
    for module in _MODULES:
        patch.setattr(f"latentdyn.{module}.SHARD_FRAMES", shard_frames)
    patch.setattr("latentdyn.stores.latents_files.CHUNK_FRAMES", chunk_frames)
