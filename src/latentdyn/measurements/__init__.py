"""Kinds of measurement, a module each with `measure`: what it makes of a representation and of fitted models."""
