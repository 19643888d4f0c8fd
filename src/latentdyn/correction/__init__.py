"""Corrections of a forecast's states: a score model of the latents, and Langevin steps with it."""
