"""What the configuration refuses, and how it says so."""

import datetime
import math
import re
from typing import Any

import pytest

from latentdyn.config import load_config

from .examples import ARM, ARMS, CORRECTED, FORECAST, GATED, PAIRED, SMALL, TRADEOFF, edited, refusal

WIDE = {"kind": "lagged", "corpora": ["known"], "representations": ["var"], "predictors": ["line"]}
FORECAST_KNOWN = WIDE | {"kind": "injection"}
READER = {"kind": "mdn", "reads": "past", "network": {"kind": "gru"}}
LINE = {"kind": "linear_gaussian"}
HEARD = {"kind": "perceptual_rollouts", "corpora": ["speech"], "representations": ["logmel"], "predictors": ["line"]}
FACTORIZER = {"kind": "factorizer", "source": "logmel", "dim": 2}
VAE = {"kind": "vae", "source": "logmel", "stack": 2, "dim": 2}
ACROSS = {"kind": "lagged", "corpora": ["speech"], "representations": ["slow"], "predictors": ["line"]}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("predictors.net.dropuot", 0.1, r"predictors\.net\.dropuot: unknown key"),
        ("tabels", {}, r"tabels: unknown key"),
        ("predictors.net.training.learning_rate", "1e-3", r"predictors\.net\.training\.learning_rate: .*number"),
        ("predictors.net.training.learning_rate", "1e-3", r"write 1\.0e-3, without quotes; YAML takes 1e-3 for text"),
        ("predictors.net.training.learning_rate", "2.5E3", r"write 2\.5e\+3, without quotes"),
        ("predictors.net.training.learning_rate", "0.1", r"write it without quotes"),
        ("predictors.net.training.learning_rate", 1e-300, r"learning_rate: must be 1e-09 or more, not 1e-300"),
        ("predictors.net.training.steps", "1e5", r"write its digits, without quotes"),
        ("predictors.net.training.batch_size", 10**9, r"training\.batch_size: .*1000000 or less"),
        ("predictors.net.training.steps", 10**12, r"training\.steps: .*1000000000 or less"),
        ("corpora.speech.splits", {"salt": "a\0b"}, r"corpora\.speech\.splits\.salt: .*one line of text"),
        ("corpora.speech.splits", {"salt": "a\nb"}, r"corpora\.speech\.splits\.salt: .*one line of text"),
        ("predictors.net.window_frames", 8.5, r"predictors\.net\.window_frames: .*whole number"),
        ("predictors.net.window_frames", True, r"predictors\.net\.window_frames: .*whole number"),
        ("predictors.net.window_frames", 0, r"predictors\.net\.window_frames: .*1 or more"),
        ("predictors.net.hidden_width", 64, r"predictors\.net\.hidden_width: unknown key"),
        ("predictors.line.network", {"kind": "mlp"}, r"predictors\.line\.network: unknown key"),
        ("predictors.net.network", {"kind": "mlp", "widht": 64}, r"predictors\.net\.network\.widht: unknown key"),
        ("predictors.net.network", {"kind": "mlp", "dropout": 1.0}, r"predictors\.net\.network\.dropout: .*below 1"),
        ("predictors.net.network", {"kind": "linear", "width": 64}, r"predictors\.net\.network\.width: unknown key"),
        ("predictors.net.network", {"kind": "lstm"}, r"predictors\.net\.network: .*'lstm'.*transformer"),
        ("predictors.net.network", {"width": 64}, r"predictors\.net\.network: kind is missing; one of none, linear"),
        (
            "predictors.net.network",
            {"kind": "transformer", "width": 10, "heads": 4},
            r"predictors\.net\.network: width must be a multiple of heads",
        ),
        (
            "predictors.net.context_normalisation",
            "z",
            r"predictors\.net\.context_normalisation: .*standard, deltas, directions, none",
        ),
        ("predictors.net.reads", "all", r"predictors\.net\.reads: .*window, past"),
        ("predictors.net.reads", "past", r"predictors\.net\.reads: past needs a network of kind gru or transformer"),
        (
            "predictors.past",
            READER | {"context_normalisation": "deltas"},
            r"first frame has no step",
        ),
        ("predictors.past", READER | {"training": {"sequence_frames": 7}}, r"at least window_frames \(8\)"),
        (
            "predictors.past",
            READER | {"training": {"regime": {"kind": "unrolled"}}},
            r"at horizons: \[1\] alone",
        ),
        ("predictors.past", READER | {"training": {"regime": {"kind": "noisy_context", "clean_frames": 3}}}, r"0 or 8"),
        (
            "predictors.net.training.regime",
            {"kind": "noisy_context", "clean_frames": 8},
            r"predictors\.net\.training\.regime\.clean_frames: 8 must, .* be at most 7",
        ),
        (
            "predictors.net.training.gradient_clip_norm",
            1e-12,
            r"predictors\.net\.training\.gradient_clip_norm: .*1e-06 or more",
        ),
        ("predictors.f", {"kind": "flow_matching", "nfe": 0}, r"predictors\.f\.nfe: must be above 0"),
        ("predictors.f", {"kind": "flow_matching", "nfe": 5}, r"nfe is 5, and a midpoint step takes two evaluations"),
        ("predictors.f", {"kind": "energy", "draws": 1}, r"predictors\.f\.draws: .*2 or more"),
        ("free_runs.temperature", 0.0, r"free_runs\.temperature: .*above 0"),
        ("predictors.net.context_clip", 0.0, r"predictors\.net\.context_clip: .*above 0"),
        ("predictors.line.lookup", {"kind": "engram"}, r"predictors\.line\.lookup: unknown key"),
        ("predictors.net.lookup", {"kind": "hopfield"}, r"predictors\.net\.lookup: .*'hopfield'.*engram, basis"),
        (
            "predictors.net.lookup",
            {"kind": "basis"},
            r"predictors\.net\.lookup: kind basis .*vmf_lognormal",
        ),
        (
            "predictors.v",
            {"kind": "vmf_lognormal", "network": {"kind": "none"}, "lookup": {"kind": "basis"}},
            r"predictors\.v\.lookup: prototypes are chosen by a network's numbers",
        ),
        (
            "predictors.net.lookup",
            {"kind": "engram", "ngrams": [9, 1]},
            r"predictors\.net\.lookup\.ngrams: an n-gram of 9 frames is longer than window_frames = 8",
        ),
        ("predictors.net.lookup", {"kind": "engram", "ngrams": []}, r"predictors\.net\.lookup\.ngrams"),
        ("predictors.net.lookup", {"kind": "engram", "n_codes": 1}, r"lookup\.n_codes: .*2 or more"),
        ("predictors.net.match_parameters_of", "nett", r"match_parameters_of: no predictor is named 'nett'.*mean net"),
        (
            "predictors.net.match_parameters_of",
            {"kind": "mdn"},
            r"match_parameters_of: must be the name",
        ),
        ("predictors.net.match_parameters_of", "line", r"match_parameters_of: 'line' is solved in closed form"),
        ("predictors.net.match_parameters_of", "net", r"match_parameters_of: 'net' is this predictor; name another"),
        (
            "predictors.v",
            {"kind": "mdn", "network": {"kind": "linear"}, "match_parameters_of": "net"},
            r"predictors\.v\.match_parameters_of: a network of kind linear has no width",
        ),
        ("predictors.net.components", "laplace", r"predictors\.net\.components: .*one of gaussian, student_t"),
        ("predictors.net.log_sigma_min", 3.0, r"predictors\.net: log_sigma_min must be below log_sigma_max"),
        ("predictors.v", {"kind": "vmf_lognormal", "mu_logm_max": -9.0}, r"predictors\.v: mu_logm_min must be below"),
        ("predictors.v", {"kind": "vmf_lognormal", "log_sigma_min": 1.0}, r"predictors\.v: log_sigma_min must be"),
        ("predictors.v", {"kind": "vmf_lognormal", "log_kappa_min": 12.0}, r"predictors\.v: log_kappa_min must be"),
        ("predictors.f", {"kind": "flow", "transforms": 0}, r"predictors\.f\.transforms: .*above 0"),
        ("predictors.a", {"kind": "ar1", "ridges": [1.0]}, r"predictors\.a\.ridges: unknown key"),
        ("predictors.g", {"kind": "gaussian", "mean": "one"}, r"predictors\.g\.mean: .*one of fitted, zero"),
        (
            "predictors.net__unconditional",
            {"kind": "mdn"},
            r"predictors\.net__unconditional: .*a name of small",
        ),
        ("predictors.net.kind", "lstm", r"predictors\.net: .*'lstm'.*mdn"),
        ("predictors.net.kind", ..., r"predictors\.net: kind is missing; one of mdn"),
        ("predictors.Net", {"kind": "mdn"}, r"predictors.*Net.*a name of small"),
        ("predictors.line.ridges", [], r"predictors\.line\.ridges: .*at least 1"),
        ("representations.v", {"kind": "vae", "source": "logmel"}, r"representations\.v\.dim: missing"),
        (
            "representations.v",
            FACTORIZER | {"dim": 513},
            r"v\.dim: 513 is above the 512 numbers of 8 frames of 'logmel'",
        ),
        (
            "representations.v",
            FACTORIZER | {"innovation": {"dim": 65}},
            r"v\.innovation\.dim: 65 is above the 64 dimensions of a frame",
        ),
        (
            "representations.v",
            FACTORIZER | {"future": {"weight": 1.0, "horizons": [1, 24]}},
            r"v\.training\.sequence_frames: 24 frames are too few for dynamics .* and future .*, which take 25",
        ),
        (
            "representations.v",
            FACTORIZER | {"dim": 400, "training": {"batch_size": 16}},
            r"v\.training\.batch_size: a batch has 368 pairs .* at least 800 pairs",
        ),
        ("representations.v", FACTORIZER | {"timing": "loose"}, r"v\.timing: .*one of strict, inclusive"),
        ("representations.v", FACTORIZER | {"innovation": {"balance": 1.5}}, r"v\.innovation\.balance: must be"),
        (
            "representations.v",
            FACTORIZER | {"innovation": {"stop_gradient": True}},
            r"v\.innovation\.stop_gradient: the prior `standard` has nothing to train",
        ),
        (
            "representations.v",
            FACTORIZER | {"innovation": {"target_nats": 5.0, "free_nats": 2.0, "beta": 2.0}},
            r"v\.innovation\.target_nats: .* beta, free_nats would not count",
        ),
        (
            "representations.v",
            FACTORIZER | {"reconstructor": {"sigma": 0.0}},
            r"v\.reconstructor\.sigma: must be above 0",
        ),
        (
            "representations.v",
            FACTORIZER | {"way_back": {"kind": "pror"}},
            r"v\.way_back: there is no kind 'pror': .*did you mean prior",
        ),
        ("representations.v", FACTORIZER | {"way_back": {"kind": "flow", "nfe": 3}}, r"v\.way_back\.nfe: 3 is odd"),
        ("representations.v", FACTORIZER | {"way_back": {"kind": "prior", "nfe": 4}}, r"v\.way_back\.nfe: "),
        ("representations.v", VAE | {"way_back": {"kind": "prior"}}, r"representations\.v\.way_back: "),
        (
            "representations.v",
            VAE | {"dim": 129},
            r"representations\.v\.dim: 129 is above the 128 numbers of 2 stacked",
        ),
        ("representations.v", VAE | {"stack": 2.5}, r"representations\.v\.stack: must be a whole number"),
        ("representations.v", VAE | {"stack": 0}, r"representations\.v\.stack: must be 1 or more"),
        ("representations.v", VAE | {"encoder": "gru"}, r"representations\.v\.encoder: .*one of framewise, causal"),
        ("representations.v", VAE | {"objective": {"beta": -0.1}}, r"v\.objective\.beta: must be above 0, not -0\.1"),
        ("representations.v", VAE | {"objective": {"beta": 0.0}}, r"v\.objective\.beta: must be above 0"),
        (
            "representations.v",
            VAE | {"objective": {"terms": [{"kind": "smooth"}]}},
            r"representations\.v\.objective\.terms\.0\.weight: missing",
        ),
        (
            "representations.v",
            VAE | {"objective": {"terms": [{"kind": "smoth", "weight": 1.0}]}},
            r"v\.objective\.terms\.0: there is no kind 'smoth': .*did you mean smooth",
        ),
        (
            "representations.v",
            VAE | {"objective": {"terms": [{"kind": "smooth", "weight": -1.0}]}},
            r"v\.objective\.terms\.0\.weight: must be above 0",
        ),
        (
            "representations.v",
            VAE | {"objective": {"prior": {"kind": "autoregressive", "share": 1.5}}},
            r"v\.objective\.prior\.share: must be 1 or less",
        ),
        (
            "representations.v",
            VAE | {"objective": {"terms": [{"kind": "predict", "weight": 1.0, "horizons": [24]}]}},
            r"v\.training\.sequence_frames: 24 latents are too few for the objective .* takes 25",
        ),
        (
            "representations.v",
            VAE | {"objective": {"reconstruction": {"kind": "waveform", "latents": 25}}},
            r"v\.training\.sequence_frames: 24 latents are too few for the objective .* takes 25",
        ),
        (
            "representations.v",
            VAE | {"objective": {"reconstruction": {"kind": "waveform"}}},
            r"v\.objective\.reconstruction: 'logmel' \(logmel\) has no decoder that a training could listen through",
        ),
        (
            "representations.v",
            VAE | {"objective": {"reconstruction": {"kind": "mel_metric"}}},
            r"v\.objective\.reconstruction: 'logmel' \(logmel\) has no decoder that a training could listen through",
        ),
        (
            "representations.v",
            VAE | {"objective": {"reconstruction": {"kind": "mel_metric", "hop_samples": 513}}},
            r"v\.objective\.reconstruction.*hop_samples: 513 is above window_samples \(512\)",
        ),
        (
            "representations.v",
            VAE | {"objective": {"reconstruction": {"kind": "mel_metric", "identity_share": 0}}},
            r"v\.objective\.reconstruction\.identity_share: .*0\.0001 or more",
        ),
        (
            "representations.v",
            VAE | {"past_frames": 5},
            r"representations\.v\.past_frames: a framewise encoder reads none",
        ),
        (
            "representations.v",
            VAE | {"objective": {"beta_warmup_steps": 2001}},
            r"v\.objective\.beta_warmup_steps: after 2001 updates beta is whole, and training\.steps is 2000",
        ),
        (
            "representations.v",
            VAE | {"objective": {"reconstruction": {"kind": "waveform", "decoder_learning_rate": 0.1}}},
            r"v\.objective\.reconstruction\.decoder_learning_rate: a frozen decoder does not learn",
        ),
        (
            "representations.v",
            FACTORIZER | {"innovation": {"beta_warmup_steps": 50}, "training": {"steps": 49}},
            r"v\.innovation\.beta_warmup_steps: after 50 updates the cost counts in full, and training\.steps is 49",
        ),
        (
            "representations.v",
            FACTORIZER | {"innovation": {"target_weight": 2.0}},
            r"v\.innovation\.target_weight: weighs nothing without target_nats",
        ),
        (
            "representations.v",
            FACTORIZER | {"dynamics": {"rollout": {}}, "training": {"steps": 999}},
            r"v\.dynamics\.rollout\.grow_steps: after 1000 updates rollouts have `horizon` steps.*at most that",
        ),
        (
            "predictors.net.training",
            {"steps": 100, "regime": {"kind": "unrolled"}},
            r"predictors\.net\.training\.regime\.grow_steps: after 2000 updates .* and training\.steps is 100",
        ),
        (
            "predictors.net.training",
            {"steps": 100, "regime": {"kind": "scheduled_sampling", "decay_steps": 101}},
            r"predictors\.net\.training\.regime\.decay_steps: after 101 updates",
        ),
        (
            "predictors.net",
            {"kind": "mdn", "lookup": {"kind": "engram"}, "training": {"max_frames": 255}},
            r"predictors\.net\.lookup\.n_codes: fitting so many takes 256 training frames, .* is 255",
        ),
        ("representations.v", VAE | {"static_dim": 2}, r"v\.static_dim: 2 of 2 dimensions stay, so that none is left"),
        ("representations.v", VAE | {"static_dim": -1}, r"v\.static_dim: .*0 or more"),
        (
            "representations.v",
            VAE | {"dim": 96, "objective": {"terms": [{"kind": "log_det_gain", "weight": 1.0}]}},
            r"v\.objective\.terms\.0: a batch has 368 pairs .* covariance of 192 numbers",
        ),
        ("corpora.speech.root", ..., r"corpora\.speech\.root: missing"),
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
            r"corpora\.libri\.checksum: .*32 hexadecimal",
        ),
        (
            "corpora.libri",
            {"kind": "librispeech", "url": "file:///etc/passwd", "checksum": f"md5:{'0' * 32}"},
            r"corpora\.libri\.url: .*http",
        ),
        (
            "corpora.libri",
            {"kind": "librispeech", "root": "x", "subset": "../x"},
            r"corpora\.libri\.subset: '\.\./x' is not the path of a folder below root",
        ),
        (
            "corpora.libri",
            {"kind": "librispeech", "url": "http://x", "checksum": f"md5:{'0' * 32}", "subset": ["a", "b"]},
            r"corpora\.libri: a download holds one subset",
        ),
        ("corpora.speech.subset", {"a": "test", "b": "train"}, r"corpora\.speech\.subset: 'test' is no split"),
        ("corpora.speech.subset", {"a": "eval"}, r"corpora\.speech\.subset: one folder at least .* train"),
        ("corpora.speech.subset", ["a", "a"], r"corpora\.speech\.subset: .*none twice"),
        ("corpora.speech.speaker", "grandparent", r"corpora\.speech\.speaker: .*one group"),
        ("corpora.speech.speaker", "(", r"corpora\.speech\.speaker: this is not a regular expression"),
        ("corpora.speech.speaker", 0, r"corpora\.speech\.speaker"),
        ("corpora.demo", {"kind": "demo", "n_speakers": 49}, r"corpora\.demo\.n_speakers: .*48"),
        ("representations.mimi", {"kind": "mimi"}, r"representations\.mimi\.revision: pin the commit of 'kyutai/mimi'"),
        ("representations.slow.source", "mel", r"representations\.slow\.source: no representation is named 'mel'"),
        ("representations.slow.source", "slow", r"goes round in a circle \(slow\)"),
        (
            "representations.logmel",
            {"kind": "pooled", "source": "slow", "frame_rate_hz": 1.0},
            r"goes round in a circle \((logmel -> slow|slow -> logmel)\)",
        ),
        (
            "representations.var",
            {"kind": "surrogate", "source": "spiky", "method": "white"},
            r"representations\.var\.source: goes round in a circle \(var -> spiky\)",
        ),
        (
            "representations.rev",
            {"kind": "surrogate", "source": "mel", "method": "white"},
            r"representations\.rev\.source: no representation is named 'mel'",
        ),
        (
            "representations.rev",
            {"kind": "surrogate", "source": "logmel", "method": "reversed"},
            r"representations\.rev\.method: .*did you mean time_reversed",
        ),
        ("representations.spiky.source", "vra", r"representations\.spiky\.source: no representation is named 'vra'"),
        ("representations.spiky.share", 1.0, r"representations\.spiky\.share: .*below 1"),
        ("representations.spiky.splits", ["eval", "eval"], r"representations\.spiky\.splits: lists the same entry"),
        ("representations.logmel__white", {"kind": "logmel"}, r"representations\.logmel__white: .*a name of small"),
        ("representations.var.radius", -0.1, r"representations\.var\.radius: .*0 or more"),
        ("representations.s", {"kind": "switching", "radius": 1.0}, r"representations\.s\.radius: .*below 1"),
        ("representations.p", {"kind": "prototypes", "n_prototypes": 1}, r"representations\.p\.n_prototypes: "),
        ("representations.v", {"kind": "vmf_steps", "sigma": 0.0}, r"representations\.v\.sigma: .*above 0"),
        ("corpora.known.n_speakers", 2, r"corpora\.known\.n_speakers: .*3 or more"),
        ("corpora.known.audio", {}, r"corpora\.known\.audio: unknown key"),
        ("keys.axes.dim", 3, r"keys\.axes\.dim: unknown key"),
        ("keys.pool.dims", 3, r"keys\.pool\.dims: unknown key"),
        ("keys.bins", {"kind": "pca_bins", "dims": 7}, r"keys\.bins\.dims: .*6 or less"),
        ("keys.best", {"kind": "learned", "ridges": [0.0]}, r"keys\.best\.ridges\.0: .*above 0"),
        ("clustering.cluster_counts", [64, 64], r"clustering\.cluster_counts: lists the same entry twice"),
        ("clustering.permutations", 1, r"clustering\.permutations: .*2 or more"),
        ("evaluation.principal_dims", [8, 0], r"evaluation\.principal_dims\.1: .*above 0"),
        ("tables.t.predictors", ["lines"], r"tables\.t\.predictors: 'lines' is not defined \(defined: line, net\)"),
        ("tables.t.corpora", [], r"tables\.t\.corpora: .*at least 1"),
        ("tables.t.seeds", [0, 0], r"tables\.t\.seeds: lists the same entry twice"),
        ("tables.t.seeds", [-1], r"tables\.t\.seeds\.0: .*0 or more"),
        ("tables.t.splits", ["test"], r"tables\.t\.splits\.0: .*one of train, validation, eval"),
        ("tables.t.columns", ["k", "loss"], r"tables\.t\.columns\.1: "),
        ("tables.t.horizons", [1, 3], r"tables\.t\.horizons: predictor 'line' is not trained at k = \[3\]"),
        ("tables.t.representations", ["given"], r"corpus 'speech' \(kind folder\) cannot give representation 'given'"),
        ("tables.t.corpora", ["mine"], r"corpus 'mine' \(kind latents\) cannot give representation 'logmel'"),
        (
            "tables.t.representations",
            ["var"],
            r"corpus 'speech' \(kind folder\) cannot give representation '(var|spiky|cycle)'",
        ),
        ("tables.t.representations", ["blurred"], r"corpus 'speech' .* cannot give representation 'blurred'"),
        ("tables.t.corpora", ["known"], r"corpus 'known' \(kind synthetic\) cannot give representation 'logmel'"),
        ("tables.t.predictors", ["net__unconditional"], r"tables\.t\.predictors\.0: .*a name of small"),
        ("tables.t.surrogates", ["reversed"], r"tables\.t\.surrogates\.0: .*did you mean time_reversed"),
        ("tables.t.metrics", ["dnll"], r"tables\.t\.metrics: unknown key"),
        (
            "predictors.line.window_frames",
            4,
            r"tables\.t: predictor 'line' and predictor 'net' differ in window_frames",
        ),
        ("predictors.line.horizons", [1, 2, 4, 16], r"tables\.t: .* would be measured on different frames"),
        ("clustering.window_frames", 4, r"tables\.phase0: predictor 'line' and clustering differ in window_frames"),
        ("clustering.longest_horizon", 16, r"tables\.phase0: predictor 'line' and clustering differ in .* longest"),
        ("tables.phase0.keys", ["pol"], r"tables\.phase0\.keys: 'pol' is not defined \(defined: axes, pool\)"),
        ("tables.exact.predictors", {"var": "lines"}, r"tables\.exact\.predictors: 'lines' is not defined"),
        ("tables.exact.keys", {"cycle": ["pol"]}, r"tables\.exact\.keys: 'pol' is not defined"),
        ("tables.exact.predictors", {"vra": "line"}, r"tables\.exact\.predictors\.vra: no repr.* named 'vra'"),
        ("tables.exact.readouts", ["cycle"], r"tables\.exact\.readouts: slow features .* of 'cycle' are not known"),
        ("tables.exact.factorizers", {"var": "z"}, r"exact\.factorizers\.var: .* of kind state_space alone"),
        (
            "tables.h",
            {"kind": "factorizer_health", "corpora": ["known"], "representations": ["var"]},
            r"tables\.h\.representations: 'var' is no factorizer",
        ),
        (
            "tables.h",
            {"kind": "state_generation", "corpora": ["known"], "representations": ["var"], "predictors": ["line"]},
            r"tables\.h\.representations: 'var' is no factorizer",
        ),
        ("tables.exact.predictors", {"logmel": "line"}, r"tables\.exact\.predictors\.logmel: not a process"),
        ("tables.exact.predictors", {"blurred": "line"}, r"tables\.exact\.predictors\.blurred: not a process whose"),
        ("tables.exact.keys", {"blurred": ["pool"]}, r"tables\.exact\.keys\.blurred: not a process whose exact"),
        (
            "tables.exact.corpora",
            ["speech"],
            r"tables\.exact: corpus 'speech' .* cannot give representation '(var|spiky|cycle)'",
        ),
        (
            "tables.across",
            {**ACROSS, "fitted_on": "speach"},
            r"tables\.across\.fitted_on: 'speach' is not defined.*speech",
        ),
        ("tables.across", {**ACROSS, "fitted_on": "speech"}, r"tables\.across\.fitted_on: 'speech' is among corpora"),
        (
            "tables.across",
            {**ACROSS, "fitted_on": "mine"},
            r"tables\.across\.fitted_on: corpus 'mine' gives latents, and 'speech' audio",
        ),
        (
            "corpora.speech",
            {"kind": "lhotse", "recordings": "r.jsonl", "supervisions": "s.jsonl", "splits": {"validation": 0.0}},
            r"speakers of the split validation choose it, and corpora\.speech gives validation no speakers",
        ),
        ("tables.across", {**GATED, "fitted_on": "mine"}, r"tables\.across\.fitted_on: unknown key"),
        ("keys.line", {"kind": "pca"}, r"keys\.line: a predictor has this name too"),
        ("representations.steps", {"kind": "vmf_steps", "dim": 1}, r"representations\.steps\.dim: .*2 or more"),
        ("injection", {"steps": 8}, r"injection: injected_steps_b must be at most steps"),
        ("free_runs", {"steps": 100}, r"free_runs: at_steps must be at most steps"),
        ("free_runs", {"steps": 8, "at_steps": [1]}, r"free_runs\.steps: must be 9 or more, not 8"),
        (
            "tables.forecasts",
            {
                "kind": "injection",
                "corpora": ["speech"],
                "representations": ["logmel"],
                "predictors": ["line"],
                "splits": ["validation"],
            },
            r"tables\.forecasts\.splits: validation not among injection\.splits",
        ),
        (
            "tables.runs",
            {
                "kind": "free_runs",
                "corpora": ["speech"],
                "representations": ["logmel"],
                "predictors": ["line"],
                "splits": ["train"],
            },
            r"tables\.runs\.splits: train not among free_runs\.split",
        ),
        ("tables.arms", ARMS | {"against": "mdn"}, r"tables\.arms\.against: 'mdn' is not among predictors"),
        ("tables.arms", ARMS | {"predictors": ["line"]}, r"tables\.arms\.against: 'line' is the only predictor"),
        ("tables.arms", FORECAST | {"kind": "regimes"}, r"tables\.arms\.against: missing"),
        ("tables.arms", ARMS | {"predictors": ["line", "mdn"]}, r"tables\.arms\.predictors: 'mdn' is not defined"),
        ("tables.arms", ARMS | {"splits": ["validation"]}, r"tables\.arms\.splits: validation not among injection"),
        ("tables.gated", GATED | {"reference": "slow"}, r"tables\.gated\.reference: 'slow' is not among repr"),
        ("tables.gated", GATED | {"parts": {"vae": "slow"}}, r"tables\.gated\.parts: 'slow' is not among repr"),
        ("tables.gated", GATED | {"parts": {"vea": "logmel"}}, r"tables\.gated\.parts.*vea"),
        ("tables.gated", GATED | {"correction": "none"}, r"tables\.gated\.correction: 'none' is not defined"),
        ("tables.gated", GATED | {"groups": ["pesq"]}, r"tables\.gated\.groups\.0: .*one of free_runs, archetypes"),
        ("tables.gated", GATED | {"splits": ["validation"]}, r"tables\.gated\.splits: validation not among inj"),
        ("tables.gated", GATED | {"thresholds": [1]}, r"tables\.gated\.thresholds: unknown key"),
        ("corrections.c", {"sigmas": [0.01]}, r"corrections\.c: sigmas must lie from .*, unlike 0\.01"),
        ("corrections.c", {"sigmas": [0.5, 2.0]}, r"corrections\.c: sigmas must lie from .*, unlike 2\.0"),
        ("corrections.c", {"sigma_min": 1.0}, r"corrections\.c: sigma_min must be below sigma_max"),
        ("corrections.c", {"n_steps": [0]}, r"corrections\.c\.n_steps\.0: .*1 or more"),
        ("corrections.c", {"step_size": 0.0}, r"corrections\.c\.step_size: .*above 0"),
        ("corrections.c", {"network": {"layers": 2}}, r"corrections\.c\.network\.layers: unknown key"),
        ("corrections.c", {"training": {"regime": {}}}, r"corrections\.c\.training\.regime: unknown key"),
        ("corrections.line", {}, r"corrections\.line: a predictor or key has this name too"),
        ("corrections.pool", {}, r"corrections\.pool: a predictor or key has this name too"),
        ("tables.corrected", CORRECTED, r"tables\.corrected\.correction: 'c' is not defined \(defined: none\)"),
        ("tables.corrected", CORRECTED | {"variants": ["both"]}, r"tables\.corrected\.variants\.0: .*score_only"),
        (
            "tables.corrected",
            CORRECTED | {"splits": ["validation"]},
            r"tables\.corrected\.splits: validation not among injection\.splits",
        ),
        ("predictors.net.starts_from", "ent", r"predictors\.net\.starts_from: no predictor is named 'ent'"),
        ("predictors.net.starts_from", "net", r"predictors\.net\.starts_from: goes round .*net -> net"),
        ("predictors.net.starts_from", "line", r"predictors\.net\.starts_from: 'line' has another .*another kind"),
        ("predictors.arm", ARM | {"n_components": 4}, r"predictors\.arm\.starts_from: 'net' has another n_components$"),
        ("predictors.arm", ARM | {"horizons": [1, 3]}, r"arm\.starts_from: 'net' is not trained at k = \[3\]"),
        ("predictors.arm", ARM | {"linear_skip": "fixed"}, r"arm\.starts_from: 'net' has another linear_skip$"),
        (
            "predictors.net.target",
            "level",
            r"^[^;]*predictors\.net\.target: level needs horizons: \[1\], since only[^;]*$",
        ),
        (
            "predictors.v",
            {"kind": "vmf_lognormal", "target": "level", "horizons": [1]},
            r"predictors\.v\.target: vmf_lognormal describes the direction and the length of a step",
        ),
        ("predictors.line.starts_from", "net", r"predictors\.line\.starts_from: unknown key"),
        (
            "predictors.net.training.regime",
            {"kind": "unroled"},
            r"net\.training\.regime: .*did you mean unrolled",
        ),
        (
            "predictors.net.training.regime",
            {"kind": "unrolled", "unroll_steps": 1},
            r"predictors\.net\.training\.regime\.unroll_steps: .*2 or more",
        ),
        (
            "predictors.net.training.regime",
            {"kind": "unrolled", "first_unroll_steps": 17},
            r"predictors\.net\.training\.regime: first_unroll_steps must be at most unroll_steps",
        ),
        ("predictors.net.training.regime", {"kind": "noisy_context", "max_noise": 1.5}, r"regime\.max_noise: "),
        ("predictors.net.training.regime", {"kind": "scheduled_sampling", "p_teacher_end": -0.1}, r"\.p_teacher_end: "),
        ("tables.pairs", PAIRED, r"tables\.pairs\.predictors: 'line' alone makes no pair: name two, surrogates, or"),
        ("tables.pairs", PAIRED | {"surrogates": ["shufled"]}, r"^[^;]*tables\.pairs\.surrogates\.0: [^;]*$"),
        (
            "tables.pairs",
            PAIRED | {"surrogates": ["white"], "metrics": ["level_gain"], "horizons": [2, 4]},
            r"tables\.pairs\.metrics: level_gain is measured at k = 1 only",
        ),
        (
            "tables.exact.keys.spiky",
            ["pool"],
            r"tables\.exact\.keys\.spiky: not a process whose exact values are known",
        ),
        ("schema_version", 2, r"schema_version: "),
        ("corpora.speech.subset", 5, r"^[^;]*corpora\.speech\.subset: must be .*text.*, not 5[^;]*$"),
        ("corpora.speech.subset", ["a", 5], r"^[^;]*corpora\.speech\.subset\.1: must be text, not 5[^;]*$"),
        (
            "corpora.speech.speaker",
            [1],
            r"^[^;]*corpora\.speech\.speaker: must be text or a whole number, not a list[^;]*$",
        ),
        ("evaluation.bootstrap_resamples", 1, r"evaluation\.bootstrap_resamples: must be 40 or more, not 1"),
        ("tables.t.seeds", [2**32], r"tables\.t\.seeds\.0: must be below 4294967296"),
        ("clustering.cluster_counts", [1, 4], r"clustering\.cluster_counts: one cluster tells nothing"),
        ("representations.spiky.factor", 1.0, r"representations\.spiky\.factor: must not be 1"),
        ("predictors.net.log_sigma_max", 1e6, r"predictors\.net\.log_sigma_max: must be 30 or less"),
        ("corpora.speech.audio", {"silence_dbfs": 3.0}, r"corpora\.speech\.audio\.silence_dbfs: must be 0 or less"),
        ("corpora.speech", 5, r"corpora\.speech: must be a mapping of keys to values, one of them kind, not 5"),
        ("corpora.speech", None, r"corpora\.speech: must be a mapping of keys to values, one of them kind, not null"),
        ("predictors", ["net"], r"predictors: must be a mapping of keys to values, not a list"),
        ("predictors.net.training", 5, r"predictors\.net\.training: must be a mapping of keys to values, not 5"),
        ("predictors.line.ridges", 1.0, r"predictors\.line\.ridges: must be a list, not 1\.0"),
        ("corpora.speech.root", 5, r"corpora\.speech\.root: must be text, not 5 \(put it in quotes\)"),
        (
            "corpora.speech.root",
            "",
            r"corpora\.speech\.root: '' is not allowed, it must be a path or name that is not empty",
        ),
        ("corpora.mine.index", "a\0b", r"corpora\.mine\.index: 'a\\x00b' is not allowed, it must be a path"),
        (
            "representations.mimi",
            {"kind": "mimi", "checkpoint": ""},
            r"mimi\.checkpoint: '' is not allowed, it must be",
        ),
        ("representations.lyra", {"kind": "soundstream", "folder": ""}, r"lyra\.folder: '' is not allowed, it must be"),
        ("compute.require_gpu", "yes", r"compute\.require_gpu: must be true or false, not 'yes'"),
        ("compute.jobs_per_gpu", 0, r"compute\.jobs_per_gpu: must be 1 or more, not 0"),
        ("tables.t.columns", ["dnl"], r"tables\.t\.columns\.0: 'dnl' is not allowed.*did you mean dnll"),
        ("predictors.net.n_componets", 2, r"predictors\.net\.n_componets: unknown key \(did you mean n_components\?\)"),
        (
            "predictors.line.qqq",
            2,
            r"line\.qqq: unknown key \(allowed here: covariance, horizons, kind, ridges, window_fr",
        ),
        ("predictors.net.kind", "md", r"predictors\.net: there is no kind 'md': one of mdn, .*\(did you mean mdn\?\)"),
        ("tables.t.predictors", ["ent"], r"'ent' is not defined \(defined: line, net\) \(did you mean net\?\)"),
        ("tables.t.seeds", [10**400], r"tables\.t\.seeds\.0: a whole number of more than 300 digits"),
        ("tables.t.seeds", [10**200], r"tables\.t\.seeds\.0: must be .*a number of more than 30 digits"),
        ("predictors.net.training.learning_rate", 10**200, r"net\.training\.learning_rate: must be 10 or less"),
        ("evaluation.max_frames", None, r"evaluation\.max_frames: "),
    ],
)
def test_a_mistake_is_refused_by_its_dotted_path(path: str, value: Any, message: str):
    assert re.search(message, refusal(edited(path, value)))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("representations.logmel.fft_samples", 1000, r"representations\.logmel: fft_samples = 1000 skips audio"),
        ("representations.logmel.n_mels", 482, r"representations\.logmel\.n_mels: 482 is too many .* at most 481 fit"),
        (
            "representations.slow.frame_rate_hz",
            5.0,
            r"representations\.slow\.frame_rate_hz: 5 Hz is not 12\.5 Hz divided by .*; near it are 12\.5, 6\.25, ",
        ),
        ("representations.slow.frame_rate_hz", 25.0, r"frame_rate_hz: 25 Hz is not 12\.5 Hz .* near it are 12\.5"),
        ("representations.slow.frame_rate_hz", 1e-300, r"representations\.slow\.frame_rate_hz: must be 0\.001 or more"),
        (
            "representations.mimi",
            {"kind": "mimi", "checkpoint": "./no/such"},
            r"\.checkpoint: .* neither a folder nor the",
        ),
        ("corpora.known.splits", {"eval": 0.001}, r"corpora\.known\.splits: none of the 60 speakers falls into eval"),
        (
            "corpora.demo",
            {"kind": "demo", "n_speakers": 4},
            r"corpora\.demo\.splits: none of the 4 speakers falls into",
        ),
        (
            "corpora.speech.splits",
            {"eval": 0.0},
            r"tables\.t\.splits: .* corpora\.speech gives eval no speakers",
        ),
        (
            "corpora.speech.splits",
            {"validation": 0.0},
            r"predictors\.line\.ridges: .*validation choose it, and corpora\.speech gives",
        ),
        (
            "tables.w",
            WIDE | {"slices": ["high_energy"]},
            r"tables\.w\.slices: high_energy .* 'known' \(kind synthetic\)",
        ),
        (
            "corpora.known.frames_per_utterance",
            15,
            r"fitting predictor 'line' .* takes 16 frames .* have 15",
        ),
        ("keys.axes.dims", 129, r"keys\.axes\.dims: tables\.deep asks for it on 'cycle', where it can be at most 128"),
        ("keys.best", {"kind": "learned", "dims": 17}, r"keys\.best\.dims: tables\.deep .* at most 16"),
        (
            "clustering.cluster_counts",
            [2, 40_000],
            r"clustering\.cluster_counts: tables\.exact asks for 40000",
        ),
        (
            "clustering.cluster_counts",
            [2, 200_001],
            r"clustering\.cluster_counts: tables\.\w+ asks for 200001 clusters",
        ),
        ("clustering.longest_horizon", 193, r"tables\.\w+: .*longest"),
        (
            "tables.f",
            FORECAST_KNOWN,
            r"injection\.utterances: tables\.f asks for 900 utterances of split train, .*'known' has 148",
        ),
        ("injection.steps", 193, r"tables\.f: a forecast .* takes 201 frames .* have 200"),
        (
            "tables.exact.keys",
            {"var": ["pool"]},
            r"tables\.exact\.keys\.var: no exact value of clusters is known .* var",
        ),
        (
            "tables.h",
            {"kind": "decoder_tolerance", "corpora": ["known"], "representations": ["var"]},
            r"tables\.h: what is decoded is scored against the recordings, and corpus 'known' .*synthetic.* has none",
        ),
        (
            "tables.h",
            HEARD | {"surrogates": ["white"]},
            r"tables\.h: '\w+__white' has no way back to audio \(its link surrogate has no inverse\)",
        ),
        ("tables.h", HEARD | {"predictors": ["nope"]}, r"tables\.h\.predictors: 'nope' is not defined"),
        ("perceptual_rollouts", {"scores": ["peqs"]}, r"perceptual_rollouts\.scores.*pesq"),
        ("free_listening", {"mel": {"n_fft": 64}}, r"free_listening\.mel: .*n_fft = 64 skips audio"),
        ("exp3b_synthetic", {"mel": {"n_mels": 800}}, r"exp3b_synthetic\.mel\.n_mels: 800 is too many"),
        ("exp3b_synthetic", {"alphas": [1.0]}, r"exp3b_synthetic\.alphas.*below 1"),
        (
            "rate_quality",
            {"sigmas": [0.1, 0.0]},
            r"rate_quality\.sigmas: frames without noise cost infinitely many bits",
        ),
        ("rate_quality", {"sigmas": [-1.0]}, r"rate_quality\.sigmas.*0 or more"),
        ("rate_quality", {"noises": ["pink"]}, r"rate_quality\.noises.*white"),
        (
            "tables.h",
            {"kind": "rate_quality", "corpora": ["known"], "representations": ["var"]},
            r"tables\.h: what is decoded is scored against the recordings, and corpus 'known' .*synthetic.* has none",
        ),
        ("tables.exact.horizons", [2, 4], r"tables\.exact\.keys\.cycle: the exact value of clusters is at k = 1"),
        ("tables.exact.horizons", [3], r"tables\.exact\.(horizons|keys)"),
        (
            "tables.arms",
            ARMS | {"predictors": ["line", "arm"]},
            r"tables\.arms\.predictors: 'arm' starts from 'net' and",
        ),
    ],
)
def test_what_could_only_fail_later_is_refused_by_its_dotted_path(path: str, value: Any, message: str):
    values = edited(path, value)
    if message.startswith(("keys", "clustering")) or "deep" in message:
        keys = [name for name in values["keys"] if name != "pool"]
        values["tables"]["deep"] = {
            "kind": "clustering",
            "corpora": ["known"],
            "representations": ["cycle"],
            "keys": keys,
        }
    if path == "injection.steps":
        values["tables"]["f"] = FORECAST_KNOWN
    if path == "tables.f":
        values["injection"] = {"utterances": 900}
    values["predictors"]["arm"] = ARM | {"training": {"regime": {"kind": "unrolled"}}}
    assert re.search(message, refusal(values))


