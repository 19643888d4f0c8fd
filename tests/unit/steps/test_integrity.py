"""A small folder of results in which something is damaged: every step that reads it refuses it, or makes the very same.

Nothing is believed of a file but that it is as it was written: bits flip, files are cut off, emptied, exchanged with
others of their kind, saved again with other values.
"""

import argparse
import importlib
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from latentdyn import files, parquet
from latentdyn.config.tables.lagged import LaggedTable
from latentdyn.errors import UserError
from latentdyn.families import MODELS
from latentdyn.files import canonical_json
from latentdyn.steps.verify_results import MODEL_KINDS
from latentdyn.stores import state
from tests.settings import settings_of

from .test_process_steps import CLUSTERING, EVALUATION, LINEAR, SHARED

TRIALS = 88
LOGMEL = settings_of("representations", "logmel", n_mels=3)
SHUFFLED = {"kind": "surrogate", "source": "mel", "method": "shuffled", "dtype": "float32"}
MLP = {"kind": "mlp", "width": 4, "layers": 1}
NET = settings_of("predictors", "mdn", window_frames=2, horizons=[1, 2], n_components=2, network=MLP)
NET["training"] |= {"steps": 4, "batch_size": 8, "validate_every_steps": 2}
INJECTION = {"splits": ["eval"], "utterances": 2, "segments": 1, "steps": 4, "injected_steps_b": [3], "draws": 2,
             "temperature": 1.0, "bootstrap_resamples": 20}  # fmt: skip
FREE_RUNS = {"split": "eval", "runs": 2, "steps": 12, "at_steps": [1, 12], "temperature": 1.0, "max_frames": 100,
             "bootstrap_resamples": 20}  # fmt: skip
TABLE = LaggedTable(kind="lagged", corpora=["c"], representations=["mel"], predictors=["line", "net"], horizons=[1],
                    splits=["eval"])  # fmt: skip
PLAN = {"corpus": "c", "bootstrap_resamples": 20, "rows": ["mel"], "kinds": {"representations": {"mel": "logmel"},
        "predictors": {"line": "linear_gaussian", "net": "mdn"}, "keys": {}}, "processes": {}}  # fmt: skip


def run(name: str, **arguments: object) -> None:
    """A step in this process."""
    module = importlib.import_module(f"latentdyn.steps.{name}")
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    command = []
    for option, value in arguments.items():
        words = [] if option == "results" else [f"--{option.replace('_', '-')}"]
        command += [*words, *map(str, value if isinstance(value, list) else [value])]
    try:
        module.step(parser.parse_args(command))
    finally:
        for root in list(state._held):  # as the end of its process would
            state._held.pop(root).release()


