"""Representations derived from other representations."""
