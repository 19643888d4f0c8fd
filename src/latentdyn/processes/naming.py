"""Which kinds of process there are and where each lives. Light on purpose: the Snakefile asks at parse time."""

KINDS = ("jumps", "prototypes", "scale_mixture", "switching", "var", "vmf_steps")


def process_module(kind: str) -> str:
    """The module that holds a kind of process, in its `PROCESS`: what a rule adds to its code digest."""
    return f"latentdyn.processes.{kind}"
