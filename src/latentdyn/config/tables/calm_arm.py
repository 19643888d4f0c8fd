"""The table of CALM's parts: heads that draw and long memories, by what they cost, give, and need to stay bounded."""

from typing import TYPE_CHECKING, Any, Literal

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.free_runs import FreeRuns
from latentdyn.config.measurements.generation_cost import GenerationCost
from latentdyn.config.regimes import NoisyContext, RegimeKind
from latentdyn.config.tables.parametrisation import ArmsTable

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class CalmArmTable(ArmsTable):
    """Predictors by what a generated frame costs, how good it is, and which tricks keep free runs bounded."""

    kind: Literal["calm_arm"]

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        return super().measurements(config, corpus) + self.by_rows(config, GenerationCost, corpus, self.predictors)

    def arm(self, config: "Root", name: str) -> dict[str, Any]:
        return super().arm(config, name) | {
            "reads": str(getattr(config.predictors[name], "reads", "window")),
            "nfe": getattr(config.predictors[name], "nfe", None),
            **_tricks(_regimes(config, name)),
            "temperature": config.section(FreeRuns).temperature,
        }


def _regimes(config: "Root", name: str) -> list[RegimeKind]:
    """Of a predictor's training, and of the trainings that its weights come from; none of a closed form."""
    found = []
    start: str | None = name
    while start is not None:
        predictor = config.predictors[start]
        if training := getattr(predictor, "training", None):
            found.append(training.regime)
        start = predictor.start
    return found


def _tricks(regimes: list[RegimeKind]) -> dict[str, Any]:
    """What training did so that free runs hold (seed 002 §9), by column."""
    noisy = [regime for regime in regimes if isinstance(regime, NoisyContext)]
    return {
        "context_noise": max((regime.max_noise for regime in noisy), default=0.0),
        "clean_frames": max((regime.clean_frames for regime in noisy), default=0),
        "rollout_training": "yes" if any(regime.of_past == "runs" for regime in regimes) else "no",
    }
