"""Steps, called as their command line would be; what runs then must count in the digest of the step's code."""

import argparse
import contextlib
import importlib
import inspect
import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

import latentdyn
from latentdyn.families import MEASUREMENTS, MODELS, PREDICTORS, PROCESSES, TRANSFORMS, VIEWS
from latentdyn.provenance import code_definitions, write_run_record
from latentdyn.provenance.modules import is_inert

SOURCE = Path(latentdyn.__file__).parent

for family in (MEASUREMENTS, MODELS, PREDICTORS, PROCESSES, TRANSFORMS, VIEWS):
    family.kinds()  # imports them all: what runs during an import is not taken for what a step runs


def identity(measurement: str, by: str = "p", representation: str = "r", regime: str = "teacher_forced") -> str:
    """What a file of measurements is of, as the rules say it."""
    names = {"measurement": measurement, "corpus": "c", "representation": representation, "by": by}
    return json.dumps({**names, "regime": regime, "seed": 0})


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a step in this process: its own arguments parsed, its errors raised."""

    def run(name: str, **arguments: object) -> None:
        module = importlib.import_module(f"latentdyn.steps.{name}")
        parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
        module.add_arguments(parser)
        command = []
        for option, value in arguments.items():
            command += [f"--{option.replace('_', '-')}", *map(str, value if isinstance(value, list) else [value])]
        parsed = parser.parse_args(command)
        entries = [f"latentdyn.steps.{name}"]
        pick = importlib.import_module

        def noted(name: str, package: str | None = None) -> Any:
            entries.append(name)
            return pick(name, package)

        with monkeypatch.context() as patch:  # a rule gives the modules that a step picks by name as entries too
            patch.setattr(importlib, "import_module", noted)
            with running() as ran:
                module.step(parsed)
        counted = code_definitions(*(name for name in entries if name.startswith("latentdyn")), presentation=True)
        missed = definitions(ran) - {
            f"{label.partition(':')[0]}:{name}" for label in counted for name in label.partition(":")[2].split(",")
        }
        assert not missed, f"edits of {sorted(missed)} would not run {name} again"

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


@contextlib.contextmanager
def running() -> Iterator[set[CodeType]]:
    """The code of the package's functions that run meanwhile; what only run records need left out."""
    ran = set[CodeType]()
    recording: list[FrameType] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and recording and frame is recording[0]:
            recording.clear()
        elif event == "call" and not recording:
            ran.add(frame.f_code)
            if frame.f_code is write_run_record.__code__:
                recording.append(frame)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield ran
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


def definitions(codes: set[CodeType]) -> set[str]:
    """The top-level definitions that hold these functions, as `module:name`; what can't change a result left out."""
    names = set[str]()
    for code in codes:
        path = Path(code.co_filename)
        is_function = bool(code.co_flags & inspect.CO_OPTIMIZED)  # not the body of a class or module
        if path.is_relative_to(SOURCE) and is_function and not code.co_qualname.startswith("<"):
            module = ".".join(["latentdyn", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__")
            names.add(f"{module}:{code.co_qualname.partition('.')[0]}")
    return {name for name in names if not is_inert(name)}
