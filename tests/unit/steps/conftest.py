"""Steps, called as their command line would be."""

import argparse
import importlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest


def identity(measurement: str, by: str = "p", representation: str = "r", regime: str = "teacher_forced") -> str:
    """What a file of measurements is of, as the rules say it."""
    names = {"measurement": measurement, "corpus": "c", "representation": representation, "by": by}
    return json.dumps({**names, "regime": regime, "seed": 0})


@pytest.fixture
def call() -> Callable[..., None]:
    """Run a step in this process: its own arguments parsed, its errors raised."""

    def run(name: str, **arguments: object) -> None:
        module = importlib.import_module(f"latentdyn.steps.{name}")
        parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
        module.add_arguments(parser)
        command = []
        for option, value in arguments.items():
            command += [f"--{option.replace('_', '-')}", *map(str, value if isinstance(value, list) else [value])]
        module.step(parser.parse_args(command))

    return run


@pytest.fixture
def measure(call: Callable[..., None]) -> Callable[..., None]:
    """Make a measurement of latents and frames.

    kind: of measurement. models: by role, the handle and the settings that it must be of.
    """

    def run(
        kind: str, settings: object, *, models: dict[str, tuple[Path, object]] | None = None, by: str = "p",
        regime: str = "teacher_forced", **paths: object,
    ) -> None:  # fmt: skip
        read = {role: {"handle": str(handle), "settings": of} for role, (handle, of) in (models or {}).items()}
        call("measure", identity=identity(kind, by, regime=regime), settings=json.dumps(settings),
             models=json.dumps(read), **paths)  # fmt: skip

    return run
