"""latentdyn: measures and improves how predictable the continuous latents of neural audio codecs are."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["UserError", "measure", "open_latents"]

if TYPE_CHECKING:
    from latentdyn.certificate.measure import measure as measure
    from latentdyn.dataset import open_latents as open_latents
    from latentdyn.errors import UserError as UserError

_PLACES = {"UserError": "errors", "measure": "certificate.measure", "open_latents": "dataset"}


def __getattr__(name: str) -> Any:
    """What is meant for notebooks, imported when it is first used: torch and xarray take seconds."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
