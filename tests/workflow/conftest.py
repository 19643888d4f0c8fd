"""Whole small DAGs: a copy of the checkout, a few seconds of made-up speech, and Snakemake as a user runs it."""

import compileall
import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from latentdyn.forkserver import VARIABLE, client

from .warm import warm_python

ROOT = Path(__file__).parents[2]
# two threads would wait for each other on busy cores
ONE_THREAD = ("--set-threads", "train_predictor=1", "measure_lagged=1", "measure_clusters=1")

CONFIG: dict[str, Any] = {
    "corpora": {
        "tiny": {
            "kind": "folder", "root": "audio", "encoding_parts": 2,
            "splits": {"salt": "tiny27", "validation": 0.2, "eval": 0.3},
        }
    },
    "representations": {"mel": {"kind": "logmel", "n_mels": 8}},
    "predictors": {
        "net": {
            "kind": "mdn", "window_frames": 2, "horizons": [1, 2], "n_components": 2,
            "network": {"kind": "mlp", "width": 8, "layers": 1},
            "training": {"steps": 20, "batch_size": 16, "validate_every_steps": 10},
        },
        "line": {"kind": "linear_gaussian", "window_frames": 2, "horizons": [1, 2]},
    },
    "tables": {
        "phase1_lagged": {
            "kind": "lagged", "corpora": ["tiny"], "representations": ["mel"], "predictors": ["net", "line"],
            "horizons": [1, 2], "splits": ["train", "eval"],
        }
    },
}  # fmt: skip


class Checkout:
    """A copy of the project with a config and audio of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def snakemake(
        self, *arguments: str, check: bool = True, env: dict[str, str] | None = None, first: tuple[Path, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end, by a copy of the warm Python; in a given environment, by the real one.

        Args:
            first: folders with programs that jobs run instead.
        """
        command = self.command(*arguments)
        if env is None:
            env = warm_environment(*first)
            command[:1] = client()
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def command(self, *arguments: str) -> list[str]:
        config = () if "--configfile" in arguments else ("--configfile", "tiny.yaml")
        return [sys.executable, "-m", "snakemake", *ONE_THREAD, "--cores", "2", *config, *arguments]

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs that a dry run would start, by rule; `all` itself does nothing and is left out."""
        out = self.snakemake("-n", *arguments)
        stats = re.search(r"^job +count\n-+ +-+\n(.*?)\n\n", out.stdout + out.stderr, re.S | re.M)
        jobs = dict(line.split() for line in stats[1].splitlines()) if stats else {}
        return {rule: int(n) for rule, n in jobs.items() if rule not in ("all", "total")}

    def configure(self, change: Any = None) -> None:
        config = yaml.safe_load(yaml.safe_dump(CONFIG))
        if change:
            change(config)
        (self.folder / "tiny.yaml").write_text(yaml.safe_dump(config))

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1))

    def touch(self, *patterns: str) -> None:
        for pattern in patterns:
            for path in self.folder.glob(pattern):
                path.touch()

    def read(self, file: str) -> bytes:
        return (self.folder / "results/tiny" / file).read_bytes()


def environment(*first: Path) -> dict[str, str]:
    """Of a run as a user has it: one thread, no GPU; Python keeps its bytecode, and the digests of code beside it."""
    path = os.pathsep.join(str(folder) for folder in (*first, Path(sys.executable).parent, os.environ["PATH"]))
    return {
        **os.environ,
        "PATH": path,
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONDONTWRITEBYTECODE": "",
    }


def warm_environment(*first: Path) -> dict[str, str]:
    """The same, where jobs are copies of the warm Python."""
    return {**environment(*first), VARIABLE: str(warm_python().address)}


def speak(path: Path, seed: int, seconds: float = 4.0) -> None:
    """Noise whose level wanders: as far from digital silence as speech is."""
    rng = np.random.default_rng(seed)
    n = int(16000 * seconds)
    level = np.interp(np.arange(n), np.linspace(0, n, 20), rng.uniform(0.01, 0.3, 20))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, level * rng.normal(size=n) * 0.3, 16000, "PCM_16")


def new_checkout(folder: Path) -> Checkout:
    return checkout_with(source(), folder)


@functools.cache
def source() -> Path:
    """The package beside its bytecode and the digests of its code, which each copy would find again for seconds."""
    checkout = checkout_with(ROOT / "src", warm_python().folder / "checkout")
    compileall.compile_dir(checkout.folder / "src", quiet=1)
    checkout.planned()
    return checkout.folder / "src"


def checkout_with(source: Path, folder: Path) -> Checkout:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("Snakefile", "workflow", "config", "profiles"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)
    shutil.copytree(source, folder / "src")
    for speaker in range(10):
        for i in range(2):
            speak(folder / f"audio/s{speaker}/u{i}.wav", 10 * speaker + i)
    checkout = Checkout(folder)
    checkout.configure()
    return checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A fresh copy in which nothing has run."""
    return new_checkout(tmp_path / "checkout")


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = new_checkout(tmp_path_factory.mktemp("finished") / "checkout")
    checkout.snakemake()
    return checkout


@pytest.fixture
def finished(finished_once: Checkout, tmp_path: Path) -> Checkout:
    """A copy of a finished run, with its times and Snakemake's own records."""
    subprocess.run(["cp", "-a", finished_once.folder, tmp_path / "checkout"], check=True)
    return Checkout(tmp_path / "checkout")
