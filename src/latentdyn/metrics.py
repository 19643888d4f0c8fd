"""The one list of metrics: name, unit, digits to print, which way is better, and one plain sentence each.

Diagnostics take names and units from here. Tables, figures, the config's columns and docs/data.md draw on it too. A
metric that follows from another, such as `dnll_median` or `r2_delta_top8`, is not listed: `Metric.part` makes it, and
`metric` finds it by its name.

This module is light: the Snakefile reads it through the config. docs/metrics.md is generated from here:
`python -m latentdyn.metrics > docs/metrics.md`.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

Better = Literal["lower", "higher", "neither"]

# what may follow the name of a metric, after an underscore; PARTS, below, says what each is
_PART = r"ci_low|ci_high|median|trimmed|min|max|q0\.\d+|top\d+|c\d+|permuted|permuted_sd|seed_sd|nonfinite"
_SUFFIXED = re.compile(rf"(.+)_({_PART})")


@dataclass(frozen=True)
class Metric:
    """What a number in a record or a table is.

    unit: "1" for ratios. decimals: digits after the point in tables for people; 0 for counts. better: which way a
    better predictor or representation goes; `neither` for facts and for what has a right value. whole_split: a table's
    row of a slice shows the value of the whole split. sentence: for a reader who has not seen the code.
    """

    name: str
    unit: str
    decimals: int
    better: Better
    sentence: str
    whole_split: bool = False

    def part(self, name: str) -> "Metric":
        """The metric `{self.name}_{name}`: another summary of the same quantity. The sentence stays that of the metric.

        Raises:
            KeyError: there is no such part.
        """
        if re.fullmatch(_PART, name) is None:
            raise KeyError(f"a metric has no part named {name!r}")
        part = replace(self, name=f"{self.name}_{name}")
        if name == "nonfinite":
            return replace(part, unit="frames", decimals=0, better="lower")
        return replace(part, better="neither") if name.endswith("_sd") else part


def metric(name: str) -> Metric:
    """The metric of this name, listed or a part of a listed one.

    Raises:
        KeyError: there is none.
    """
    if name in METRICS:
        return METRICS[name]
    suffixed = _SUFFIXED.fullmatch(name)
    if suffixed is None:
        raise KeyError(f"no metric is named {name!r}")
    return metric(suffixed[1]).part(suffixed[2])


# fmt: off
# ------------------------------------------------------------------------------- of a predictor, at a staleness k

NLL = Metric("nll", "nats/frame", decimals=2, better="lower", sentence="Mean negative log-likelihood of the true Δx.")
NLL_BASELINE = Metric("nll_baseline", "nats/frame", decimals=2, better="neither",
    sentence="Mean negative log-likelihood of the true Δx under one diagonal Gaussian of training deltas.")
DNLL = Metric("dnll", "nats/frame", decimals=2, better="lower",
    sentence="NLL less that of a diagonal Gaussian of training deltas.")
DNLL_FULL = Metric("dnll_full", "nats/frame", decimals=2, better="lower",
    sentence="NLL less that of a full Gaussian of training deltas.")
CONTEXT_GAIN = Metric("context_gain", "nats/frame", decimals=2, better="lower",
    sentence="NLL less that of the same density without a context.")
CONTEXT_GAIN_PER_DIM = Metric("context_gain_per_dim", "nats/frame/dim", decimals=3, better="lower",
    sentence="Context gain over the number of dimensions.")
LEVEL_GAIN = Metric("level_gain", "nats/frame", decimals=2, better="lower",
    sentence="NLL of x given the context less that under a diagonal Gaussian of training frames; at k = 1 only.")
LEVEL_GAIN_OVER_SHUFFLED = Metric("level_gain_over_shuffled", "nats/frame", decimals=2, better="lower",
    sentence="Level gain less that of the same predictor on the frames of each utterance in random order.")
PREDICTIVE_INFORMATION = Metric("predictive_information", "nats/frame", decimals=3, better="higher",
    sentence="NLL of x under one full Gaussian of training frames less that given the context, by linear regression.")
DNLL_DIRECTION = Metric("dnll_direction", "nats/frame", decimals=2, better="lower",
    sentence="NLL of the direction of Δx less that of the uniform law on the sphere.")
DNLL_LENGTH = Metric("dnll_length", "nats/frame", decimals=2, better="lower",
    sentence="NLL of the length of Δx less that of one log-normal of training lengths.")
DNLL_FACTORED = Metric("dnll_factored", "nats/frame", decimals=2, better="lower",
    sentence="Sum of dnll_direction and dnll_length; it compares with itself only.")
DNLL_PER_DIM = Metric("dnll_per_dim", "nats/frame/dim", decimals=3, better="lower",
    sentence="ΔNLL over the number of dimensions.")
BITS_PER_FRAME = Metric("bits_per_frame", "bit/frame", decimals=1, better="lower", sentence="ΔNLL in bits.")
KBIT_PER_S = Metric("kbit_per_s", "kbit/s", decimals=3, better="lower", sentence="ΔNLL in thousands of bits a second.")
COSINE = Metric("cosine", "1", decimals=3, better="higher",
    sentence="Mean cosine between the predicted and the true Δx; chance is 0.")
COSINE_WHITE_NOISE = Metric("cosine_white_noise", "1", decimals=3, better="neither", whole_split=True,
    sentence="The cosine that the best predictor of white noise reaches, if the noise has the frames' covariance.")
R2_DELTA = Metric("r2_delta", "1", decimals=3, better="higher",
    sentence="Share of the variance of Δx that the predicted mean explains.")
R2_MEAN = Metric("r2_mean", "1", decimals=3, better="higher",
    sentence="R² of ln‖Δx‖ by the logarithm of the predicted mean's length.")
R2_HEAD = Metric("r2_head", "1", decimals=3, better="higher", sentence="R² of ln‖Δx‖ by its own predicted mean.")
R2_LENGTHS = Metric("r2_lengths", "1", decimals=3, better="higher",
    sentence="R² of ln‖Δx‖ by the directions around a step and the mean level and rate of its speaker.")
PATH_DIFFERENCE = Metric("path_difference", "nats/frame", decimals=6, better="lower",
    sentence="Mean difference between the training loss and the score of the same frames.")
NLL_FEWER_STEPS = Metric("nll_fewer_steps", "nats/frame", decimals=3, better="neither", whole_split=True,
    sentence="Of a likelihood that is computed in steps: NLL by half as many, less the NLL; near 0, it has converged.")
ROLLOUT_GAP = Metric("rollout_gap", "nats/frame", decimals=2, better="lower", whole_split=True,
    sentence="NLL of the true Δx with a context of the model's own frames, less that with the true context.")
ROLLOUT_GAP_LINEAR = Metric("rollout_gap_linear", "nats/frame", decimals=2, better="neither", whole_split=True,
    sentence="The rollout gap of the best linear map of one stale frame; where it explodes too, the recursion does.")
ROLLOUT_OVERFLOW = Metric("rollout_overflow", "frames", decimals=0, better="lower", whole_split=True,
    sentence="Frames whose gap is beyond what a float holds.")
ENERGY_SCORE = Metric("energy_score", "1", decimals=3, better="lower", whole_split=True,
    sentence="Energy score of the predicted law of Δx, by its draws, in deviations of the training frames.")
ENERGY_SCORE_BASELINE = Metric("energy_score_baseline", "1", decimals=3, better="neither", whole_split=True,
    sentence="Energy score of one diagonal Gaussian of training deltas.")
ENERGY_SCORE_STATE = Metric("energy_score_state", "1", decimals=3, better="lower",
    sentence="Energy score of the predicted law of x, by drawn forecasts, in deviations of the training frames.")
ENERGY_SCORE_STATE_BASELINE = Metric("energy_score_state_baseline", "1", decimals=3, better="neither",
    sentence="Energy score of one diagonal Gaussian of training frames.")
SPECTRAL_RADIUS = Metric("spectral_radius", "1", decimals=3, better="neither", whole_split=True,
    sentence="Factor a frame by which a small difference of two free runs grows in the long run: by the eigenvalues of "
    "the recursion where the mean is linear, else estimated from runs.")
UNBOUNDED = Metric("unbounded", "1", decimals=3, better="lower", whole_split=True,
    sentence="Share of free runs that came 10 times as far from the training mean as any training frame; in tables "
    "of kind lagged, of runs by the mean.")

# what a density says of itself (`Density.facts`)

KAPPA = Metric("kappa", "1", decimals=1, better="neither", sentence="Mean concentration κ of the predicted direction.")
KAPPA_AT_CLAMP = Metric("kappa_at_clamp", "1", decimals=3, better="lower",
    sentence="Share of frames whose κ is at its bound.")
SIGMA_AT_CLAMP = Metric("sigma_at_clamp", "1", decimals=3, better="lower",
    sentence="Share of predicted deviations that are at a bound.")
MU_LOGM_AT_CLAMP = Metric("mu_logm_at_clamp", "1", decimals=3, better="lower",
    sentence="Share of frames whose predicted mean of ln‖Δx‖ is at a bound.")
FACTS = {fact.name: fact for fact in (KAPPA, KAPPA_AT_CLAMP, SIGMA_AT_CLAMP, MU_LOGM_AT_CLAMP)}

# -------------------------------------------------------------------------------------- of what was measured on

SPEAKERS = Metric("speakers", "speakers", decimals=0, better="neither", sentence="Speakers whose frames were scored.")
SPEAKERS_SEEN = Metric(
    "speakers_seen", "speakers", decimals=0, better="neither",
    sentence="Speakers of the split that have the name of a training or validation speaker of the corpus fitted to.",
)
DIM = Metric("dim", "dimensions", decimals=0, better="neither", sentence="Dimensions of a frame.")
READOUT_VARIANCE = Metric("readout_variance", "1", decimals=3, better="neither",
    sentence="Share of the source's variance that a linear readout explains (its handle's `explained_variance`).")
FRAME_RATE_HZ = Metric("frame_rate_hz", "Hz", decimals=2, better="neither", sentence="Frames a second.")
MS_PER_STEP = Metric("ms_per_step", "ms", decimals=1, better="neither", sentence="Duration of one frame.")
LOOK_AHEAD_MS = Metric("look_ahead_ms", "ms", decimals=1, better="lower",
    sentence="How much audio after its own end a frame depends on, at most.")
GRID_VALUES = Metric("grid_values", "values", decimals=0, better="neither",
    sentence="The most distinct values of a dimension, where all dimensions take so few that frames lie on a grid.")
CODE_BITS_PER_S = Metric("code_bits_per_s", "bit/s", decimals=0, better="neither",
    sentence="Bits a second of the codes that dequantized frames were made of, each stage at its full size.")
FAR_OUT_FRAMES = Metric("far_out_frames", "frames", decimals=0, better="neither",
    sentence="Frames of a split so far from all others that they make a quarter or more of a dimension's variance.")
TOKEN_BITS_PER_S = Metric("token_bits_per_s", "bit/s", decimals=0, better="lower",
    sentence="Cross-entropy of a frame's codes given the frames before it, under a small model.")
TOKEN_BITS_PER_S_ALONE = Metric("token_bits_per_s_alone", "bit/s", decimals=0, better="lower",
    sentence="Cross-entropy of a frame's codes under the same small model without the frames before it.")
TOKEN_INFORMATION = Metric("token_information", "bit/s", decimals=1, better="higher",
    sentence="Cross-entropy of codes without the frames before less that with them: what the past tells of the codes.")
FRAME_INFORMATION = Metric("frame_information", "bit/s", decimals=1, better="higher",
    sentence="Predictive information of frames at k = 1 in bits a second: what the past tells of the frame.")
UTTERANCES = Metric("utterances", "utterances", decimals=0, better="neither",
    sentence="Utterances that forecasts start in.")
UTTERANCES_SKIPPED = Metric("utterances_skipped", "utterances", decimals=0, better="neither",
    sentence="Utterances that are too short or not finite.")
STILL_FRAMES = Metric("still_frames", "frames", decimals=0, better="neither",
    sentence="Frames that are equal to the frame before them: their step has the length 0.")
KEPT_STEP = Metric("kept_step", "steps", decimals=0, better="neither", whole_split=True,
    sentence="Step of the training whose weights were kept; 0: those that the training started from.")
PARAMETERS = Metric("parameters", "parameters", decimals=0, better="neither", whole_split=True,
    sentence="Numbers that training changes.")
SEGMENTS = Metric("segments", "segments", decimals=0, better="neither", sentence="Segments that were forecast.")

# -------------------------------------------------------------------------- of forecasts, with nll, dnll and cosine

MAGNITUDE_RATIO = Metric("magnitude_ratio", "1", decimals=3, better="neither",
    sentence="Length of the predicted step over that of the true one; 1 is right.")
STATE_ERROR = Metric("state_error", "latent", decimals=2, better="lower",
    sentence="Distance of the state that a step starts from to the true one.")
STATE_ERROR_NORMALISED = Metric("state_error_normalised", "1", decimals=3, better="lower",
    sentence="Distance of the state that a step starts from to the true one, over the spread of the data.")
CORRECTION_COSINE = Metric("correction_cosine", "1", decimals=3, better="higher",
    sentence="Cosine of what a correction added to a state and of the way from there to the true state.")
CORRECTION_RATIO = Metric("correction_ratio", "1", decimals=3, better="neither",
    sentence="Length of what a correction added over that of the way to the true state.")
NONFINITE = Metric("nonfinite", "frames", decimals=0, better="lower",
    sentence="Frames with a value beyond what a float holds.")
SKILL = Metric("skill", "1", decimals=3, better="higher", sentence="Cosine of a forecast over that of the ceiling.")
SKILL_NATS = Metric("skill_nats", "1", decimals=3, better="higher",
    sentence="ΔNLL of a forecast over that of the ceiling.")
RESET_DNLL = Metric("reset_dnll", "nats/frame", decimals=2, better="lower",
    sentence="ΔNLL at a step with injected truth less that at the step before.")
RESET_COSINE = Metric("reset_cosine", "1", decimals=3, better="higher",
    sentence="Cosine at a step with injected truth less that at the step before.")
DIVERGENCE_HORIZON = Metric("divergence_horizon", "steps", decimals=2, better="higher",
    sentence="First step of a forecast that is lost: no better than chance in direction, or farther off than the "
    "spread of the data.")
STATE_ERROR_OVER_STAYING = Metric("state_error_over_staying", "1", decimals=3, better="lower",
    sentence="State error of a forecast, in spreads of the data, less that of one that stays at the mean.")
COSINE_OVER_STAYING = Metric("cosine_over_staying", "1", decimals=3, better="higher",
    sentence="Cosine of a forecast less that of one that stays at the mean.")
SHRINKAGE = Metric("shrinkage", "1", decimals=4, better="neither",
    sentence="Magnitude ratio of a forecast over that of the control.")
STATE_ERROR_CHANGE = Metric("state_error_change", "1", decimals=3, better="lower",
    sentence="State error of a corrected forecast, in spreads of the data, less that of the uncorrected one.")
STATE_ERROR_OVER_NOISE = Metric("state_error_over_noise", "1", decimals=3, better="lower",
    sentence="State error of a corrected forecast, in spreads of the data, less that with the noise alone.")
STATE_ERROR_OVER_GAUSSIAN = Metric("state_error_over_gaussian", "1", decimals=3, better="lower",
    sentence="State error of a corrected forecast, in spreads of the data, less that by the score of a Gaussian.")
STATE_ERROR_OVER_SHRINK = Metric("state_error_over_shrink", "1", decimals=3, better="lower",
    sentence="State error of a corrected forecast, in spreads of the data, less that of states shrunk to the mean.")
COSINE_CHANGE = Metric("cosine_change", "1", decimals=3, better="higher",
    sentence="Cosine of a corrected forecast less that of the uncorrected one.")
DENOISING_LOSS = Metric("denoising_loss", "1", decimals=3, better="lower",
    sentence="Mean squared error, a dimension, of the noise that the score model finds in noisy frames; 1 without "
    "any model.")
DENOISING_LOSS_GAUSSIAN = Metric("denoising_loss_gaussian", "1", decimals=3, better="neither",
    sentence="Mean squared error of the noise that a Gaussian with the training frames' covariance finds.")

# ------------------------------------------------------------------------------ of free runs, with unbounded

ENERGY = Metric("energy", "1", decimals=3, better="neither",
    sentence="Mean squared distance of a run's frames from the training mean over that of the data; 1 is right.")
STEP_LENGTH = Metric("step_length", "1", decimals=3, better="neither",
    sentence="Mean length of a run's steps over that of the data; 1 is right.")
AUTOCORRELATION_LATENTS = Metric("autocorrelation_latents", "1", decimals=3, better="neither",
    sentence="Autocorrelation of frames; the lag stands as the step.")
AUTOCORRELATION_DELTAS = Metric("autocorrelation_deltas", "1", decimals=3, better="neither",
    sentence="Autocorrelation of steps; the lag stands as the step.")
FRECHET_LATENTS = Metric("frechet_latents", "latent²", decimals=3, better="lower",
    sentence="Squared Fréchet distance of frames to those of the data.")
FRECHET_DELTAS = Metric("frechet_deltas", "latent²", decimals=3, better="lower",
    sentence="Squared Fréchet distance of steps to those of the data.")
CLASSIFIER_ACCURACY = Metric("classifier_accuracy", "1", decimals=3, better="lower",
    sentence="How often a classifier tells windows of 8 frames from real ones, on speakers that it has not seen; .5 is "
    "chance.")

# ------------------------------------------------------------------------------------- of a frame that is generated

FLOPS_PER_FRAME = Metric("flops_per_frame", "operations/frame", decimals=0, better="lower",
    sentence="Operations of matrix products (a multiplication and an addition are two) for a frame drawn in a stream.")
GENERATION_MS = Metric("generation_ms", "ms/frame", decimals=3, better="lower",
    sentence="Median time to draw a frame in a stream, one at a time, by one thread of the CPU that measured.")

# ------------------------------------------------------------------------------------- of decoded speech, as it sounds

PESQ = Metric("pesq", "MOS", decimals=2, better="higher",
    sentence="PESQ (wide band, ITU-T P.862.2) of decoded speech against the original; identity scores 4.64.")
STOI = Metric("stoi", "1", decimals=3, better="higher",
    sentence="Short-time objective intelligibility of decoded speech against the original; identity scores 1.")
MEL_DISTANCE = Metric("mel_distance", "dB", decimals=2, better="lower",
    sentence="Mean absolute difference of log-mel frames of decoded speech and the original; identity scores 0.")
DNSMOS = Metric("dnsmos", "MOS", decimals=2, better="higher",
    sentence="Overall quality that the network DNSMOS (P.835) hears, without the original.")
SPEAKER_SIMILARITY = Metric("speaker_similarity", "1", decimals=3, better="higher",
    sentence="Cosine of the speaker embeddings (resemblyzer) of decoded speech and the original; identity scores 1.")
WORD_ERROR_RATE = Metric("word_error_rate", "1", decimals=3, better="lower",
    sentence="Words that a small offline recogniser gets wrong, over those of the transcript; it compares with the "
    "original's own rate only.")
WORD_CHANGE = Metric("word_change", "1", decimals=3, better="lower",
    sentence="Word error rate against what the same recogniser hears in the original.")
FRECHET_MEL = Metric("frechet_mel", "dB²", decimals=1, better="lower",
    sentence="Squared Fréchet distance of log-mel frames to those of recordings of training speakers.")
UNSCORED = Metric("unscored", "scores", decimals=0, better="lower",
    sentence="Scores of utterances that could not be given; their reasons are in unscored.csv.")

# --------------------------------------------------------------------------------------------- of noisy frames

RATE_KBIT_PER_S = Metric("rate_kbit_per_s", "kbit/s", decimals=2, better="lower",
    sentence="What frames cost to send: NLL of a noisy frame given the noisy frames before it, "
    "less the entropy of the noise; of dequantized frames, their codes at full size.")
RATE_MEMORYLESS = Metric("rate_kbit_per_s_memoryless", "kbit/s", decimals=2, better="lower",
    sentence="What noisy frames cost to send if nothing of the past is used, under one full Gaussian.")
RATE_SHUFFLED = Metric("rate_kbit_per_s_shuffled", "kbit/s", decimals=2, better="neither",
    sentence="What noisy frames cost to send, given those before, if they are in random order within each utterance.")
RATE_SAVED = Metric("rate_saved", "1", decimals=3, better="higher",
    sentence="Share of the memoryless rate that the past saves.")
RATE_SAVED_SHUFFLED = Metric("rate_saved_shuffled", "1", decimals=3, better="neither",
    sentence="Share that the past saves of frames in random order: what is constant in an utterance, like a voice.")

# ---------------------------------------------------------------------------------------- of clusters of contexts

VARIANCE_RATIO = Metric("variance_ratio", "1", decimals=4, better="lower",
    sentence="Sum of squares of Δx within clusters over the total.")
VARIANCE_RATIO_HELD_OUT = Metric("variance_ratio_held_out", "1", decimals=4, better="lower",
    sentence="Sum of squares of Δx about the training means of clusters, over that about one training mean.")
EXPLAINED_VARIANCE = Metric("explained_variance", "1", decimals=3, better="neither",
    sentence="Share of the variance of Δx that lies along the first principal axes.")
ENTROPY_REDUCTION = Metric("entropy_reduction", "nats/frame", decimals=3, better="higher",
    sentence="NLL of Δx under one Gaussian less that under a Gaussian for each cluster.")
LABEL_ENTROPY = Metric("label_entropy", "nats", decimals=3, better="neither",
    sentence="Entropy of the clusters' shares of frames.")
CLUSTERS_USED = Metric("clusters_used", "clusters", decimals=0, better="neither", sentence="Clusters with a frame.")
MASS_EXCLUDED = Metric("mass_excluded", "1", decimals=3, better="neither",
    sentence="Share of frames in clusters with too few training frames, which are left out.")

# ------------------------------------------------------------------------- of a representation without a predictor

PARTICIPATION_RATIO = Metric("participation_ratio", "dimensions", decimals=2, better="neither",
    sentence="In how many directions the frames vary: (Σλ)² / Σλ² over the eigenvalues λ of their covariance.")
EFFECTIVE_RANK = Metric("effective_rank", "dimensions", decimals=2, better="neither",
    sentence="In how many directions the frames vary: exp of the entropy of the eigenvalues' shares of their "
    "covariance.")
EXCESS_KURTOSIS = Metric("excess_kurtosis", "1", decimals=2, better="neither",
    sentence="Mean over dimensions of the frames' excess kurtosis; 0 of a Gaussian, above 0 with heavy tails.")
SPECTRAL_PREDICTABILITY = Metric("spectral_predictability", "1", decimals=3, better="neither",
    sentence="Mean over dimensions of 1 less the normalised entropy of the power spectrum; 0 of white noise.")

SLOWNESS = Metric("slowness", "1", decimals=3, better="neither",
    sentence="Mean squared step of a slow feature over the variance of its frames: 2 (1 - its autocorrelation); 2 of "
    "white noise.")
CANONICAL_CORRELATION = Metric("canonical_correlation", "1", decimals=3, better="neither",
    sentence="Correlation of a direction of the frames with its best linear prediction from the W frames before.")

# --------------------------------------------------------- of a representation, in the frames of a reference

DECODED_SKILL = Metric("decoded_skill", "1", decimals=3, better="higher",
    sentence="Share of the variance of the reference's frames that forecasts made in the representation explain, once "
    "they are mapped back to the reference.")
DECODED_NLL = Metric("decoded_nll", "nats/frame", decimals=2, better="lower",
    sentence="NLL of the reference's frame under a Gaussian about a forecast that was made in the representation and "
    "mapped back.")
STATE_INFORMATION = Metric("state_information", "nats/frame", decimals=3, better="higher",
    sentence="What a frame tells about the reference's frame so many later, by a straight line, less what it tells if "
    "frames are in random order within utterances.")
STATE_INFORMATION_WHOLE = Metric("state_information_whole", "nats/frame", decimals=3, better="neither",
    sentence="What a frame tells about the reference's frame so many later, by a straight line: voice and room too.")
STATE_INFORMATION_MDN = Metric("state_information_mdn", "nats/frame", decimals=3, better="higher",
    sentence="What a frame tells about the reference's frame so many later, by a mixture density network about the "
    "line, less what it tells if frames are in random order within utterances.")
STATE_INFORMATION_MDN_WHOLE = Metric("state_information_mdn_whole", "nats/frame", decimals=3, better="neither",
    sentence="What a frame tells about the reference's frame so many later, by a mixture density network about the "
    "line: voice and room too.")
STATE_INFORMATION_MDN_OVER_LINE = Metric("state_information_mdn_over_line", "nats/frame", decimals=3, better="neither",
    sentence="What a frame tells about the reference's frame so many later by a mixture density network, less what it "
    "tells by a straight line; both less what frames in random order tell.")
RECONSTRUCTION = Metric("reconstruction", "1", decimals=3, better="higher",
    sentence="Share of the variance of the reference's frames that is there again when true frames are mapped back.")

# ---------------------------------------------------------------------- of a state and an innovation (factorizer)

INNOVATION_NATS = Metric("innovation_nats", "nats/frame", decimals=2, better="neither",
    sentence="KL of the innovation of a frame: what is sent beside the state.")
INNOVATION_KBIT_PER_S = Metric("innovation_kbit_per_s", "kbit/s", decimals=3, better="neither",
    sentence="The same for a second.")
INNOVATION_RATE = Metric("innovation_rate", "nats/frame", decimals=2, better="neither",
    sentence="R, what the innovation should cost at beta = 1, by the covariance of what the state leaves of a frame.")
INNOVATION_EFFICIENCY = Metric("innovation_efficiency", "1", decimals=2, better="higher",
    sentence="Nats that the reconstruction gains over the best Gaussian given the state, for a nat of the innovation; "
    "1 at the optimum of beta = 1.")
SWAP_RATIO = Metric("swap_ratio", "1", decimals=2, better="higher",
    sentence="Squared error of the reconstruction with states of other sequences over that with its own.")
CLAMPED_SIGMAS = Metric("clamped_sigmas", "dimensions", decimals=0, better="lower",
    sentence="Trained deviations that are at a bound.")
STATE_RANK = Metric("state_rank", "dimensions", decimals=1, better="higher",
    sentence="In how many directions the state varies, before it is whitened: participation ratio of its correlation.")
NEXT_FRAME_INFORMATION = Metric("next_frame_information", "nats/frame", decimals=3, better="higher",
    sentence="What the stored state tells about the next frame of the source, by a straight line: voice and room too.")
WINDOW_INFORMATION = Metric("window_information", "nats/frame", decimals=3, better="neither",
    sentence="What the last W frames of the source tell about the next one, by a straight line.")
DYNAMICS_SKILL = Metric("dynamics_skill", "1", decimals=3, better="neither",
    sentence="How much better forecasts of the state are than no change and than its mean, whatever its scale; a slow "
    "state is easy to forecast.")
FRAME_NLL = Metric("frame_nll", "nats/frame", decimals=2, better="lower",
    sentence="Bound on the NLL of a frame given those before it; not of a state that has read the frame itself.")
WINDOW_NLL = Metric("window_nll", "nats/frame", decimals=2, better="neither",
    sentence="NLL of a training frame by the best straight line of the last W.")
DYNAMICS_MSE = Metric("dynamics_mse", "1", decimals=4, better="neither",
    sentence="Mean squared error of forecasts of the state, in its own units: a small state makes it small.")
STATE_VARIANCE = Metric("state_variance", "1", decimals=3, better="neither",
    sentence="Mean variance of the state's dimensions, in its own units.")
PRIOR_OVER_POSTERIOR = Metric("prior_over_posterior", "1", decimals=2, better="neither",
    sentence="Squared error of the reconstruction with innovations of the prior over that with the posterior's.")
ALARMS = Metric("alarms", "alarms", decimals=0, better="lower", sentence="How many of the alarms ring.")
_KNOBS = {
    "kl": "the innovation costs below a tenth of R; give a lower innovation.beta, a longer beta_warmup_steps, or "
    "target_nats",
    "efficiency": "a nat of it buys below half a nat; give a lower target_nats or a higher innovation.beta, a lower "
    "prior_sample_prob, or reconstructor.form additive",
    "swap": "the reconstructor ignores the state (ratio 1.1 or below); give a higher innovation.beta, a smaller "
    "innovation.dim, more prior_sample_prob or a lower dynamics.weight",
    "clamp": "a trained deviation is at its bound; set learned_sigma to false, or dynamics.likelihood to whitened",
    "rank": "the state varies in below a quarter of its dimensions; give a lower dynamics.weight with likelihood "
    "whitened, or a smaller dim",
    "state": "the state tells below half of what the window tells; give a lower dynamics.weight or a higher "
    "innovation.beta, a weight to future, or a larger dim",
    "dynamics": "forecasts of the state have a skill below .05; give a higher dynamics.weight, or more window_frames",
    "leak": "the state knows the frame that it should predict; set timing to strict",
}
FACTORIZER_ALARMS = {
    name: Metric(f"alarm_{name}", "1", decimals=0, better="lower", sentence=f"Rings (1) where {knob}.")
    for name, knob in _KNOBS.items()
}

NOISE_RESPONSE = Metric("noise_response", "1", decimals=4, better="lower",
    sentence="Mean squared change of frames when white noise is added to the audio, over the variance of the frames.")
NOISE_RESPONSE_LOG_MEL = Metric("noise_response_log_mel", "1", decimals=4, better="neither",
    sentence="The same of log-mel frames of the same audio.")

# ------------------------------------------------------------------------------- of the phones that are spoken

PHONE_INFORMATION = Metric("phone_information", "nats/frame", decimals=3, better="higher",
    sentence="What a frame tells about its phone: cross-entropy of phones by their training shares less that given the "
    "frame, by a linear probe.")
PHONE_BITS = Metric("phone_information_bits", "bit/frame", decimals=3, better="higher",
    sentence="What a frame tells about its phone, in bits.")
PHONE_ENTROPY = Metric("phone_entropy", "nats/frame", decimals=3, better="neither",
    sentence="Cross-entropy of phones by their training shares: what there is to be told about a frame's phone.")
PHONE_ACCURACY = Metric("phone_accuracy", "1", decimals=3, better="higher",
    sentence="Share of frames whose phone the probe holds to be the likeliest.")
PHONE_ACCURACY_CHANCE = Metric("phone_accuracy_chance", "1", decimals=3, better="neither",
    sentence="Share of frames of the phone that is commonest in training.")
PHONE_DELAY_MS = Metric("phone_delay_ms", "ms", decimals=0, better="neither",
    sentence="Frames stand for the phone that is spoken so long before their centre; training speakers choose it.")
PHONES = Metric("phones", "phones", decimals=0, better="neither", sentence="Phones that the probe tells apart.")
PHONES_UNSEEN = Metric("phones_unseen", "frames", decimals=0, better="lower",
    sentence="Held-out frames of phones that no training frame is of; they are left out.")
SILENT_SHARE = Metric("silent_share", "1", decimals=3, better="neither",
    sentence="Share of held-out frames under which no phone is spoken.")
ABX_WITHIN = Metric("abx_within", "1", decimals=3, better="lower",
    sentence="ABX error within speakers: how often a phone is nearer to another phone than to the same; chance is 0.5.")
ABX_ACROSS = Metric("abx_across", "1", decimals=3, better="lower",
    sentence="ABX error across speakers: X is of another speaker than A and B; chance is 0.5.")
ABX_TOKENS = Metric("abx_tokens", "tokens", decimals=0, better="neither", sentence="Spoken phones that ABX compares.")

# -------------------------------------------------------------------------------------------------- of archetypes

TIGHTNESS = Metric("tightness", "1", decimals=3, better="higher",
    sentence="Mean cosine between the direction of a step and the nearest prototype, which training speakers decide.")
TIGHTNESS_TRAINING = Metric("tightness_training", "1", decimals=3, better="neither",
    sentence="The same of the training steps that prototypes are fitted to.")
TIGHTNESS_RANDOM = Metric("tightness_random", "1", decimals=3, better="neither",
    sentence="The same with as many training directions, drawn at random, as prototypes.")
SPEAKER_TRANSFER = Metric("speaker_transfer", "1", decimals=3, better="higher",
    sentence="Share of steps that prototypes of two disjoint halves of the training speakers, matched in pairs, label "
    "alike.")
SPEAKER_TRANSFER_CEILING = Metric("speaker_transfer_ceiling", "1", decimals=3, better="neither",
    sentence="The same of two halves of the training steps, whoever the speakers are.")
SPEAKER_TRANSFER_CHANCE = Metric("speaker_transfer_chance", "1", decimals=3, better="neither",
    sentence="The same if the labels of both halves had nothing to do with each other.")
R2_ENERGY_LABELS = Metric("r2_energy_labels", "1", decimals=3, better="higher",
    sentence="R² of the change of the audio's level (dB) by the mean change of each prototype.")
R2_ENERGY_LINEAR = Metric("r2_energy_linear", "1", decimals=3, better="neither",
    sentence="R² of the change of the audio's level by a linear map of the direction.")
R2_ENERGY_RANDOM = Metric("r2_energy_random", "1", decimals=3, better="neither",
    sentence="R² of the change of the audio's level by training directions, drawn at random, in place of prototypes.")
DIRECTION_DIMS = Metric("direction_dims", "dimensions", decimals=0, better="neither",
    sentence="Principal axes that directions are compared along.")
STEP_THRESHOLD = Metric("step_threshold", "latent", decimals=3, better="neither",
    sentence="Length of a step below which it is left out.")
R2_SOUND_LABELS = Metric("r2_sound_labels", "1", decimals=3, better="higher",
    sentence="R² of the change of a sound (level in dB, spectral flux in dB, pitch in semitones) with a step, by the "
    "mean change of each prototype of directions.")
R2_SOUND_RANDOM = Metric("r2_sound_random", "1", decimals=3, better="neither",
    sentence="The same by as many training directions, drawn at random, in place of prototypes.")
R2_SOUND_LINEAR = Metric("r2_sound_linear", "1", decimals=3, better="neither",
    sentence="The same by a linear map of the direction.")
R2_SOUND_LENGTH = Metric("r2_sound_length", "1", decimals=3, better="neither",
    sentence="The same by a linear map of the log length of the step alone, which no direction knows.")
SOUND_DELAY_MS = Metric("sound_delay_ms", "ms", decimals=0, better="neither",
    sentence="How long after the audio of its own hop a frame hears the sound; training speakers choose it.")

# ----------------------------------------------------------------------------------------------------- gathered

_FORECASTS = (
    DNLL, COSINE, MAGNITUDE_RATIO, STATE_ERROR, STATE_ERROR_NORMALISED, CORRECTION_COSINE, CORRECTION_RATIO, NONFINITE,
    SKILL, SKILL_NATS, RESET_DNLL, RESET_COSINE, DIVERGENCE_HORIZON, UTTERANCES, UTTERANCES_SKIPPED, SEGMENTS, SPEAKERS,
    DIM, FRAME_RATE_HZ, ENERGY_SCORE, ENERGY_SCORE_BASELINE, ENERGY_SCORE_STATE, ENERGY_SCORE_STATE_BASELINE,
)
_SCORES = (PESQ, STOI, MEL_DISTANCE, DNSMOS, SPEAKER_SIMILARITY, WORD_ERROR_RATE, WORD_CHANGE, UNSCORED)
MEASURED: dict[str, tuple[Metric, ...]] = {  # by kind of measurement: what its records hold, parts left out
    "lagged": (
        NLL, NLL_BASELINE, DNLL, DNLL_FULL, LEVEL_GAIN, DNLL_DIRECTION, DNLL_LENGTH, DNLL_FACTORED, DNLL_PER_DIM,
        BITS_PER_FRAME, KBIT_PER_S, COSINE, COSINE_WHITE_NOISE, R2_DELTA, R2_MEAN, R2_HEAD, *FACTS.values(),
        PATH_DIFFERENCE, NLL_FEWER_STEPS, ROLLOUT_GAP, ROLLOUT_GAP_LINEAR, ROLLOUT_OVERFLOW, ENERGY_SCORE,
        ENERGY_SCORE_BASELINE, SPECTRAL_RADIUS, UNBOUNDED, SPEAKERS, DIM, READOUT_VARIANCE, FRAME_RATE_HZ, STILL_FRAMES,
        KEPT_STEP, PARAMETERS, RATE_KBIT_PER_S,
    ),
    "transfer": (SPEAKERS_SEEN,),  # beside those of lagged
    "injection": _FORECASTS,
    "corrections": (*_FORECASTS, DENOISING_LOSS, DENOISING_LOSS_GAUSSIAN),
    "free_runs": (
        UNBOUNDED, ENERGY, STEP_LENGTH, AUTOCORRELATION_LATENTS, AUTOCORRELATION_DELTAS, FRECHET_LATENTS,
        FRECHET_DELTAS, CLASSIFIER_ACCURACY,
    ),
    "generation_cost": (FLOPS_PER_FRAME, GENERATION_MS),
    "decoder_tolerance": (*_SCORES, STATE_ERROR, STATE_ERROR_NORMALISED),
    "exp3b_synthetic": (*_SCORES, STATE_ERROR, STATE_ERROR_NORMALISED, COSINE, MAGNITUDE_RATIO),
    "perceptual_rollouts": (*_SCORES, STATE_ERROR, STATE_ERROR_NORMALISED),
    "free_listening": (DNSMOS, FRECHET_MEL, UNSCORED),
    "rate_quality": (
        *_SCORES, RATE_KBIT_PER_S, RATE_MEMORYLESS, RATE_SHUFFLED, RATE_SAVED, RATE_SAVED_SHUFFLED
    ),
    "robustness": (NOISE_RESPONSE, NOISE_RESPONSE_LOG_MEL, NONFINITE),
    "phones": (
        PHONE_INFORMATION, PHONE_BITS, PHONE_ENTROPY, PHONE_ACCURACY, PHONE_ACCURACY_CHANCE, PHONE_DELAY_MS, PHONES,
        PHONES_UNSEEN, SILENT_SHARE, ABX_WITHIN, ABX_ACROSS, ABX_TOKENS,
    ),
    "tokens": (TOKEN_BITS_PER_S, TOKEN_BITS_PER_S_ALONE, TOKEN_INFORMATION, FRAME_INFORMATION),
    "clusters": (
        VARIANCE_RATIO, VARIANCE_RATIO_HELD_OUT, EXPLAINED_VARIANCE, ENTROPY_REDUCTION, LABEL_ENTROPY, CLUSTERS_USED,
        MASS_EXCLUDED,
    ),
    "geometry": (
        PREDICTIVE_INFORMATION, PARTICIPATION_RATIO, EFFECTIVE_RANK, EXCESS_KURTOSIS, SPECTRAL_PREDICTABILITY, DIM,
        FRAME_RATE_HZ, SPEAKERS,
    ),
    "learned": (
        DECODED_SKILL, DECODED_NLL, STATE_INFORMATION, STATE_INFORMATION_WHOLE, RECONSTRUCTION, RATE_KBIT_PER_S,
        RATE_MEMORYLESS, RATE_SHUFFLED, RATE_SAVED, RATE_SAVED_SHUFFLED, DIM, FRAME_RATE_HZ, SPEAKERS, NONFINITE,
    ),
    "state_information": (
        STATE_INFORMATION_MDN, STATE_INFORMATION_MDN_WHOLE, STATE_INFORMATION_MDN_OVER_LINE,
    ),
    "factorizer": (
        INNOVATION_NATS, INNOVATION_KBIT_PER_S, INNOVATION_RATE, INNOVATION_EFFICIENCY, SWAP_RATIO, CLAMPED_SIGMAS,
        STATE_RANK, NEXT_FRAME_INFORMATION, WINDOW_INFORMATION, DYNAMICS_SKILL, FRAME_NLL, WINDOW_NLL, DYNAMICS_MSE,
        STATE_VARIANCE, PRIOR_OVER_POSTERIOR, ALARMS, *FACTORIZER_ALARMS.values(), KEPT_STEP,
    ),
    "archetypes": (
        TIGHTNESS, TIGHTNESS_TRAINING, TIGHTNESS_RANDOM, SPEAKER_TRANSFER, SPEAKER_TRANSFER_CEILING,
        SPEAKER_TRANSFER_CHANCE, R2_ENERGY_LABELS, R2_ENERGY_LINEAR, R2_ENERGY_RANDOM, DIRECTION_DIMS, STEP_THRESHOLD,
    ),
    "archetype_sounds": (R2_SOUND_LABELS, R2_SOUND_RANDOM, R2_SOUND_LINEAR, R2_SOUND_LENGTH, SOUND_DELAY_MS),
    "readouts": (SLOWNESS, CANONICAL_CORRELATION),
    "two_stage": (
        UNBOUNDED, ENERGY, STEP_LENGTH, AUTOCORRELATION_LATENTS, AUTOCORRELATION_DELTAS, FRECHET_LATENTS,
        FRECHET_DELTAS, CLASSIFIER_ACCURACY, ENERGY_SCORE_STATE, R2_LENGTHS,
    ),
    "state_generation": (
        UNBOUNDED, ENERGY, STEP_LENGTH, AUTOCORRELATION_LATENTS, AUTOCORRELATION_DELTAS, FRECHET_LATENTS,
        FRECHET_DELTAS, CLASSIFIER_ACCURACY, ENERGY_SCORE_STATE, INNOVATION_NATS, INNOVATION_KBIT_PER_S,
    ),
}
# follow from records, are in the certificate only (`latentdyn.measure`), or are only planned
_OF_TABLES = (
    CONTEXT_GAIN, CONTEXT_GAIN_PER_DIM, LEVEL_GAIN_OVER_SHUFFLED, MS_PER_STEP, SHRINKAGE, COSINE_CHANGE,
    STATE_ERROR_CHANGE, STATE_ERROR_OVER_NOISE, STATE_ERROR_OVER_GAUSSIAN, STATE_ERROR_OVER_SHRINK,
    STATE_ERROR_OVER_STAYING, COSINE_OVER_STAYING
)
# every measurement records them, where a store says them or, of the last, where there are such frames
OF_LATENTS = (LOOK_AHEAD_MS, GRID_VALUES, CODE_BITS_PER_S, FAR_OUT_FRAMES)
METRICS: dict[str, Metric] = {m.name: m for kind in (*MEASURED.values(), _OF_TABLES, OF_LATENTS) for m in kind}

# Columns of the Phase 1 table in their order, and whether its Markdown and LaTeX show them unless a config names
# others. Those that are metrics, or parts of metrics, need nothing but their line here and a record.
LAGGED_COLUMNS = {
    "representation": True, "predictor": True, "split": True, "slice": False, "k": True, "n": True, "speakers": True,
    "nll": False, "nll_baseline": False, "dnll": True, "dnll_ci_low": True, "dnll_ci_high": True, "dnll_median": False,
    "dnll_trimmed": False, "dnll_per_dim": False, "bits_per_frame": False, "kbit_per_s": False, "dnll_full": False,
    "dnll_full_ci_low": False, "dnll_full_ci_high": False, "dnll_direction": False, "dnll_length": False,
    "dnll_factored": False, "dnll_factored_ci_low": False, "dnll_factored_ci_high": False, "context_gain": True,
    "context_gain_ci_low": True, "context_gain_ci_high": True, "level_gain": True, "level_gain_ci_low": True,
    "level_gain_ci_high": True, "level_gain_over_shuffled": False, "level_gain_over_shuffled_ci_low": False,
    "level_gain_over_shuffled_ci_high": False, "cosine": True, "cosine_ci_low": False, "cosine_ci_high": False,
    "cosine_white_noise": True, "r2_delta": False, "r2_mean": False, "r2_head": True, "kappa": False,
    "kappa_at_clamp": False, "sigma_at_clamp": False, "mu_logm_at_clamp": False, "rollout_gap": False,
    "rollout_gap_median": False, "rollout_gap_linear": False, "rollout_gap_linear_median": False,
    "rollout_overflow": False, "energy_score": False, "energy_score_baseline": False,
    "spectral_radius": False, "unbounded": False, "nonfinite": False, "still_frames": False, "kept_step": False,
    "frame_rate_hz": False, "dim": False, "readout_variance": False, "rate_kbit_per_s": False,
    "rate_kbit_per_s_ci_low": False, "rate_kbit_per_s_ci_high": False, "ms_per_step": False, "seeds": False,
    "dnll_seed_sd": True,
    "published_dnll": True, "published_cosine": True, "published_r2": False, "published_rollout_gap": False,
    "published_dnll_factored": False, "published_readout_variance": False,
}
# fmt: on


PARTS = {
    "ci_low`, `ci_high": "the bounds of the 95 % interval over speakers",
    "median": "the median over frames",
    "trimmed": "the mean over frames without the lowest and the highest 5 %",
    "min`, `max": "the lowest and the highest frame",
    "q{share}": "a quantile over frames",
    "top{m}": "along the first m principal axes of the training deltas only",
    "c{i}": "of the i-th direction",
    "permuted": "the mean over permutations of the labels",
    "permuted_sd": "the standard deviation over permutations of the labels",
    "seed_sd": "the standard deviation between training seeds",
    "nonfinite": "how many frames have a value that is not finite",
}


def markdown() -> str:
    """The text of docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "Generated from `src/latentdyn/metrics.py`: `python -m latentdyn.metrics > docs/metrics.md`. Equations are in",
        "[models.md](models.md#metrics), files in [data.md](data.md#metrics).",
        "",
        "`{metric}_{part}` is another summary of the same quantity, in the same unit (`nonfinite`: frames).",
        "",
        "| part | what it is |",
        "|---|---|",
        *(f"| `{name}` | {said} |" for name, said in PARTS.items()),
    ]
    for kind, metrics in {**MEASURED, "tables only": _OF_TABLES, "every kind, of the latents": OF_LATENTS}.items():
        lines += ["", f"## {kind}", "", "| metric | unit | better | what it is |", "|---|---|---|---|"]
        lines += [f"| `{m.name}` | {m.unit} | {m.better} | {m.sentence} |" for m in metrics]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
