"""Conditional densities p(Δx | context), one module a kind, each naming its class `PREDICTOR`."""
