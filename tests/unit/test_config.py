"""What the configuration accepts, what it refuses and how it says so, and that its documents say the same."""

import copy
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from snakemake.utils import update_config

from latentdyn import config as module
from latentdyn.config import LAGGED_COLUMNS, Config, LaggedColumn, json_schema, load_config
from latentdyn.errors import UserError

FOLDER = Path(__file__).parents[2] / "config"
OVERLAYS = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "config")

SMALL = {
    "schema_version": 1,
    "corpora": {"speech": {"kind": "folder", "root": "audio"}, "mine": {"kind": "latents", "index": "a.csv",
                                                                       "frame_rate_hz": 12.5}},
    "representations": {"logmel": {"kind": "logmel"}, "given": {"kind": "provided"},
                        "slow": {"kind": "pooled", "source": "logmel", "frame_rate_hz": 6.25}},
    "predictors": {"line": {"kind": "linear_gaussian"}, "net": {"kind": "mdn"}},
    "tables": {"t": {"kind": "lagged", "corpora": ["speech"], "representations": ["logmel", "slow"],
                     "predictors": ["line", "net"]}},
}  # fmt: skip


def edited(path: str, value: Any) -> dict[str, Any]:
    """SMALL with the value at a dotted path set, or removed if it is `...`."""
    values: Any = copy.deepcopy(SMALL)
    *folders, key = path.split(".")
    place = values
    for name in folders:
        place = place.setdefault(name, {})
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return values


