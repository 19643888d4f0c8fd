"""Where the work runs."""

import torch


def pick_device() -> torch.device:
    """The GPU that the scheduler gave this job, if any; Snakemake's local executor counts GPUs but assigns none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
