"""Frame rates that divide: one rule for the configuration, which may know a rate, and for the work, which does."""


def whole_factor(rate_hz: float, lower_hz: float) -> int:
    """How many frames of `rate_hz` make one of `lower_hz`: a whole number of at least 1.

    Raises:
        ValueError: the rates' ratio is no such number. The text says which rates near it would do.
    """
    factor = round(rate_hz / lower_hz)
    if factor < 1 or abs(factor * lower_hz - rate_hz) > 1e-6 * rate_hz:
        near = sorted({max(1, factor + i) for i in (-1, 0, 1)})
        raise ValueError(
            f"{lower_hz:g} Hz is not {rate_hz:g} Hz divided by a whole number; near it are "
            + ", ".join(f"{rate_hz / n:.6g}" for n in near)
        )
    return factor
