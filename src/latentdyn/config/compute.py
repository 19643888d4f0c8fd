"""`compute`: where rules that ask for a GPU run, and in which arithmetic."""

from typing import Literal

from pydantic import Field

from latentdyn.config.values import Strict


class Compute(Strict):
    """Where rules that ask for a GPU run, and in which arithmetic."""

    require_gpu: bool = Field(
        False,
        description="a rule that asks for a GPU fails without one, instead of taking the CPU. Changing it re-runs "
        "nothing",
    )
    float32_matmul: Literal["highest", "high", "medium"] = Field(
        "highest",
        description="matrix products on a GPU: float32; TF32 (`high`) or bfloat16 (`medium`) where it is faster. Run"
        " records say what was used",
    )
