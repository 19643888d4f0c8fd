"""Decoded latents as they sound: which are decoded, how they are scored against the original, and what is recorded."""
