"""Conditional densities p(Δx | context): a module for each kind, which names its class in `PREDICTOR`."""