CODEC = {"kind": "soundstream", "folder": "weights"}  # 320 samples at 16 kHz are a frame


@pytest.mark.parametrize(
    ("reconstruction", "message"),
    [
        (
            {"kind": "mel_metric", "n_mels": 5000},
            r"n_mels: 5000 is too many for window_samples = 512: .* at most \d+",
        ),
        (
            {"kind": "mel_metric", "window_samples": 15_361},
            r"window_samples: .* 15361 is longer than the 15360 ",
        ),
        ({"kind": "waveform", "n_mels": 5000}, r"n_mels: 5000 is too many for window_samples = 2048"),
        (
            {"kind": "waveform", "latents": 3},
            r"window_samples: .* 2048 is longer than the 1920 samples of the 3",
        ),
    ],
)
def test_what_a_representation_listens_by_goes_with_the_audio_of_its_sequences(
    reconstruction: dict[str, Any], message: str
):
    """Two frames of 320 samples are a latent, and 24 latents a sequence: 15360 samples."""
    vae = {"kind": "vae", "source": "codec", "stack": 2, "dim": 2, "objective": {"reconstruction": reconstruction}}
    values = edited("representations.codec", CODEC)
    values["representations"]["v"] = vae
    assert re.search(rf"representations\.v\.objective\.reconstruction\.{message}", refusal(values))
    vae["objective"] = {"reconstruction": {"kind": reconstruction["kind"]}}
    load_config(values)


