"""Latents and their frames on disk, each with a handle."""