def steps(results: Path) -> dict[str, Callable[[], None]]:
    """Every job of a small run in its order, by name; what it writes lies where the workflow's rules put it."""
    corpus, audio = results / "c", results.parent / "audio"
    mel, shuffled = corpus / "mel", corpus / "mel__shuffled"
    manifest, splits = corpus / "manifest.parquet", corpus / "splits.parquet"
    of = {"latents": mel / "latents.json", "frames": mel / "frames.json"}
    settings = {"line": LINEAR, "net": NET}
    jobs: dict[str, Callable[[], None]] = {}

    def job(name: str, step: str, **arguments: object) -> None:
        jobs[name] = lambda: run(step, **arguments)

    job("manifest", "build_manifest", root=audio, manifest=manifest, excluded=corpus / "excluded.parquet",
        handle=corpus / "manifest.json", corpus=json.dumps({"kind": "folder", "audio": AUDIO}))  # fmt: skip
    job("splits", "split_speakers", manifest=manifest, out=splits,
        splits=json.dumps({"salt": "5", "validation": 0.2, "eval": 0.4}))  # fmt: skip
    for i in range(2):
        part, handle = corpus / f"parts/{i}of2.parquet", mel / f"parts/{i}of2.json"
        job(f"part{i}", "partition_manifest", manifest=manifest, part=i, n_parts=2, out=part)
        job(f"encode{i}", "encode_latents", part=part, audio=audio, representation=json.dumps(LOGMEL), code="x",
            state=results / f".state/encode/{i}", handle=handle)  # fmt: skip
    job("merge", "merge_latents", parts=[mel / f"parts/{i}of2.json" for i in range(2)], handle=of["latents"])
    job("derive", "derive_latents", source=of["latents"], splits=splits, representation=json.dumps(SHUFFLED),
        handle=shuffled / "latents.json")  # fmt: skip
    for folder in (mel, shuffled):
        job(f"index {folder.name}", "index_frames", latents=folder / "latents.json", splits=splits,
            max_nonfinite_share=0.1, frames=folder / "frames.parquet", handle=folder / "frames.json")  # fmt: skip
    for name in settings:
        folder = mel / name / "seed0"
        job(f"train {name}", "train_model", kind="predictor", settings=json.dumps(settings[name]), **of, seed=0,
            code="x", state=results / f".state/train/{name}", curve=folder / "curve.parquet",
            handle=folder / "predictor.json")  # fmt: skip

    def measure(kind: str, by: str, folder: Path, how: object, sums: str | None, roles: tuple[str, ...] = ()) -> None:
        who = {"measurement": kind, "corpus": "c", "representation": "mel", "by": by, "regime": "r", "seed": 0}
        model = {"handle": str(folder / "predictor.json"), "settings": settings.get(by)}
        name = {"lagged": "metrics"}.get(kind, kind)
        extra: dict[str, object] = {"sums": folder / sums} if sums else {}
        job(f"{kind} {by}", "measure", identity=json.dumps(who), **of, models=json.dumps(dict.fromkeys(roles, model)),
            settings=json.dumps(how), metrics=folder / f"{name}.json", **extra)  # fmt: skip

    for name in settings:
        measure("lagged", name, mel / name / "seed0", EVALUATION, "speakers.parquet", ("predictor",))
    folder = mel / "line/seed0"
    measure("injection", "line", folder, INJECTION, "injection_speakers.parquet", ("predictor", "ceiling"))
    measure("free_runs", "line", folder, FREE_RUNS, None, ("predictor",))
    clusters = {"key": {"kind": "mean_pool"}, "clustering": {**CLUSTERING, **SHARED, "cluster_counts": [4]}}
    measure("clusters", "pool", mel / "pool", clusters, None)
    measured = {name: corpus / f"measured/t/{name}.parquet" for name in ("metrics", "speakers", "worst_frames")}
    outputs = {"metrics_out": measured["metrics"], "sums_out": measured["speakers"]}
    lagged = [mel / name / "seed0" for name in settings]
    sums = [*(f / "speakers.parquet" for f in lagged), folder / "injection_speakers.parquet"]
    job("collect", "collect_metrics", sums=sums,
        metrics=[*(f / "metrics.json" for f in lagged), folder / "injection.json", folder / "free_runs.json",
                 mel / "pool/clusters.json"],
        **outputs, worst_frames_out=measured["worst_frames"])  # fmt: skip
    shown = {**measured, "table": TABLE.canonical(), "plan": canonical_json(PLAN)}
    job("tabulate", "tabulate_metrics", **shown, csv=corpus / "tables/t.csv", markdown=corpus / "tables/t.md",
        latex=corpus / "tables/t.tex", sheet=corpus / "tables/t.sheet.json")  # fmt: skip
    job("plot", "plot_metrics", **shown, png=corpus / "figures/t.png", svg=corpus / "figures/t.svg")
    return jobs


AUDIO = {"min_duration_s": 0.1, "silence_dbfs": -90.0, "max_excluded_share": 0.0}

