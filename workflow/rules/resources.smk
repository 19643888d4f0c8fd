# What jobs ask for, from the size of their work: frames x dimensions of the latents they read, which the handle (the input
# `latents`, or a job's first) tells. While that is still to be made, a dry run shows <TBD>. docs/cluster.md holds measured peaks beside
# this. Every attempt asks for once more of it; a job that ran out of time continues what it had begun.
import errno
import json


def told_by(file, *names, made_by):
    """Numbers that a handle tells.

    Raises:
        FileNotFoundError: it is still to be made, which Snakemake shows as <TBD>.
    """
    try:
        handle = json.loads(Path(file).read_text())
        numbers = [handle[name] for name in names]
        round(sum(numbers))  # finite numbers they are
        return numbers
    except (ValueError, TypeError, KeyError, OverflowError):
        raise WorkflowError(
            f"this file is damaged: it does not tell {' and '.join(names)}. Where: {file}. What to do: delete it and run "
            f"the same command again; rule {made_by} makes it"
        ) from None


def latents_mb(input):
    """Size in memory, float32, of the latents that a job loads: those it is of, and those that a model was fitted to."""
    made_by = "merge_latents, import_latents, derive_latents or simulate_process"
    chain = list(input.get("chain", []))
    others = [file for file in input if Path(file).name == "latents.json" and file not in chain]
    handles = {input.get("latents", input[0]), *others}
    shapes = [told_by(file, "n_rows", "dim", made_by=made_by) for file in handles]
    return sum(4e-6 * n_rows * dim for n_rows, dim in shapes)


def memory(base_mb, copies):
    """Libraries, networks and Snakemake's own processes, and so many copies of the latents."""
    return lambda wildcards, input, attempt: round(attempt * (base_mb + copies * latents_mb(input)))


def minutes(base, mb_per_minute):
    """A part that the latents' size does not change, and a passage through them at this speed."""
    return lambda wildcards, input, attempt: round(attempt * (base + latents_mb(input) / mb_per_minute))


def encoding_minutes(wildcards, input, attempt):
    """Audio at 5 times real time, less than half of what Mimi does on one CPU."""
    Path(input.part).stat()  # a part that is still to be made
    try:
        (hours,) = told_by(f"results/{wildcards.corpus}/manifest.json", "hours", made_by="build_manifest")
    except FileNotFoundError:  # the manifest is to be made again, and with it the part
        raise FileNotFoundError(errno.ENOENT, "the part is made again", str(input.part)) from None
    return round(attempt * (30 + 60 * hours / int(wildcards.n_parts) / 5))
