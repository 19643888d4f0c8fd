"""The command `latentdyn`, as a user types it, and what the package offers in Python."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import latentdyn
from latentdyn.__main__ import _line, _number, _shown, main
from latentdyn.certificate.measure import COLUMNS
from latentdyn.errors import UserError


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["latentdyn", *map(str, arguments)])
    main()


@pytest.fixture
def index(tmp_path):
    """Ten speakers of white noise."""
    rng, lines = np.random.default_rng(0), ["utterance_id,speaker_id,path"]
    for i in range(10):
        np.save(tmp_path / f"u{i}.npy", rng.normal(size=(40, 2)))
        lines.append(f"u{i},s{i},u{i}.npy")
    (tmp_path / "index.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "index.csv"


def test_measure_prints_a_table_and_a_verdict_and_writes_all_columns(index, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out/table.csv"
    call(monkeypatch, "measure", index, "--frame-rate-hz", 50, "--window-frames", 1, "--horizons", 1, "--csv", out)
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 100
    assert "shuffled" in said and "held out" in said
    assert list(pd.read_csv(out).columns) == COLUMNS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["measure", "missing.csv", "--frame-rate-hz", "50"], "the index of latents does not exist"),
        (["measure", ".", "--frame-rate-hz", "50"], "this is a folder, not the CSV"),
        (["measure", "index.csv", "--frame-rate-hz", "0"], "the frame rate is 0.0"),
        (["measure", "index.csv", "--frame-rate-hz", "50", "--horizons", "0"], "all above 0"),
        (["measure", "index.csv", "--frame-rate-hz", "50", "--window-frames", "90"], "no utterance is long enough"),
    ],
)
def test_mistakes_are_one_paragraph(index, monkeypatch, arguments, said):
    monkeypatch.chdir(index.parent)
    with pytest.raises(SystemExit) as stopped:
        call(monkeypatch, *arguments)
    assert str(stopped.value.code).startswith("error: ") and said in str(stopped.value.code)
    assert "What to do: " in str(stopped.value.code)


def test_utterances_that_never_change_are_told_as_in_python(index, monkeypatch):
    """One in ten: more than what may be set aside."""
    still = np.repeat(np.load(index.parent / "u3.npy")[:1], 40, axis=0)
    np.save(index.parent / "u3.npy", still)
    with pytest.raises(SystemExit, match=r"1 of 10 utterances never change.*utterance 'u3'.*leave such utterances out"):
        call(monkeypatch, "measure", index, "--frame-rate-hz", 50, "--window-frames", 1, "--horizons", 1)
    arrays = {f"u{i}": np.load(index.parent / f"u{i}.npy") for i in range(10)}
    with pytest.raises(UserError, match=r"1 of 10 utterances never change"):
        latentdyn.measure(arrays, {f"u{i}": f"s{i}" for i in range(10)}, 50, window_frames=1, horizons=[1])


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("index.csv", "would replace the index"),
        ("link.csv", "would replace the index"),
        ("u0.npy", "does not end in .csv"),
        ("folder.csv", "is no file"),
        ("/dev/null", "is no file"),
    ],
)
def test_a_table_replaces_nothing_that_a_user_has_made(index, monkeypatch, target, said):
    monkeypatch.chdir(index.parent)
    (index.parent / "link.csv").symlink_to("index.csv")
    (index.parent / "folder.csv").mkdir()
    before = {file: file.read_bytes() for file in index.parent.iterdir() if file.is_file()}
    with pytest.raises(SystemExit, match=f"{said}.*; nothing was measured"):
        call(monkeypatch, "measure", "index.csv", "--frame-rate-hz", 50, "--csv", target)
    assert {file: file.read_bytes() for file in index.parent.iterdir() if file.is_file()} == before


def test_a_table_is_written_where_a_link_leads(index, monkeypatch):
    monkeypatch.chdir(index.parent)
    (index.parent / "link.csv").symlink_to("table.csv")
    call(
        monkeypatch, "measure", index, "--frame-rate-hz", 50, "--window-frames", 1, "--horizons", 1, "--csv", "link.csv"
    )
    assert (index.parent / "link.csv").is_symlink() and list(pd.read_csv("table.csv").columns) == COLUMNS


@pytest.mark.parametrize("arguments", [["--help"], ["measure", "--help"], ["--version"]])
def test_help_comes_without_the_heavy_packages(arguments):
    script = (
        "import sys, latentdyn.__main__ as command\n"
        "sys.argv = ['latentdyn', *sys.argv[1:]]\n"
        "try: command.main()\n"
        "finally: print({'torch', 'pandas', 'xarray', 'zarr'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith("set()\n"), done.stdout + done.stderr


def test_the_package_offers_its_functions_and_imports_nothing_for_them():
    done = subprocess.run([sys.executable, "-c", "import sys, latentdyn; print(len(sys.modules))"], capture_output=True)
    assert int(done.stdout) < 150  # torch alone brings more than a thousand
    assert {"measure", "open_latents", "UserError"} <= set(dir(latentdyn))
    assert latentdyn.measure.__module__ == "latentdyn.certificate.measure"
    assert latentdyn.open_latents.__module__ == "latentdyn.dataset"
    with pytest.raises(AttributeError, match="no attribute 'measures'"):
        latentdyn.measures  # noqa: B018


def test_a_run_is_shown_with_the_name_of_each_number():
    names = {"corpus": "c", "representation": "mel", "part": "0", "n_parts": "2", "predictor": "net", "seed": "7"}
    job = {"started": "now", "status": "done", "rule": "r", "wildcards": names, "host": "h"}
    assert _line(job) == "now  done         r  c mel net n_parts=2 part=0 seed=7  on h"


@pytest.mark.parametrize("lines", [20, 20_000])  # what is left when the program ends, and while it prints
def test_a_reader_who_has_seen_enough_is_no_error(tmp_path, lines):
    """As in `latentdyn runs | head`."""
    job = {"rule": "r", "status": "done", "started": "2026", "seconds": 1.0, "device": "cpu"}
    (tmp_path / "results").mkdir()
    (tmp_path / "results/manifest.jsonl").write_text(
        "".join(f"{json.dumps({'job': i, **job})}\n" for i in range(lines))
    )
    command = [sys.executable, "-m", "latentdyn", "runs", f"--last={lines}"]
    ran = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    ran.stdout.close()
    assert (ran.communicate()[1], ran.returncode) == ("", 1)


@pytest.mark.parametrize("last", ["0", "-2", "x"])
def test_as_many_runs_are_shown_as_a_whole_number_says(last, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        call(monkeypatch, "runs", f"--last={last}")
    assert f"'{last}' is not a whole number, 1 or more" in capsys.readouterr().err


def test_large_numbers_keep_the_table_narrow():
    row = {"representation": "latents__shuffled", "predictor": "linear_gaussian", "k": 16, "n": 200_000, "speakers": 9}
    for value in (-0.001, -185.44, -12345.6, -1e9, np.nan):
        wide = pd.DataFrame([row | dict.fromkeys(COLUMNS[6:], value) | {"cosine": -0.5, "r2_delta": -0.5}])
        assert max(map(len, _shown(wide).splitlines())) <= 100
    numbers = {-0.001: "0.00", 99.994: "99.99", 99.999: "100.0", -185.44: "-185.4", 12345.6: "12346", -1e9: "-1e+09"}
    assert [_number(value) for value in numbers] == list(numbers.values())