@pytest.mark.parametrize(
    ("readout", "needed"),
    [
        ({"kind": "cca", "window_frames": 200}, 201),
        ({"kind": "canonical_state", "window_frames": 150, "ahead_frames": 51}, 201),
    ],
)
def test_a_readout_of_more_frames_than_an_utterance_has_is_refused(readout: dict[str, Any], needed: int):
    values = edited("representations.r", readout | {"source": "var", "dim": 2})
    values["tables"] = {"g": {"kind": "geometry", "corpora": ["known"], "representations": ["r"]}}
    assert re.search(rf"representations\.r\.window_frames: .* take {needed} frames .* 'var' have 200", refusal(values))


@pytest.mark.parametrize(
    "pairs",
    [
        {"predictors": ["line", "net"]},
        {"surrogates": ["white"]},
        {"surrogates": ["white"], "metrics": ["level_gain"], "horizons": [1, 2]},
        {"surrogates": ["white"], "metrics": ["level_gain", "nll"], "horizons": [2]},
    ],
)
def test_a_paired_table_with_a_pair_is_accepted(pairs: dict[str, Any]):
    assert "pairs" in load_config(edited("tables.pairs", PAIRED | pairs)).tables


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (
            "representations.audio",
            {"kind": "logmel"},
            r"representations\.audio: the workflow has a folder of this name",
        ),
        ("predictors.logs", {"kind": "ar1"}, r"predictors\.logs: the workflow has a folder of this name"),
        ("representations.v", {"kind": "var", "radius": math.inf}, r"representations\.v\.radius: .* finite number"),
        (
            "corpora.speech.splits",
            {"salt": datetime.date(2026, 1, 1)},
            r"speech\.splits\.salt: 2026-01-01 is a date",
        ),
        ("tables.exact.predictors", {}, r"tables\.exact\.predictors: .* at least 1"),
    ],
)
def test_names_and_values_that_the_workflow_cannot_hold_are_refused(place: str, value: Any, words: str):
    assert re.search(words, refusal(edited(place, value)))