# which jobs read a file; the first that fits. Tables and figures are read by people alone.
READERS = {
    r"manifest\.(json|parquet)": ["splits", "part0", "part1"],
    r"splits\.parquet": ["index mel", "derive"],
    r"parts/0of2\.parquet": ["encode0"],
    r"parts/1of2\.parquet": ["encode1"],
    r"mel/parts/.*": ["merge"],
    r"mel/latents\..*": ["index mel", "derive", "train line", "lagged line", "clusters pool"],
    r"mel/frames\..*": ["train line", "lagged net", "injection line", "clusters pool"],
    r"line/seed0/predictor\..*": ["lagged line", "injection line", "free_runs line"],
    r"net/seed0/predictor\..*": ["lagged net"],
    r"(metrics|injection|free_runs|clusters)\.json|.*_?speakers\.parquet": ["collect", "tabulate"],
    r"measured/.*": ["tabulate", "plot"],
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds `results` of a finished run, and the speech that it began with."""
    folder = tmp_path_factory.mktemp("finished")
    rng = np.random.default_rng(0)
    for speaker in range(6):
        for utterance in range(2):
            file = folder / f"audio/s{speaker}/u{speaker}{utterance}.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, 0.1 * rng.normal(size=40_000), 16_000, "PCM_16")
    for job in steps(folder / "results").values():
        job()
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Iterator[Callable[[], Path]]:
    def copy() -> Path:
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(finished, tmp_path / "copy")
        return tmp_path / "copy/results"

    yield copy
    shutil.rmtree(tmp_path / "copy", ignore_errors=True)


def contents(results: Path) -> dict[str, bytes]:
    """All files of a folder but those that say when and where they were made."""
    files = (path for path in sorted(results.rglob("*")) if path.is_file() and not path.name.endswith(".run.json"))
    return {path.relative_to(results).as_posix(): path.read_bytes() for path in files}


def flip(path: Path, draw: random.Random, _: list[Path]) -> None:
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def cut(path: Path, draw: random.Random, _: list[Path]) -> None:
    path.write_bytes(path.read_bytes()[: draw.randrange(path.stat().st_size)])


def empty(path: Path, draw: random.Random, _: list[Path]) -> None:
    path.write_bytes(b"")


def overwrite(path: Path, draw: random.Random, _: list[Path]) -> None:
    path.write_bytes(draw.randbytes(path.stat().st_size))


def exchange(path: Path, draw: random.Random, others: list[Path]) -> None:
    other = draw.choice([other for other in others if other.suffix == path.suffix and other != path] or [path])
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)


def edit(path: Path, draw: random.Random, _: list[Path]) -> None:
    """As a person or a script would: another number in the text, a table saved again with its rows in another order."""
    if path.suffix == ".json":
        text = path.read_text()
        place = draw.choice(list(re.finditer(r"(?<=: )-?\d+(\.\d+)?", text)))
        path.write_text(text[: place.start()] + str(float(place[0]) + 1) + text[place.end() :])
    elif path.suffix == ".parquet":
        pd.read_parquet(path).iloc[::-1].to_parquet(path, index=False)
    else:
        flip(path, draw, [])


DAMAGES = (flip, flip, cut, empty, overwrite, exchange, edit)


def test_no_damage_gives_another_number_or_a_traceback(finished, copied):
    """Every trial damages one file and runs a step that reads it."""
    good = contents(finished / "results")
    draw, told, same = random.Random(11), 0, 0
    kinds = [(pattern, [name for name in good if re.search(f"(^|/)({pattern})$", name)]) for pattern in READERS]
    for trial in range(TRIALS):
        pattern, names = kinds[trial % len(kinds)]
        name, damage, reader = draw.choice(names), draw.choice(DAMAGES), draw.choice(READERS[pattern])
        results = copied()
        others = [results / other for other in names]
        damage(results / name, draw, others)
        what = f"trial {trial}: {damage.__name__} {name}, then {reader}"
        damaged = contents(results)
        try:
            steps(results)[reader]()
        except UserError as error:
            told += 1
            assert "delete" in error.fix or "Snakemake" in error.fix, f"{what}: {error}"
            continue
        same += 1
        made = contents(results)
        changed = [file for file in made if made[file] != damaged.get(file)]
        wrong = [file for file in changed if made[file] != good[file]]
        assert not wrong, f"{what}: {wrong} differ"
    assert told > TRIALS // 2 and same > 0, (told, same)


@pytest.mark.parametrize("job", ["encode0", "encode1", "train line", "train net"])
def test_damaged_unfinished_work_is_done_again(finished, copied, monkeypatch, job):
    """The result is the same, and the damage stops nobody."""
    step = "encode_latents" if job.startswith("encode") else "train_model"
    monkeypatch.setattr(f"latentdyn.steps.{step}.remove_state", lambda root: None)  # as if killed just before
    good, draw = contents(finished / "results"), random.Random(7)
    results = copied()
    steps(results)[job]()
    (folder,) = (path.parent for path in (results / ".state").rglob("fingerprint.json"))
    for damage in (flip, flip, cut, empty, overwrite, exchange):
        files = [path for path in folder.iterdir() if path.suffix in (".pt", ".f32", ".jsonl", ".json")]
        damage(draw.choice(files), draw, files)
        steps(results)[job]()
        made = contents(results)
        assert not [name for name in good if made[name] != good[name]], damage.__name__


def said(results: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Exit status of the step that verifies, and its lines."""
    capsys.readouterr()
    module: Any = importlib.import_module("latentdyn.steps.verify_results")
    try:
        module.step(argparse.Namespace(results=results))
    except SystemExit as error:
        return int(str(error.code)), capsys.readouterr().out.splitlines()
    return 0, capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    "gone",
    [
        "manifest.json", "manifest.parquet", "mel/latents.json", "mel/latents.zarr", "mel/frames.json",
        "mel/frames.parquet", "mel/parts/0of2.json", "mel/net/seed0/predictor.json", "mel/net/seed0/curve.parquet",
        "mel/net/seed0/predictor.safetensors", "mel/net/seed0/metrics.json", "mel/net/seed0/speakers.parquet",
        "mel/net/seed0", "mel/pool/clusters.json", "mel/line/seed0/injection.json", "measured/t",
        "measured/t/metrics.parquet", "measured/t/speakers.parquet", "measured/t/worst_frames.parquet", "tables/t.csv",
        "figures/t.png", "figures/t.run.json", "tables/t.run.json", "tables", "splits.parquet", "excluded.parquet",
        "parts", "parts/0of2.parquet", "mel/parts", "manifest.*", "mel/frames.*", "mel/latents.*",
        "mel/line/seed0/[pc]*[!n].[!m]*",
    ],
)  # fmt: skip
def test_what_is_gone_is_told_by_what_is_left(copied, capsys, gone):
    results = copied()
    remove(results / "c", gone)
    status, lines = said(results, capsys)
    assert status == 1 and any("missing" in line for line in lines[:-1]), lines