def refusal(values: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        load_config(values)
    return caught.value.what


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


def merged(name: str) -> Config:
    """A file as a run sees it: on top of config.yaml, merged by Snakemake itself."""
    values = read("config")
    if name != "config":
        update_config(values, read(name))
    return load_config(values)


# ----------------------------------------------------------------------------------------- the files we ship


@pytest.mark.parametrize("name", ["config", *OVERLAYS])
def test_a_shipped_file_is_valid(name: str):
    assert merged(name).tables


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_shipped_file_mixes_no_two_kinds_under_one_name(name: str):
    base, overlay = read("config"), read(name)
    for section in ("corpora", "representations", "predictors", "tables"):
        for entry in base[section].keys() & overlay.get(section, {}).keys():
            assert overlay[section][entry]["kind"] == base[section][entry]["kind"]
            assert overlay[section][entry].keys() >= base[section][entry].keys(), (
                "a key of the demo would shine through"
            )


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_shipped_file_runs_without_the_demo(name: str):
    config = merged(name)
    assert {corpus for table in config.tables.values() for corpus in table.corpora} == set(read(name)["corpora"])


def test_the_paper_is_configured_as_it_was_published():
    config = merged("librispeech100")
    mdn = config.predictors["mdn"].model_dump()
    training = mdn.pop("training")
    # seed 001, Appendix B
    assert (mdn["window_frames"], mdn["horizons"], mdn["n_components"]) == (8, [1, 2, 4, 8], 8)
    assert (mdn["hidden_layers"], mdn["hidden_width"], mdn["dropout"], mdn["target_axes"]) == (2, 1024, 0, "natural")
    assert (training["steps"], training["batch_size"]) == (25_000, 256)
    assert (training["learning_rate"], training["weight_decay"], training["gradient_clip_norm"]) == (1e-3, 1e-4, 1)
    assert config.tables["phase1_lagged"].seeds == [0, 1, 2]


def test_encoders_are_pinned_and_their_rates_match():
    representations = merged("librispeech100").representations
    for name in ("mimi", "encodec"):
        assert re.fullmatch(r"[0-9a-f]{40}", representations[name].revision)
    assert representations["encodec_12hz"].frame_rate_hz == 24_000 / 1920  # Mimi's, and 75 Hz / 6


# ------------------------------------------------------------------------------------------ what is accepted


def test_defaults_fill_in():
    config = load_config(SMALL)
    assert config.tables["t"].columns == LAGGED_COLUMNS
    assert config.predictors["net"].training.steps == 25_000
    assert config.corpora["speech"].splits.eval == 0.2


def test_horizons_are_sorted():
    assert load_config(edited("tables.t.horizons", [4, 1])).tables["t"].horizons == [1, 4]


def test_a_section_as_canonical_json_is_the_same_however_it_is_written():
    brief = load_config(SMALL).predictors["line"]
    full = load_config(edited("predictors.line", dict(reversed(brief.model_dump().items())))).predictors["line"]
    assert brief.canonical() == full.canonical()
    assert json.loads(brief.canonical())["ridges"] == [1e-4, 1e-3, 1e-2, 0.1, 1.0]


def test_a_chain_of_derived_representations_is_followed_to_its_encoder():
    config = load_config(edited("representations.slower", {"kind": "pooled", "source": "slow", "frame_rate_hz": 3.125}))
    assert config.root_representation("slower") == config.representations["logmel"]


def test_a_local_checkpoint_needs_no_revision(tmp_path: Path):
    assert load_config(edited("representations.mimi", {"kind": "mimi", "checkpoint": str(tmp_path)}))


# ------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("predictors.net.dropuot", 0.1, r"predictors\.net\.dropuot: unknown key"),
        ("tabels", {}, r"tabels: unknown key"),
        ("predictors.net.training.learning_rate", "1e-3", r"predictors\.net\.training\.learning_rate: .*number"),
        ("predictors.net.window_frames", 8.5, r"predictors\.net\.window_frames: .*integer"),
        ("predictors.net.window_frames", True, r"predictors\.net\.window_frames: .*integer"),
        ("predictors.net.window_frames", 0, r"predictors\.net\.window_frames: .*greater than 0"),
        ("predictors.net.dropout", 1.0, r"predictors\.net\.dropout: .*less than 1"),
        ("predictors.net.log_sigma_min", 3.0, r"predictors\.net: log_sigma_min must be below log_sigma_max"),
        ("predictors.net.kind", "transformer", r"predictors\.net: .*'transformer'.*'mdn'"),
        ("predictors.net.kind", ..., r"predictors\.net: .*kind"),
        ("predictors.Net", {"kind": "mdn"}, r"predictors.*Net.*pattern"),
        ("predictors.line.ridges", [], r"predictors\.line\.ridges: .*at least 1"),
        ("corpora.speech.root", ..., r"corpora\.speech\.root: Field required"),
        ("corpora.speech.splits", {"validation": 0.5, "eval": 0.5}, r"corpora\.speech\.splits: .*training"),
        ("corpora.libri", {"kind": "librispeech"}, r"corpora\.libri: give either root .* or url"),
        ("corpora.libri", {"kind": "librispeech", "url": "https://a.b/c"}, r"url and checksum go together"),
        (
            "corpora.libri",
            {"kind": "librispeech", "root": "x", "url": "https://a.b/c", "checksum": f"md5:{'0' * 32}"},
            r"not both",
        ),
        (
            "corpora.libri",
            {"kind": "librispeech", "url": "https://a.b/c", "checksum": f"md5:{'0' * 31}"},
            r"corpora\.libri\.checksum: .*pattern",
        ),
        (
            "corpora.libri",
            {"kind": "librispeech", "url": "file:///etc/passwd", "checksum": f"md5:{'0' * 32}"},
            r"corpora\.libri\.url: .*pattern",
        ),
        ("corpora.libri", {"kind": "librispeech", "root": "x", "subset": "../x"}, r"corpora\.libri\.subset: .*pattern"),
        ("corpora.demo", {"kind": "demo", "n_speakers": 49}, r"corpora\.demo\.n_speakers: .*48"),
        ("representations.mimi", {"kind": "mimi"}, r"representations\.mimi\.revision: pin the commit of 'kyutai/mimi'"),
        ("representations.slow.source", "mel", r"representations\.slow\.source: no representation is named 'mel'"),
        ("representations.slow.source", "slow", r"goes round in a circle \(slow\)"),
        (
            "representations.logmel",
            {"kind": "pooled", "source": "slow", "frame_rate_hz": 1.0},
            r"goes round in a circle \((logmel -> slow|slow -> logmel)\)",
        ),
        ("tables", {}, r"tables: .*at least 1"),
        ("tables.t.predictors", ["lines"], r"tables\.t\.predictors: 'lines' is not defined \(defined: line, net\)"),
        ("tables.t.corpora", [], r"tables\.t\.corpora: .*at least 1"),
        ("tables.t.seeds", [0, 0], r"tables\.t\.seeds: lists the same entry twice"),
        ("tables.t.seeds", [-1], r"tables\.t\.seeds\.0: .*greater than or equal to 0"),
        ("tables.t.splits", ["test"], r"tables\.t\.splits\.0: .*'train', 'validation' or 'eval'"),
        ("tables.t.columns", ["k", "loss"], r"tables\.t\.columns\.1: "),
        ("tables.t.horizons", [1, 3], r"tables\.t\.horizons: predictor 'line' is not trained at k = \[3\]"),
        ("tables.t.representations", ["given"], r"corpus 'speech' \(kind folder\) cannot give representation 'given'"),
        ("tables.t.corpora", ["mine"], r"corpus 'mine' \(kind latents\) cannot give representation 'logmel'"),
        ("predictors.line.window_frames", 4, r"tables\.t\.predictors: .* would be measured on different frames"),
        ("predictors.line.horizons", [1, 2, 4, 16], r"tables\.t\.predictors: .* on different frames"),
        ("schema_version", 2, r"schema_version: "),
        ("evaluation.max_frames", None, r"evaluation\.max_frames: "),
    ],
)
def test_a_mistake_is_refused_by_its_dotted_path(path: str, value: Any, message: str):
    assert re.search(message, refusal(edited(path, value)))


