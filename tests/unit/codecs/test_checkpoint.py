import json
import shutil

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file, save_file

from latentdyn.errors import UserError
from tests.settings import codec_of


@pytest.fixture
def damaged(encodec_folder, tmp_path):
    """A copy of an EnCodec folder to damage."""
    return shutil.copytree(encodec_folder, tmp_path / "damaged")


def refusal(kind: str, **settings: object) -> str:
    with pytest.raises(UserError) as error:
        codec_of(kind, **settings)
    text = str(error.value)
    assert "\n" not in text and "What to do:" in text
    return text


@pytest.mark.parametrize("path", ["/nowhere/model", "./nowhere", "nowhere", "a/b/c"])
def test_missing_folder(path):
    assert "there is no such folder" in refusal("mimi", checkpoint=path)


def test_folder_without_config(tmp_path):
    assert "config.json" in refusal("mimi", checkpoint=str(tmp_path))


def test_folder_without_weights(damaged):
    (damaged / "model.safetensors").unlink()
    text = refusal("encodec", checkpoint=str(damaged))
    assert "model.safetensors" in text and str(damaged) in text


def test_pickled_weights_are_never_read(damaged):
    weights = load_file(damaged / "model.safetensors")
    (damaged / "model.safetensors").unlink()
    torch.save(weights, damaged / "pytorch_model.bin")
    assert "model.safetensors" in refusal("encodec", checkpoint=str(damaged))


def test_folder_of_another_model(encodec_folder):
    text = refusal("mimi", checkpoint=str(encodec_folder))
    assert "type 'encodec', not 'mimi'" in text


