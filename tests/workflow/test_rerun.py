"""Re-running exactly: an edit re-runs what it affects, and nothing else."""

import pytest

from .conftest import environment, speak

pytestmark = pytest.mark.workflow

# What follows a stage, for each predictor where it is theirs: the network, the line, and the density without a context
# that goes with each.
VIEWS = {"tabulate_metrics": 1, "plot_metrics": 1}
TABLES = {"collect_metrics": 1, **VIEWS}
LINE = {"train_predictor": 1, "measure_lagged": 1, **TABLES}
NETWORK = {"train_predictor": 2, "measure_lagged": 2, **TABLES}
BOTH_PREDICTORS = {"train_predictor": 4, "measure_lagged": 4, **TABLES}
FROM_FRAMES = {"index_frames": 1, **BOTH_PREDICTORS}
FROM_ENCODING = {"encode_latents": 2, "merge_latents": 1, **FROM_FRAMES}
FROM_MANIFEST = {"partition_manifest": 2, "split_speakers": 1, **FROM_ENCODING}


def test_a_second_run_does_nothing(finished):
    assert finished.planned() == {}
    another = environment() | {"PYTHONHASHSEED": "7"}
    assert "Nothing to be done" in (out := finished.snakemake(env=another)).stdout + out.stderr


def test_touching_files_does_nothing(finished):
    finished.touch("audio/*/*.wav", "src/latentdyn/**/*.py", "tiny.yaml", "config/*.yaml", "results/tiny/**/*.json")
    assert finished.planned() == {}


def test_editing_a_comment_or_a_docstring_does_nothing(finished):
    finished.edit("src/latentdyn/predictors/mdn.py", "class MDN", "# a remark\n\n\nclass MDN")
    finished.edit("src/latentdyn/predictors/mdn.py", '"""K components over', '"""Components over')
    assert finished.planned() == {}