def test_all_mistakes_are_told_at_once():
    values = edited("predictors.net.dropuot", 0.1)
    values["corpora"]["speech"]["rot"] = "x"
    what = refusal(values)
    assert "predictors.net.dropuot" in what and "corpora.speech.rot" in what


def test_a_config_does_not_change_after_it_was_checked():
    with pytest.raises(ValueError, match="frozen"):
        load_config(SMALL).evaluation.max_frames = 1


RANDOM = {"kind": "mimi", "untrained": True}  # its hub id needs no revision


@pytest.mark.parametrize("row", ["noise", "noise_slow", "noise__shuffled"])
def test_random_weights_stand_in_no_table_that_does_not_say_that_it_is_a_test(row: str):
    values = edited("representations.noise", RANDOM)
    values["representations"]["noise_slow"] = {"kind": "stacked", "source": "noise", "frame_rate_hz": 6.25}
    shown = {"representations": [row.partition("__")[0]], "surrogates": ["shuffled"] * row.count("__")}
    values["tables"]["t"] |= shown
    assert "tables.t: 'noise" in refusal(values) and "random weights" in refusal(values)
    values["tables"]["t"]["untrained"] = True
    load_config(values)


@pytest.mark.parametrize(
    ("representations", "message"),
    [
        ({"q": {"kind": "quantized", "source": "logmel", "stages": 2}}, "'logmel' (kind logmel) is no encoder whose"),
        ({"q": {"kind": "quantized", "source": "slow", "stages": 2}}, "'slow' (kind pooled) is no encoder whose"),
        (
            {
                "views": {"kind": "mimi", "untrained": True, "frames": "overlapping_views"},
                "q": {"kind": "quantized", "source": "views", "stages": 2},
            },
            "'views' (kind mimi) is no encoder whose",
        ),
    ],
)
def test_only_what_a_codec_quantizes_can_be_quantized(representations: dict[str, Any], message: str):
    values = edited("representations.logmel.kind", "logmel")
    values["representations"] |= representations
    assert message in refusal(values) and "representations.q.source" in refusal(values)


