"""Densities over a step Δx: log_prob, mean, expected log-magnitude, sample."""