def test_truncated_weights(damaged):
    content = (damaged / "model.safetensors").read_bytes()
    (damaged / "model.safetensors").write_bytes(content[: len(content) // 2])
    assert "cannot be loaded" in refusal("encodec", checkpoint=str(damaged))


def test_config_that_is_not_json(damaged):
    (damaged / "config.json").write_text("{")
    assert "cannot be loaded" in refusal("encodec", checkpoint=str(damaged))


def edit(folder, name, **changes):
    config = json.loads((folder / name).read_text()) if (folder / name).is_file() else {}
    (folder / name).write_text(json.dumps(config | changes))


@pytest.mark.parametrize("kind", ["mimi", "dac", "calm_vae", "vibevoice"])
@pytest.mark.parametrize("rate", [0, -24000, None, "24k", 24000.5, 10**9])
def test_a_sampling_rate_that_is_none_is_refused(kind, rate, tmp_path, request):
    folder = shutil.copytree(request.getfixturevalue(f"{kind}_folder"), tmp_path / kind)
    edit(folder, "config.json", sampling_rate=rate)
    assert f"sampling_rate of config.json is {rate!r}" in refusal(kind, checkpoint=str(folder))


def test_two_files_that_say_different_sampling_rates_are_refused(mimi_folder, vibevoice_folder, tmp_path):
    folder = shutil.copytree(mimi_folder, tmp_path / "mimi")
    edit(folder, "preprocessor_config.json", sampling_rate=24000)
    codec_of("mimi", checkpoint=str(folder))
    edit(folder, "preprocessor_config.json", sampling_rate=16000)
    assert "24000 Hz, and preprocessor_config.json beside it 16000 Hz" in refusal("mimi", checkpoint=str(folder))
    folder = shutil.copytree(vibevoice_folder, tmp_path / "vibevoice")
    edit(folder, "config.json", sampling_rate=16000)
    assert "16000 Hz, and VibeVoice's tokenizer takes 24000 Hz" in refusal("vibevoice", checkpoint=str(folder))


@pytest.mark.parametrize("ratios", [[0, 2], "8542", [[]]])
@pytest.mark.parametrize("kind", ["mimi", "encodec", "dac", "calm_vae"])
def test_a_config_of_odd_values_is_refused_and_not_a_traceback(kind, ratios, tmp_path, request):
    folder = shutil.copytree(request.getfixturevalue(f"{kind}_folder"), tmp_path / kind)
    edit(folder, "config.json", upsampling_ratios=ratios)
    assert "cannot be loaded" in refusal(kind, checkpoint=str(folder))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_git_lfs_pointers_are_told(damaged, name):
    (damaged / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 384644900\n")
    text = refusal("encodec", checkpoint=str(damaged))
    assert "Git LFS pointer" in text and "git lfs pull" in text and name in text
    (damaged / name).unlink()
    (damaged / name).symlink_to(f"../.git/annex/objects/0/{name}")
    assert "git annex get" in refusal("encodec", checkpoint=str(damaged))


def test_missing_tensors_are_not_made_up(damaged):
    weights = load_file(damaged / "model.safetensors")
    lost = next(key for key in weights if key.startswith("encoder.") and key.endswith("bias"))
    save_file({k: v for k, v in weights.items() if k != lost}, damaged / "model.safetensors", {"format": "pt"})
    text = refusal("encodec", checkpoint=str(damaged))
    assert "lack 1 tensors" in text and lost in text


def test_hub_that_cannot_be_reached(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    text = refusal("mimi", checkpoint="nobody/nothing", revision="0" * 40)
    assert "nobody/nothing" in text and "0" * 40 in text and "local folder" in text


@pytest.mark.parametrize(
    "change",
    [
        {"norm_type": "time_group_norm"},
        {"use_causal_conv": False},
        {"normalize": True},
        {"audio_channels": 2},
        {"trim_right_ratio": 0.5},
    ],
)
def test_encodec_that_cannot_be_tiled_is_refused(tmp_path, change):
    from transformers import EncodecConfig, EncodecModel

    config = EncodecConfig(num_filters=4, hidden_size=8, sampling_rate=48000, **change)
    EncodecModel(config).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["sampling_rate"] == 48000
    text = refusal("encodec", checkpoint=str(tmp_path))
    assert "48000 Hz" in text and "24 kHz" in text


def test_encodec_tile_must_hold_the_reflection(encodec_folder):
    assert "at least 0.093 s" in refusal("encodec", checkpoint=str(encodec_folder), tile_s=0.08)


def test_weights_of_another_size_are_refused(damaged):
    weights = load_file(damaged / "model.safetensors")
    name = next(key for key in weights if key.endswith("bias"))
    save_file(weights | {name: weights[name][:-1].clone()}, damaged / "model.safetensors", {"format": "pt"})
    assert "cannot be loaded" in refusal("encodec", checkpoint=str(damaged))


def test_a_missing_part_of_the_weights_is_refused(damaged):
    """Big checkpoints come in several files, with an index of them."""
    weights = load_file(damaged / "model.safetensors")
    (damaged / "model.safetensors").unlink()
    names = sorted(weights)
    files = {name: f"model-0000{1 + (i > len(names) // 2)}-of-00002.safetensors" for i, name in enumerate(names)}
    (damaged / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    first = {name: weights[name] for name in names if "-00001-" in files[name]}
    save_file(first, damaged / "model-00001-of-00002.safetensors", {"format": "pt"})
    assert "model-00002-of-00002" in refusal("encodec", checkpoint=str(damaged))


class TestUntrained:
    def test_random_weights_are_the_same_each_time_and_need_only_a_config(self, damaged):
        (damaged / "model.safetensors").unlink()
        first, again = (codec_of("encodec", checkpoint=str(damaged), untrained=True) for _ in range(2))
        assert first.weights_sha256 == again.weights_sha256 and first.dim == 8
        assert len(first.weights_sha256) == 64

    def test_the_digest_is_of_the_weights_in_use(self, encodec_folder, damaged):
        weights = load_file(damaged / "model.safetensors")
        name = next(key for key in weights if key.endswith("bias"))
        save_file(weights | {name: weights[name] + 1}, damaged / "model.safetensors", {"format": "pt"})
        trained, other = (codec_of("encodec", checkpoint=str(folder)) for folder in (encodec_folder, damaged))
        assert trained.weights_sha256 != other.weights_sha256
        assert trained.weights_sha256 == codec_of("encodec", checkpoint=str(encodec_folder)).weights_sha256

    def test_the_config_must_still_be_of_the_kind(self, encodec_folder):
        assert "type 'encodec', not 'mimi'" in refusal("mimi", checkpoint=str(encodec_folder), untrained=True)
