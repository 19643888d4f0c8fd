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
    jobs_per_gpu: int = Field(
        1,
        ge=1,
        le=1000,
        description="jobs that work on one GPU of a machine at a time; a further one waits. Slurm gives GPUs itself: "
        "there this says nothing. Changing it re-runs nothing",
    )
    float32_matmul: Literal["highest", "high", "medium"] = Field(
        "highest",
        description="matrix products on a GPU: in float32, or, where that is faster, in TF32 (`high`) or bfloat16 "
        "(`medium`). Run records say what was used",
    )