def test_editing_what_cannot_change_a_result_does_nothing(finished):
    for file, old, new in [
        ("__init__.py", '__version__ = "', '__version__ = "9.'),  # a release
        ("files.py", "is not valid JSON", "isn't valid JSON"),  # a word of an error
        ("stores/lock.py", "no lock can be had", "there is no lock"),  # a line of the log
        ("progress.py", "_LINE_EVERY_S = 30.0", "_LINE_EVERY_S = 5.0"),
        ("steps/index_frames.py", 'help="', 'help="the '),
    ]:
        finished.edit(f"src/latentdyn/{file}", old, new)
    assert finished.planned() == {}


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("distributions/student_mixture.py", "tail = 0.5 *", "tail = 0.51 *", NETWORK),
        ("distributions/von_mises_fisher.py", "-0.5 * z.square()", "-0.51 * z.square()", {}),
        ("diagnostics/free_runs/comparison.py", "_LAGS = (1, 2, 4, 8)", "_LAGS = (1, 2, 4, 9)", {}),
        ("predictors/mdn.py", "1 + 2 * dim", "2 * dim + 1", NETWORK),
        ("predictors/networks.py", "nn.GELU()", "nn.ReLU()", NETWORK),
        ("predictors/linear_gaussian.py", "_BLOCK = 8192", "_BLOCK = 4096", {**LINE, "measure_lagged": 4}),
        ("predictors/flow.py", "passes=2", "passes=3", {}),
        ("predictors/base.py", "_BLOCK = 8192", "_BLOCK = 4096", BOTH_PREDICTORS),
        ("training/likelihood.py", "_VALIDATION_FRAMES = 16_384", "_VALIDATION_FRAMES = 8192", BOTH_PREDICTORS),
        ("diagnostics/summaries.py", "_TRIM = 0.05", "_TRIM = 0.1", {"measure_lagged": 4, **TABLES}),
        ("stores/frame_index.py", "_MEDIAL = (0.1, 0.9)", "_MEDIAL = (0.2, 0.8)", FROM_FRAMES),
        ("codecs/logmel.py", "_TILE_FRAMES = 256", "_TILE_FRAMES = 64", FROM_ENCODING),
        ("codecs/encodec.py", "transpose(1, 2).cpu()", "transpose(2, 1).cpu()", {}),
        ("corpus/splits.py", "    if u < eval", "    if u <= eval", {"split_speakers": 1, **FROM_FRAMES}),
        ("reporting/published.py", 'PHASE_1, MIMI, "nll"', 'PHASE_1, MIMI, "nll_"', VIEWS),
        ("reporting/views/lagged.py", "alpha=0.15", "alpha=0.2", {"plot_metrics": 1}),
        ("reporting/views/paired.py", '"decided"', '"sure"', {}),
        ("config/corpora.py", "le=48", "le=47", {}),
    ],
)  # fmt: skip
def test_editing_code_re_runs_what_it_affects(finished, file, old, new, expected):
    finished.edit(f"src/latentdyn/{file}", old, new)
    assert finished.planned() == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda c: c["predictors"]["net"]["training"].update(learning_rate=0.01), NETWORK),
        (lambda c: [p.update(horizons=[1, 2, 3]) for p in c["predictors"].values()], BOTH_PREDICTORS),
        (lambda c: c["tables"]["phase1_lagged"].update(columns=["k", "dnll"]), {"tabulate_metrics": 1}),
        (lambda c: c["tables"]["phase1_lagged"].update(slices=["all", "high_energy"]), VIEWS),
        (lambda c: c["tables"]["phase1_lagged"].update(seeds=[0, 1]), NETWORK),  # a closed form draws nothing
        (lambda c: c.update(evaluation={"worst_frames": 3}), {"measure_lagged": 4, **TABLES}),
        (lambda c: c["corpora"]["tiny"]["splits"].update(salt="tiny28"), {"split_speakers": 1, **FROM_FRAMES}),
        (lambda c: c["representations"]["mel"].update(n_mels=9), FROM_ENCODING),
        (lambda c: c["representations"].update(unused={"kind": "logmel"}), {}),
    ],
)  # fmt: skip
def test_changing_the_config_re_runs_what_it_affects(finished, change, expected):
    finished.configure(change)
    assert finished.planned() == expected


def test_a_changed_utterance_encodes_its_own_part_again_and_no_other(finished):
    speak(finished.folder / "audio/s3/u1.wav", seed=999)
    # planned in one go, every part may have changed ...
    assert finished.planned() == {"build_manifest": 1, **FROM_MANIFEST}
    finished.snakemake("--until", "partition_manifest", "split_speakers")
    # ... and once the parts are written anew, one turns out not to have, and no speaker has moved
    assert finished.planned() == {**FROM_ENCODING, "encode_latents": 1}


def test_rebuilding_an_artifact_of_equal_content_re_runs_nothing_after_it(finished):
    rebuilt = [
        "mel/latents.json",
        "mel/frames.json",
        "mel/net/seed0/predictor.json",
        "mel/net/seed0/metrics.json",
        "mel/net/seed0/speakers.parquet",
        "measured/phase1_lagged/metrics.parquet",
    ]
    before = {file: finished.read(file) for file in rebuilt}
    for file in rebuilt:
        (finished.folder / "results/tiny" / file).unlink()
        finished.snakemake("--", f"results/tiny/{file}", env=environment() | {"PYTHONHASHSEED": "7"})
        assert finished.planned() == {}, file
    assert {file: finished.read(file) for file in rebuilt} == before


def test_a_new_speaker_leaves_the_others_where_they_were(finished):
    import pandas as pd

    splits = pd.read_parquet(finished.folder / "results/tiny/splits.parquet").set_index("speaker_id")["split"]
    speak(finished.folder / "audio/new/u0.wav", seed=888)
    finished.snakemake("--", "results/tiny/splits.parquet")
    after = pd.read_parquet(finished.folder / "results/tiny/splits.parquet").set_index("speaker_id")["split"]
    assert after.drop("new").to_dict() == splits.to_dict()
