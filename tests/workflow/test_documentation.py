"""What the documents tell a reader to type works: Python runs, YAML is a valid configuration, commands plan.

A fenced block that cannot be run has a comment on the line above it that says why: `<!-- not run: reason -->`.
"""

import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from snakemake.utils import update_config

from latentdyn.__main__ import command_line
from latentdyn.config import load_config
from latentdyn.config.corpora import CorpusKind
from latentdyn.config.files import merged
from latentdyn.config.keys import KeyKind
from latentdyn.config.kinds import kinds_of
from latentdyn.config.predictors import PredictorKind
from latentdyn.config.regimes import RegimeKind
from latentdyn.config.representations import RepresentationKind
from latentdyn.config.tables.base import TableKind
from latentdyn.forkserver import client
from latentdyn.stores.frames import index_frames, write_frames
from latentdyn.stores.latents import open_latents
from latentdyn.stores.latents_writer import LatentsWriter
from latentdyn.stores.lineage import root_facts
from tests.settings import kind_of

from .conftest import ROOT, Checkout, environment, new_checkout, warm_environment

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("[bc]*/README.md"))]
DOCUMENTS.remove(ROOT / "docs/extending.md")  # its blocks belong together: test_extending runs them
SHOWN = {"", "csv"}  # layouts of files and of folders
NOT_TYPED_HERE = {"cat", "pip", "scancel", "squeue"}  # they install, act on a cluster, or read what a run has made
MOST_NOT_RUN = 5


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, its language, and why it is not run ("" if it is)."""

    where: str
    language: str
    text: str
    not_run: str


def blocks_of(path: Path) -> list[Block]:
    """All fenced blocks of a document, in their order."""
    found, lines, start = [], path.read_text().splitlines(), None
    for i, line in enumerate(lines):
        if not line.lstrip().startswith("```"):
            continue
        if start is None:
            start = i
            continue
        reason = re.fullmatch(r"\s*<!-- not run: (.+) -->", lines[start - 1]) if start else None
        text = "\n".join(lines[start + 1 : i]) + "\n"
        language = lines[start].strip().removeprefix("```")
        name = f"{path.relative_to(ROOT)}:{start + 1}"
        found.append(Block(name, language, text, reason[1] if reason else ""))
        start = None
    assert start is None, f"{path.name}: a block that begins in line {start} has no end"
    return found


BLOCKS = [block for path in DOCUMENTS for block in blocks_of(path)]


def runnable(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language and not block.not_run]


def commands(program: str) -> list[str]:
    """Each different command of the bash blocks that calls `program`, without its comment."""
    lines = [line.split(" #")[0].strip() for block in runnable("bash") for line in block.text.splitlines()]
    return list(dict.fromkeys(line for line in lines if line.startswith(f"{program} ")))


def test_every_block_is_of_a_language_that_is_tested_and_few_are_not_run():
    tested = {"bash", "python", "yaml"}
    assert {block.language for block in BLOCKS} <= tested | SHOWN
    assert all(runnable(language) for language in tested)
    markers = sum(path.read_text().count("<!-- not run") for path in DOCUMENTS)
    assert markers == sum(bool(block.not_run) for block in BLOCKS), "a marker stands right above its block"
    assert markers <= MOST_NOT_RUN


@pytest.mark.parametrize("block", runnable("python"), ids=lambda block: block.where)
def test_python_runs(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    leave_results(Path("results/demo/logmel"))
    brought = latents_of_a_reader()
    table = pd.concat([pd.DataFrame(x).assign(utterance=i) for i, x in enumerate(brought["arrays"])])
    table.assign(speaker=table["utterance"]).to_csv("frames.csv", index=False)
    exec(compile(block.text, block.where, "exec"), {"__name__": "__main__", **brought})


def leave_results(folder: Path) -> None:
    """A store and its index, as the demo leaves them, but small."""
    writer = LatentsWriter(folder / "latents.json", 4, 12.5, **root_facts({"kind": "logmel"}))
    writer.append("u", "s", np.ones((3, 4), np.float32))
    writer.close()
    store = open_latents(folder / "latents.json")
    index = index_frames(store, pd.DataFrame({"speaker_id": ["s"], "split": ["train"]}))
    write_frames(folder / "frames.parquet", folder / "frames.json", index, store)


def latents_of_a_reader() -> dict[str, list[Any]]:
    """What the documents call `arrays` and `speakers`."""
    rng = np.random.default_rng(0)
    return {"arrays": [rng.normal(size=(30, 2)) for _ in range(6)], "speakers": [f"s{i}" for i in range(6)]}


@pytest.mark.parametrize("block", runnable("yaml"), ids=lambda block: block.where)
def test_yaml_is_a_valid_configuration_on_top_of_the_demo(block):
    values = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    for text in ((ROOT / "config/demo.yaml").read_text(), block.text):
        update_config(values, yaml.safe_load(text))
    load_config(values)


@pytest.mark.parametrize(
    "block",
    [block for block in runnable("yaml") if "tables" in yaml.safe_load(block.text)],
    ids=lambda block: block.where,
)
def test_yaml_that_asks_for_tables_is_complete(block, tmp_path):
    """A reader who saves it in a file can run that file: it names nothing that only the demo defines."""
    (tmp_path / "my.yaml").write_text(block.text)
    files = [ROOT / "config/config.yaml", tmp_path / "my.yaml"]
    load_config(merged(files), files)


def test_every_shipped_file_is_in_the_list_of_files():
    listed = re.findall(r"^\| `(\w+\.yaml)` \|", (ROOT / "config/README.md").read_text(), re.M)
    assert sorted(listed) == sorted(path.name for path in (ROOT / "config").glob("*.yaml"))


@pytest.mark.parametrize("base", [CorpusKind, RepresentationKind, PredictorKind, RegimeKind, KeyKind, TableKind])
def test_the_readme_names_every_kind(base):
    text = (ROOT / "README.md").read_text()
    assert [kind_of(section) for section in kinds_of(base) if f"`{kind_of(section)}`" not in text] == []


def test_bash_calls_programs_that_are_known():
    called = {line.split()[0] for block in runnable("bash") for line in block.text.splitlines() if line.strip()}
    assert called <= {"make", "snakemake", "latentdyn"} | NOT_TYPED_HERE


@pytest.mark.parametrize("command", commands("latentdyn"))
def test_the_command_has_these_options(command):
    command_line().parse_args(shlex.split(command)[1:])


@pytest.mark.parametrize("command", commands("make"))
def test_make_has_the_target(command):
    make = [*shlex.split(command), "--dry-run"]
    assert subprocess.run(make, cwd=ROOT, env=environment(), capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout beside what the documents ask a reader to bring."""
    checkout = new_checkout(tmp_path_factory.mktemp("documentation") / "checkout")
    (checkout.folder / "slurm").symlink_to("profiles/slurm")
    for corpus in yaml.safe_load((ROOT / "config/soundstream.yaml").read_text())["corpora"].values():
        if corpus["kind"] == "librispeech":
            recording = checkout.folder / corpus["root"] / corpus["subset"] / "19/198/19-198-0000.flac"
            recording.parent.mkdir(parents=True)
            recording.touch()  # planning lists files and opens none
            (checkout.folder / corpus["root"] / "SPEAKERS.TXT").touch()
    mine = {block.language: block.text for block in blocks_of(ROOT / "docs/own_latents.md")}
    (checkout.folder / "my").mkdir()
    (checkout.folder / "my/latents.yaml").write_text(mine["yaml"])
    (checkout.folder / "my/index.csv").write_text(mine["csv"])
    audio = next(block.text for block in blocks_of(ROOT / "docs/own_audio.md") if block.language == "yaml")
    (checkout.folder / "my/audio.yaml").write_text(audio)
    recording = checkout.folder / "my/voices/anna/first.wav"
    recording.parent.mkdir(parents=True)
    recording.touch()
    for name in ("u00", "u01"):
        np.save(checkout.folder / f"my/{name}.npy", np.zeros((30, 4), np.float32))
    return checkout


@pytest.mark.workflow
@pytest.mark.parametrize("command", dict.fromkeys(line.removesuffix(" -n") for line in commands("snakemake")))
def test_snakemake_plans_it(reader, command):
    arguments = shlex.split(command)[1:]
    dry_run = [] if "--unlock" in arguments else ["-n", "--quiet", "all", "--cores", "1"]
    snakemake = [*client(), "-m", "snakemake", *dry_run, *arguments]
    done = subprocess.run(snakemake, cwd=reader.folder, env=warm_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.workflow
def test_docs_state_the_number_of_jobs_of_the_paper(reader):
    rules = "".join(path.read_text() for path in [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")])
    local = set(re.findall(r"\w+", " ".join(re.findall(r"^localrules:\n((?: +\w+,\n)+)", rules, re.M))))
    planned = reader.planned("--configfile", "config/librispeech100.yaml")
    submitted = sum(n for rule, n in planned.items() if rule not in local)
    stated = re.search(r"has (\d+) jobs, of which (\d+) go to Slurm", (ROOT / "docs/cluster.md").read_text())
    assert stated and [int(n) for n in stated.groups()] == [sum(planned.values()) + 1, submitted]  # and `all`