OTHER = {"kind": "folder", "root": "other"}


@pytest.mark.parametrize(
    ("other", "table", "message"),
    [
        (
            OTHER,
            {"surrogates": ["white"]},
            r"fitted_on: 'slow__white' is fitted to the training speakers of each",
        ),
        (
            {**OTHER, "splits": {"validation": 0.0}},
            {},
            r"predictors\.line\.ridges: speakers of the split validation choose it, and corpora\.other gives",
        ),
        (
            {"kind": "synthetic", "frame_rate_hz": 50.0},
            {"corpora": ["known"], "representations": ["var"]},
            r"tables\.across\.fitted_on: 'var' of corpus 'other' has 50 frames a second, and of 'known' 12.5",
        ),
        (
            {"kind": "synthetic", "frames_per_utterance": 12},
            {"corpora": ["known"], "representations": ["var"]},
            r"tables\.across: fitting predictor 'line' .* of corpus 'other' have 12",
        ),
    ],
)
def test_what_another_corpus_cannot_be_fitted_for(other: Any, table: Any, message: str):
    values = edited("corpora.other", other)
    values["tables"]["across"] = {**ACROSS, "fitted_on": "other", **table}
    assert re.search(message, refusal(values))


def test_what_does_not_follow_from_audio_is_not_asked_how_it_answers_to_noise():
    noisy = {"kind": "robustness", "corpora": ["speech"], "representations": ["slow"]}
    load_config(edited("tables.noisy", noisy))
    told = refusal(edited("tables.noisy", noisy | {"surrogates": ["white"]}))
    assert re.search(r"tables\.noisy: 'slow__white' does not follow from audio .*kind surrogate", told)
    known = {"corpora": ["known"], "representations": ["var"]}
    assert re.search(r"corpus 'known' .* has none", refusal(edited("tables.noisy", noisy | known)))