def test_all_mistakes_are_told_at_once():
    values = edited("predictors.net.dropuot", 0.1)
    values["corpora"]["speech"]["rot"] = "x"
    what = refusal(values)
    assert "predictors.net.dropuot" in what and "corpora.speech.rot" in what


def test_a_config_does_not_change_after_it_was_checked():
    with pytest.raises(ValueError, match="frozen"):
        load_config(SMALL).evaluation.max_frames = 1


# ------------------------------------------------------------------------- the documents that are to say the same


def models() -> list[type[BaseModel]]:
    """Every section that a config can hold."""
    return [getattr(module, name) for name in Config.model_json_schema()["$defs"]] + [Config]


def documented() -> dict[str, dict[str, str]]:
    """config/README.md as {heading: {key: default as written}}."""
    sections: dict[str, dict[str, str]] = {}
    for line in (FOLDER / "README.md").read_text().splitlines():
        if heading := re.fullmatch(r"##+ (.+)", line):
            section = sections.setdefault(heading[1], {})
        elif row := re.fullmatch(r"\| `(\w+)` \|[^|]+\| ([^|]+) \| [^|]+ \|", line):
            assert row[1] not in section, f"{row[1]} twice"
            section[row[1]] = row[2]
    return sections


SHARED = {  # headings that hold the keys which several kinds have
    "Every corpus": ["LibriSpeech", "Folder", "Demo", "Latents"],
    "Every corpus of audio": ["LibriSpeech", "Folder", "Demo"],
    "Every representation": ["Mimi", "EnCodec", "SoundStream", "LogMel", "Pooled", "Provided"],
    "Every predictor": ["MDN", "LinearGaussian"],
}
HEADINGS = {"Config": "Top level", "Splits": "splits", "AudioChecks": "audio", "Training": "training",
            "Evaluation": "Evaluation"}  # fmt: skip


@pytest.mark.parametrize("model", models(), ids=lambda m: m.__name__)
def test_the_readme_lists_every_key_with_its_default(model: type[BaseModel]):
    sections = documented()
    kind = model.model_fields.get("kind")
    heading = f"kind: {get_args(kind.annotation)[0]}" if kind else HEADINGS[model.__name__]
    rows = {key: default for name, users in SHARED.items() if model.__name__ in users
            for key, default in sections[name].items()}  # fmt: skip
    assert not rows.keys() & sections[heading].keys()
    rows |= sections[heading]
    assert rows.keys() == model.model_fields.keys() - {"kind"}
    for key, written in rows.items():
        default = model.model_fields[key].default
        if default is PydanticUndefined:
            assert written == "*required*", key
        elif isinstance(default, BaseModel) or default is LAGGED_COLUMNS:
            assert written.startswith("see "), key
        else:
            assert json.loads(written.strip("`")) == default, key


def test_the_readme_has_no_section_of_nothing():
    with_keys = {name for name, rows in documented().items() if rows}
    kinds = {f"kind: {get_args(m.model_fields['kind'].annotation)[0]}" for m in models() if "kind" in m.model_fields}
    assert with_keys - kinds == {*SHARED, *HEADINGS.values()}


def test_the_readme_lists_every_column_and_marks_the_default_ones():
    text = (FOLDER / "README.md").read_text().split("The columns, those shown by default in bold")[1]
    listed = re.findall(r"(\*\*)?`(\w+)`", text)
    assert [name for _, name in listed] == list(get_args(LaggedColumn))
    assert [name for bold, name in listed if bold] == LAGGED_COLUMNS


@pytest.mark.parametrize("model", models(), ids=lambda m: m.__name__)
def test_every_key_tells_an_editor_what_it_means(model: type[BaseModel]):
    assert [key for key, field in model.model_fields.items() if key != "kind" and not field.description] == []


def test_the_schema_on_disk_is_the_one_of_the_code():
    assert (FOLDER / "schema.json").read_text() == json_schema()
