"""The outlier audit."""

from typing import Literal

from latentdyn.config.tables.base import PredictorTable


class OutlierAuditTable(PredictorTable):
    """What a few frames do to a mean: quantiles, trimmed means, the worst frames."""

    kind: Literal["outlier_audit"]