def test_noise_is_shaped_where_gradients_lead_through_the_decoder_only():
    table = {"kind": "rate_quality", "corpora": ["speech"], "representations": ["logmel"]}
    values = {**edited("tables.bits", table), "rate_quality": {"noises": ["white", "shaped"]}}
    assert re.search(r"tables\.bits: noise can be `shaped` \(rate_quality\.noises\) .*logmel", refusal(values))
    load_config({**values, "rate_quality": {"noises": ["white"]}})


def test_more_codes_than_training_frames_are_refused():
    looking = {"kind": "mdn", "lookup": {"kind": "engram", "n_codes": 90_000}}
    values = edited("predictors.p", looking)
    values["tables"]["known"] = {
        "kind": "lagged",
        "corpora": ["known"],
        "representations": ["var"],
        "predictors": ["p"],
    }
    told = refusal(values)
    assert re.search(r"predictors\.p\.lookup\.n_codes: fitting so many takes 90000 training frames", told)
    looking["lookup"]["codes"] = "random"
    load_config(values)
    prototypes = {"kind": "basis", "codes": "archetypes", "n_prototypes": 20_000}
    values["predictors"]["p"] = {"kind": "vmf_lognormal", "lookup": prototypes}
    assert re.search(r"predictors\.p\.lookup\.n_prototypes: fitting so many takes 39999 training", refusal(values))
    prototypes["codes"] = "learned"
    load_config(values)


