"""Predictors: conditional densities of the next step, one model for each horizon."""
