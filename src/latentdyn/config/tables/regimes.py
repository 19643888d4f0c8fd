"""The table of training regimes."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from latentdyn.config.tables.injection import ForecastTable
from latentdyn.config.values import Name

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class RegimesTable(ForecastTable):
    """Training regimes beside teacher forcing for as many steps (seed 003 §1.2, seed 004 §2)."""

    adds_to_plan = frozenset({"steps"})

    kind: Literal["regimes"]
    against: Name = Field(description="the control: the predictor among them that trained on by teacher forcing")

    @field_validator("against")
    @classmethod
    def _one_of_several(cls, against: str, earlier: ValidationInfo) -> str:
        predictors = earlier.data.get("predictors", [against, ""])  # where they are wrong themselves, that is told
        if against not in predictors:
            raise ValueError(f"'{against}' is not among predictors")
        if len(predictors) == 1:
            raise ValueError(f"'{against}' is the only predictor: there is nothing to compare with it")
        return against

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        if (regime := config.predictors[self.against].regime) != "teacher_forced":
            raise ValueError(f"{where}.against: '{self.against}' is trained by {regime}, a control by teacher_forced")
        control = config.predictors[self.against]
        for name in self.predictors:
            arm = config.predictors[name]
            if arm.regime == "teacher_forced" or arm.start == control.start:
                continue
            starts = [f"from '{p.start}'" if p.start else "from nothing" for p in (arm, control)]
            raise ValueError(
                f"{where}.predictors: '{name}' starts {starts[0]} and the control '{self.against}' {starts[1]}, so "
                "that their difference would not be due to the regime; give both the same starts_from"
            )

    def plan(self, config: "Root", corpus: str) -> dict[str, Any]:
        steps = {name: config.predictors[name].training_steps for name in self.predictors}
        return {**super().plan(config, corpus), "steps": {name: n for name, n in steps.items() if n is not None}}