def remove(folder: Path, pattern: str) -> None:
    paths = list(folder.glob(pattern))
    assert paths
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_a_table_without_its_record_is_no_table_that_is_as_it_was_written(copied, capsys):
    tables = copied() / "c/tables"
    (tables / "t.run.json").unlink()
    (tables / "t.csv").write_text("another,number\n")
    status, lines = said(tables.parents[1], capsys)
    assert status == 1 and lines[0].startswith(f"{tables / 't.run.json'}: it is missing, and t.csv is left of it")
    copy = copied() / "c/tables"
    files.write_json(copy / "t.run.json", {"files": {}})  # as one of another version, or of another table
    status, lines = said(copy.parents[1], capsys)
    told = [line for line in lines[:-1] if "t.run.json beside it holds no checksum of it" in line]
    assert status == 1 and [line.partition(":")[0] for line in told] == [
        str(copy / f"t.{s}") for s in ("csv", "md", "tex")
    ]


@pytest.mark.parametrize("part", ["manifest", "splits", "encoding", "models", "measurements", "table"])
def test_a_run_that_asked_for_less_is_no_damage(copied, capsys, part):
    results = copied()
    order = {
        "table": ["figures"],
        "measurements": ["tables", "measured"],
        "models": ["mel/*/seed0/*s.json", "mel/*/seed0/[fi]*", "mel/*/seed0/*speakers.parquet", "mel/*/seed0/metrics*",
                   "mel/pool"],
        "encoding": ["mel/line", "mel/net", "mel/frames*", "mel__shuffled", "splits.parquet"],
        "splits": ["mel", "parts"],
        "manifest": [],
    }  # fmt: skip
    for name, patterns in order.items():
        for pattern in patterns:
            if list((results / "c").glob(pattern)):
                remove(results / "c", pattern)
        if name == part:
            break
    status, lines = said(results, capsys)
    assert (status, len(lines)) == (0, 1), lines
    assert ("Tables without a figure, in case you asked for it: c/t." in lines[0]) == (part == "table")


def test_what_is_not_checked_is_said(copied, capsys):
    results = copied()
    for stray in ("c/tables/notes.txt", "c/mel/latents.zarr/latents/c/9"):
        (results / stray).parent.mkdir(exist_ok=True)
        (results / stray).write_text("mine")
    (results / "c/mel/latents.zarr/.snakemake_timestamp").touch()
    status, lines = said(results, capsys)
    assert status == 0 and "Not checked: 2 other files (no step has a checksum of them; the first is c/mel/" in lines[0]
    assert "whether the config asks for more, which snakemake -n tells" in lines[0]


