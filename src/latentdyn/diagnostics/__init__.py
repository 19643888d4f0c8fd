"""Diagnostics: a representation and a predictor in, tidy metric records out."""