@pytest.mark.parametrize(
    ("predictor", "message"),
    [
        ({"kind": "mdn"}, r"'p' has no lookup"),
        ({"kind": "linear_gaussian"}, r"'p' has no lookup"),
        ({"kind": "mdn", "network": {"kind": "linear"}, "lookup": {"kind": "engram"}}, r"network of 'p' has no width"),
        ({"kind": "mdn", "horizons": [2], "lookup": {"kind": "engram"}}, r"'p' is not trained at k = \[1\]"),
    ],
)
def test_a_table_of_memories_is_of_predictors_with_one(predictor: dict[str, Any], message: str):
    values = edited("predictors.p", predictor)
    table = {"kind": "memory", "corpora": ["known"], "representations": ["var"], "predictors": ["p"]}
    values["tables"]["memory"] = table
    assert re.search(rf"tables\.memory\.(predictors|horizons): .*{message}", refusal(values))
    start = {"kind": "mdn", "starts_from": "first", "horizons": [1], "lookup": {"kind": "engram"}}
    values["predictors"] |= {"p": start, "first": {**start, "horizons": [1, 2]}}
    del values["predictors"]["first"]["starts_from"]
    assert re.search(r"tables\.memory\.predictors: 'p' starts from 'first'", refusal(values))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "mdn"}, r"'p' does not make directions of directions alone"),
        ({"context_normalisation": "standard"}, r"'p' does not make directions of directions alone"),
        ({"linear_skip": "fixed"}, r"'p' has a linear skip or looks up frames"),
        ({"lookup": {"kind": "engram"}}, r"'p' has a linear skip or looks up frames"),
        ({"window_frames": 2}, r"window_frames of 'p' must be 3 or more"),
        ({"horizons": [2]}, r"'p' is not trained at k = \[1\]"),
    ],
)
def test_two_stages_are_of_predictors_that_see_directions_alone(changes: dict[str, Any], message: str):
    alone = {"kind": "vmf_lognormal", "context_normalisation": "directions"}
    table = {"kind": "two_stage", "corpora": ["known"], "representations": ["var"], "predictors": ["p"]}
    values = edited("predictors.p", alone | {"lookup": {"kind": "basis"}})
    values["tables"]["two"] = table
    load_config(values)
    values["predictors"]["p"] = alone | changes
    assert re.search(rf"tables\.two\.(predictors|horizons): .*{message}", refusal(values))
    values["predictors"]["p"] = alone | {"window_frames": 1}
    assert re.search(r"predictors\.p\.context_normalisation: directions needs a step", refusal(values))


