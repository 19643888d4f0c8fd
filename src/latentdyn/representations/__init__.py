"""Representations derived from other representations: one module for each kind, behind one interface (see base)."""
