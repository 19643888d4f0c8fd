"""Forecasts whose states a score model corrects (seed 003 §6.2). Their settings are those of an entry of `corrections`
and of the section `injection`."""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, create_model

from latentdyn.config.corrections import Correction
from latentdyn.config.measurements.base import MeasurementKind, Model
from latentdyn.config.measurements.injection import Injection
from latentdyn.config.shapes import Known
from latentdyn.config.values import Strict

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class CorrectedForecasts(MeasurementKind):
    """Forecasts with every variant of a correction; `variant` names the correction."""

    measurement = "corrections"
    metrics = "corrected_{variant}.json"
    sums = "corrected_{variant}_speakers.parquet"
    variant = "correction"
    roles: ClassVar = {**Injection.roles, "score": "score"}
    minutes = (60, 100)

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        config.section(Injection).check(where, config, known, by, None)
        assert variant is not None
        if config.corrections[variant].training.select == "best_validation":
            setting = f"corrections.{variant}.training.select"
            known.check_split(setting, "validation", "speakers of the split validation choose it")

    @classmethod
    def form(cls) -> type[BaseModel]:
        parts: dict[str, Any] = {"injection": (Injection.form(), ...), "sampling": (Correction.of_sampling(), ...)}
        return create_model("CorrectionsSettings", __base__=Strict, **parts)

    def settings(self, config: "Root", by: str, variant: str | None) -> dict[str, Any]:
        assert variant is not None
        return {
            "injection": config.section(Injection).settings(config, by, None),
            "sampling": config.corrections[variant].sampling(),
        }

    def models(self, config: "Root", by: str, variant: str | None) -> dict[str, Model]:
        assert variant is not None
        score = Model(variant, "score", "latentdyn.models.score.network", config.corrections[variant].score_model())
        return {**config.section(Injection).models(config, by, None), "score": score}
