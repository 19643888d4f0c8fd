"""Corrections of a forecast's states: Langevin steps with a score model of the latents."""