def test_the_parts_of_a_manifest_are_known_by_their_corpus(copied, capsys):
    """Where several jobs list a corpus."""
    results = copied()
    folder = results / "c/manifest_parts"
    folder.mkdir()
    run("inspect_recordings", corpus=json.dumps({"kind": "folder", "audio": AUDIO}), root=results.parent / "audio",
        part=0, n_parts=2, utterances=folder / "0of2.parquet", excluded=folder / "0of2_excluded.parquet")  # fmt: skip
    assert said(results, capsys)[0] == 0
    (results / "other").mkdir()
    elsewhere = folder.rename(results / "other/manifest_parts")
    status, lines = said(results, capsys)
    told = [line for line in lines if line.startswith(str(elsewhere))]
    assert status == 1 and len(told) == 2 and all("was made for c, and lies in the folder of other" in t for t in told)


def test_what_was_set_aside_is_compared_with_the_manifest(copied, capsys):
    """A whole table, of another run of the same corpus."""
    excluded = copied() / "c/excluded.parquet"
    row = {"path": "a.wav", "utterance_id": "a", "speaker_id": "s", "reason": "empty", "detail": ""}
    parquet.write_parquet(excluded, pd.DataFrame([row]))
    status, lines = said(excluded.parents[1], capsys)
    assert status == 1 and lines[0].startswith(f"{excluded}: this table is not the one of its manifest")


@pytest.mark.parametrize("gone", ["a.wav", "files.run.json", "."])
def test_what_was_decoded_is_known_by_the_record_beside_it(copied, capsys, gone):
    folder = copied() / "c/mel/line/seed0"
    heard = folder / "free_runs.heard"
    heard.mkdir()
    (heard / "a.wav").write_bytes(b"sound")
    record = files.read_json(folder / "free_runs.run.json", made_by="")
    files.write_json(
        folder / "free_runs.run.json", record | {"command": ["measure", "--folder", f"elsewhere/{heard.name}"]}
    )
    files.write_json(heard / "files.run.json", {"files": {"a.wav": files.file_sha256(heard / "a.wav")}})
    assert said(folder.parents[3], capsys)[0] == 0
    remove(heard.parent, f"{heard.name}/{gone}")
    status, lines = said(folder.parents[3], capsys)
    assert status == 1 and "missing" in lines[0] and lines[0].startswith(str(heard / gone)), lines


def test_every_damaged_file_is_found_with_what_to_delete(finished, copied, capsys):
    status, lines = said(finished / "results", capsys)
    assert (status, len(lines)) == (0, 1) and lines[0].startswith(
        "All that is there is as it was written: 41 files with a checksum"
    )
    good, draw = contents(finished / "results"), random.Random(3)
    for name in draw.sample(sorted(good), 16):
        results = copied()
        draw.choice((flip, cut, empty, overwrite))(results / name, draw, [])
        if contents(results)[name] == good[name]:
            continue
        status, lines = said(results, capsys)
        assert status == 1 and any(line.startswith(f"{results / name}: ") for line in lines), (name, lines)
        assert all("What to do: delete " in line and "run the same command again" in line for line in lines[:-1]), lines


def test_the_command_tells_what_it_does_and_what_it_found(copied):
    results = copied()
    (results / "c/mel/latents.zarr/energy_db/c/0").unlink()
    command = [sys.executable, "-m", "latentdyn.steps.verify_results"]
    done = subprocess.run([*command, results], capture_output=True, text=True, check=False)
    line, conclusion = done.stdout.splitlines()
    assert done.returncode == 1 and re.search(
        r"energy_db/c/0: .* is missing\. What to do: delete .*latents\.json", line
    )
    assert conclusion.startswith("1 damaged or missing files in ")
    assert "and run the same command again. Not checked: 0 other files; " in conclusion
    helped = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False)
    assert helped.returncode == 0 and "which file to delete" in helped.stdout
    with pytest.raises(UserError, match=r"no such folder of results.*nowhere"):
        run("verify_results", results=results / "nowhere")
    (results / "empty").mkdir()
    with pytest.raises(UserError, match="holds no results"):
        run("verify_results", results=results / "empty")


def test_every_kind_of_model_is_known_by_the_name_of_its_handle():
    assert sorted(MODEL_KINDS) == MODELS.kinds()