def test_more_prototypes_than_steps_are_refused():
    table = edited("tables.directions", {"kind": "archetypes", "corpora": ["known"], "representations": ["var"]})
    load_config({**table, "archetypes": {"cluster_counts": [2]}})
    told = refusal({**table, "archetypes": {"cluster_counts": [2, 90_000]}})
    assert re.search(r"archetypes\.cluster_counts: tables\.directions asks for 90000 prototypes of 'var', and ", told)


def test_sounds_are_asked_of_recordings():
    def table(corpus: str, row: str, **more: object):
        section = {"kind": "archetype_sounds", "corpora": [corpus], "representations": [row], **more}
        return edited("tables.sounds", section)

    load_config(table("speech", "logmel"))
    for corpus, kind, row in (("mine", "latents", "given"), ("known", "synthetic", "var")):
        told = refusal(table(corpus, row))
        assert f"tables.sounds: sounds are those of recordings, and corpus '{corpus}' (kind {kind}) has none" in told
    told = refusal(table("speech", "logmel", surrogates=["shuffled"]))
    assert "tables.sounds: the frames of surrogate 'logmel__shuffled' are not those of the recordings" in told
    low = {"archetype_sounds": {"lowest_pitch_hz": 400.0}}
    assert "highest_pitch_hz must be at least 1.5 times lowest_pitch_hz" in refusal(table("speech", "logmel") | low)
    fast = edited("representations.fast", {"kind": "logmel", "hop_samples": 80})
    told = refusal({**fast, "tables": table("speech", "fast")["tables"]})
    assert "sounds are known every 10 ms, and 'fast' has 200 frames a second" in told


@pytest.mark.parametrize(
    ("corpus", "kind", "row"),
    [("speech", "folder", "logmel"), ("mine", "latents", "given"), ("known", "synthetic", "var")],
)
def test_phones_are_asked_of_a_corpus_that_says_when_they_are_spoken(corpus: str, kind: str, row: str):
    told = refusal(edited("tables.phones", {"kind": "phones", "corpora": [corpus], "representations": [row]}))
    assert re.search(rf"tables\.phones: nothing says when the phones of corpus '{corpus}' \(kind {kind}\)", told)


@pytest.mark.parametrize(
    ("section", "changes", "groups", "message"),
    [
        ("predictors", {"line": LINE | {"window_frames": 4}}, [], r"predictor 'line' and predictor 'net' differ"),
        ("predictors", {"line": LINE | {"horizons": [2, 8]}}, [], r"'line' is not trained at k = \[1\]"),
        ("geometry", {"window_frames": 4}, ["geometry"], r"the section geometry differ in window_frames"),
        ("geometry", {"horizons": [1, 4]}, ["geometry"], r"the section geometry differ in .* longest horizon"),
        ("geometry", {"horizons": [2, 8]}, ["geometry"], r"geometry shows 1, .* among geometry\.horizons"),
        ("injection", {"splits": ["train"]}, ["injection"], r"injection shows eval, .* among injection\.splits"),
        ("free_runs", {"split": "train"}, ["free_runs"], r"free_runs shows eval, .* among free_runs\.split"),
        ("decoder_tolerance", {"sigmas": [0.1]}, ["perception"], r"shows 0\.0, .* decoder_tolerance\.sigmas"),
        ("decoder_tolerance", {"scores": ["stoi"]}, ["perception"], r"shows pesq, .* decoder_tolerance\.scores"),
        ("decoder_tolerance", {"split": "train"}, ["perception"], r"shows eval, .* decoder_tolerance\.split"),
    ],
)  # fmt: skip
def test_rows_of_trade_offs_must_compare(section, changes, groups, message):
    """Each is accepted where its group is not asked for, but for what all groups need."""
    values = edited("tables", {"costs": TRADEOFF | {"groups": groups}})
    values[section] = {**values.get(section, {}), **changes}
    assert re.search(rf"tables\.costs.*{message}", refusal(values))
    if groups:
        values["tables"]["costs"]["groups"] = []
        load_config(values)


JUDGED = {"kind": "learned", "corpora": ["speech"], "reference": "logmel", "representations": ["narrow", "states"]}


def judged(**changes: Any) -> dict[str, Any]:
    """A config with a table of kind learned: a readout, a random network, frames at another rate, and one's own."""
    values = edited("tables", {"judged": JUDGED | changes})
    values["representations"] |= {
        "narrow": {"kind": "pca", "source": "logmel", "dim": 8},
        "states": {"kind": "random_gru", "source": "logmel", "dim": 100},
        "other": {"kind": "logmel", "n_mels": 40},
    }
    return values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": "logmle"}, r"tables\.judged\.reference: 'logmle' is not defined .*logmel"),
        ({"reference": "narrow"}, r"reference: 'narrow' is no frames of the codec.*\(its link pca\)"),
        ({"reference": "other"}, r"reference: 'narrow' and 'other' are not made of one encoder"),
        ({"reference": "slow"}, r"reference: 'slow' has 6\.25 frames a second, and 'narrow' 12\.5"),
        ({"groups": ["sound"]}, r"tables\.judged\.groups\.0: .*perception.*state_information"),
    ],
)
def test_what_cannot_be_judged_in_the_frames_of_a_reference_is_refused(changes: dict[str, Any], message: str):
    load_config(judged())
    assert re.search(message, refusal(judged(**changes)))


def test_a_network_of_states_needs_speakers_who_choose_its_weights_and_a_clamp_that_holds_its_beginning():
    values = judged(groups=["state_information"])
    load_config(values)
    assert re.search(
        r"log_sigma_min must be below 0 and log_sigma_max above it",
        refusal(values | {"state_information": {"log_sigma_min": 0.5}}),
    )
    values["corpora"]["speech"]["splits"] = {"validation": 0.0, "eval": 0.2}
    values |= {"learned": {"ridges": [0.01]}, "geometry": {"ridges": [0.01]}}
    assert re.search(r"tables\.judged.* its speakers choose the weights of each mixture", refusal(values))
    values["tables"]["judged"]["groups"] = []
    load_config(values)


def test_only_processes_whose_information_is_known_are_asked_what_a_network_sees():
    assert re.search(
        r"exact\.state_information: it is not known exactly what frames of 'cycle' tell",
        refusal(edited("tables.exact.state_information", ["cycle"])),
    )


def test_a_table_that_judges_shows_what_its_sections_measure():
    assert re.search(
        r"shows 1, which is not among geometry\.horizons", refusal(judged() | {"geometry": {"horizons": [2]}})
    )
    heard = judged(groups=["perception"]) | {"decoder_tolerance": {"sigmas": [0.1]}}
    assert re.search(r"shows 0\.0, which is not among decoder_tolerance\.sigmas", refusal(heard))


def test_exact_values_of_a_window_are_compared_with_predictors_of_that_window():
    values = edited("representations.hidden", {"kind": "state_space", "window_frames": 4})
    values["tables"]["exact"] |= {"predictors": {"hidden": "line"}}
    assert re.search(r"exact\.predictors\.hidden: .*window_frames = 4 .*predictor 'line' has 8", refusal(values))
    values["predictors"]["line"] = LINE | {"window_frames": 4}
    values["tables"] = {"exact": values["tables"]["exact"] | {"keys": {}, "geometry": ["hidden"]}}
    assert re.search(r"exact\.geometry: .*the section geometry has 8", refusal(values))
    load_config(values | {"geometry": {"window_frames": 4}})
