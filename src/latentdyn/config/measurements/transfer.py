"""What a predictor that was fitted to another corpus scores on this one. Its settings are those of `evaluation`."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from latentdyn.config.measurements.base import Measurement, MeasurementKind, Model, check_fit, predictor_model
from latentdyn.config.measurements.lagged import Evaluation
from latentdyn.config.shapes import Known

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class Transfer(MeasurementKind):
    """The lagged diagnostic of a predictor that was fitted to another corpus; `variant` names that corpus."""

    measurement = "transfer"
    metrics = "fitted_on_{variant}_metrics.json"
    sums = "fitted_on_{variant}_speakers.parquet"
    variant = "fitted_on"
    minutes = Evaluation.minutes

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        """Check that the other corpus can be fitted to, and that this one can be measured and has the same latents."""
        assert variant is not None
        predictor, corpus = config.all_predictors[by], config.corpora[variant]
        shape = config.all_representations[known.representation].shape(config, corpus)
        for name in ("rate_hz", "dim"):
            here, there = getattr(known.shape, name), getattr(shape, name)
            if None not in (here, there) and here != there:
                unit = {"rate_hz": "frames a second", "dim": "dimensions"}[name]
                raise ValueError(
                    f"{where}.fitted_on: '{known.representation}' of corpus '{variant}' has {there:g} {unit}, and of "
                    f"'{known.corpus_name}' {here:g}"
                )
        check_fit(where, config, Known(variant, corpus, known.representation, shape), by)
        needed = predictor.window_frames + predictor.horizons[-1]
        known.check_frames(where, needed, f"predictor '{by}' (window_frames, horizons)")

    @classmethod
    def form(cls) -> type[BaseModel]:
        return Evaluation.form()

    def settings(self, config: "Root", by: str, variant: str | None) -> dict[str, Any]:
        return config.section(Evaluation).settings(config, by, None)

    def models(self, config: "Root", by: str, variant: str | None) -> dict[str, Model]:
        return {"predictor": replace(predictor_model(config, by), fitted_on=variant)}

    def of(
        self, config: "Root", corpus: str, representation: str, by: str, seed: int, variant: str | None = None
    ) -> Measurement:
        assert variant is not None
        return replace(super().of(config, corpus, representation, by, seed, variant), fitted_on=variant)
