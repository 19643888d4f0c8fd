"""Resident windows, the training loop, checkpoints."""
