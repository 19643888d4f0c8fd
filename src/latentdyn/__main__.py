"""The command `latentdyn`: what the package does without a workflow, and what it tells of a run of the workflow."""

import argparse
import json
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentdyn import __version__
from latentdyn.errors import UserError
from latentdyn.steps.cli import run_reported

if TYPE_CHECKING:
    import pandas as pd


def main() -> None:
    """Run the command that the command line names."""
    arguments = command_line().parse_args()
    run_reported(arguments.run, arguments)


def command_line() -> argparse.ArgumentParser:
    """What can be typed."""
    parser = argparse.ArgumentParser(prog="latentdyn", description="How predictable are latents?")
    parser.add_argument("--version", action="version", version=f"latentdyn {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    _add_measure(commands)
    _add_runs(commands)
    _add_why(commands)
    return parser


def _add_runs(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "runs",
        help="show the jobs that ran in this folder, the latest last",
        description="Show the jobs that Snakemake ran in this folder (results/manifest.jsonl), the latest last.",
    )
    parser.add_argument("--failed", action="store_true", help="only those that did not end well")
    parser.add_argument("--rule", help="only jobs of this rule")
    parser.add_argument("--corpus", help="only jobs of this corpus")
    parser.add_argument("--last", type=_count, default=20, help="at most so many (default 20)")
    parser.add_argument("--json", action="store_true", help="all that is known of each, a line of JSON each")
    parser.set_defaults(run=_runs)


def _count(text: str) -> int:  # here, since help must come without what steps.settings imports
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number, 1 or more")
    return int(text)


def _runs(arguments: argparse.Namespace) -> None:
    from latentdyn.provenance.jobs import runs

    jobs = [
        job for job in runs()
        if (not arguments.failed or job["status"] not in ("done", "running"))
        and arguments.rule in (None, job["rule"])
        and arguments.corpus in (None, job.get("wildcards", {}).get("corpus"))
    ]  # fmt: skip
    for job in jobs[-arguments.last :]:
        print(json.dumps(job, ensure_ascii=False, sort_keys=True) if arguments.json else _line(job))
    if not jobs:
        print("No such job has run in this folder." if runs() else "No job has run in this folder yet.")


def _line(job: dict[str, Any]) -> str:
    """A job for a screen."""
    names = job.get("wildcards", {})
    first = [name for name in ("corpus", "representation", "predictor", "table") if name in names]
    others = [f"{name}={names[name]}" for name in sorted(names) if name not in first]
    of = " ".join([*(str(names[name]) for name in first), *others])
    took = f"{job['seconds']:.1f} s on {job['device']}" if "seconds" in job else f"on {job['host']}"
    told = f"\n    {job['error']}" if "error" in job else ""
    return f"{job['started']}  {job['status']:11}  {job['rule']}  {of}  {took}{told}"


def _add_why(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "why",
        help="say why a file of results would be made again",
        description="Say why Snakemake would make a file again: which setting, code or file has changed; or that it "
        "would not. Nothing is run.",
    )
    parser.add_argument("target", help="a file such as results/demo/tables/phones.csv, or a rule such as all")
    parser.add_argument("--configfile", nargs="+", default=[], help="as of the run (default: those of the last run)")
    parser.set_defaults(run=_why)


def _why(arguments: argparse.Namespace) -> None:
    from latentdyn.provenance.why import explain

    for line in explain(arguments.target, arguments.configfile):
        print(line)


def _add_measure(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "measure",
        help="measure latents in files by closed forms, beside controls, in seconds",
        description="Measure how predictable latents are, by predictors in closed form, beside the same frames in "
        "random order and white noise. Prints a table of the held-out speakers, in nats a frame, and a verdict.",
    )
    parser.add_argument(
        "index", type=Path,
        help="CSV with the columns utterance_id, speaker_id and path: of a .npy of shape (frames, dims), relative to "
        "the CSV",
    )  # fmt: skip
    parser.add_argument("--frame-rate-hz", type=float, required=True, help="frames a second")
    parser.add_argument("--window-frames", type=int, default=8, help="W: frames of context (default 8)")
    parser.add_argument(
        "--horizons", type=int, nargs="+", default=[1, 2, 4, 8],
        help="k: how many frames old the newest known frame is (default 1 2 4 8)",
    )  # fmt: skip
    parser.add_argument("--csv", type=Path, help=".csv to write, with all columns, intervals and digits")
    parser.set_defaults(run=_measure)


def _measure(arguments: argparse.Namespace) -> None:
    from latentdyn.certificate.measure import measure_index
    from latentdyn.files import write_text

    written = arguments.csv and _new_table(arguments.csv, arguments.index)
    table = measure_index(
        arguments.index,
        arguments.frame_rate_hz,
        window_frames=arguments.window_frames,
        horizons=arguments.horizons,
    )
    if written:
        write_text(written, table.to_csv(index=False))
    print(_shown(table))
    print()
    print(table.attrs["verdict"])


def _new_table(path: Path, index: Path) -> Path:
    """Where a table may be written, links followed: what a user has made is not replaced.

    Raises:
        UserError: the index lies there, or something that is no table.
    """
    target = path.resolve()
    if target == index.resolve():
        problem = "the table would replace the index that it is measured from"
    elif target.exists() and not target.is_file():
        problem = "what lies there is no file"
    elif path.suffix.lower() != ".csv":
        problem = "the name of the table does not end in .csv"
    else:
        return target
    raise UserError(f"{problem}; nothing was measured or written", f"--csv {path}", "give the table another name")


def _shown(table: "pd.DataFrame") -> str:
    """The table for a screen, at most 100 characters wide."""
    names = table["representation"].str.removeprefix("latents__").replace("latents", "as given")
    text = table[["predictor", "k"]].copy()
    text.insert(0, "latents", names)
    text["ΔNLL"] = table["dnll"].map(_number)
    for name, shown in (("context_gain", "context gain"), ("predictive_information", "information")):
        bounds = zip(*(table[f"{name}{part}"] for part in ("", "_ci_low", "_ci_high")), strict=True)
        text[shown] = [_interval(*three) for three in bounds]
    for name in ("cosine", "r2_delta"):
        text[name] = table[name].map("{:z.3f}".format)
    n, speakers = table["n"].iloc[0], table["speakers"].iloc[0]
    return (
        f"{text.to_string(index=False)}\n\nOf {n} frames of {speakers} held-out speakers. ΔNLL, context gain (negative "
        "is good) and information\nare in nats a frame, with 95 % intervals over speakers. Information is about the "
        "frame: a level that\nonly persists has it too. Context gain is about the step: at k = 1, white noise has it "
        "too, with a\nlarge ΔNLL and cosine, since its steps lead back to the mean. Only both together say much."
    )


def _interval(value: float, low: float, high: float) -> str:
    if isnan(value):
        return ""
    return _number(value) if isnan(low) else f"{_number(value)} [{_number(low)}, {_number(high)}]"


def _number(value: float) -> str:
    """At most six characters and a sign, so that a row stays short."""
    size = abs(value)
    form = "z.2f" if size < 99.995 else ".1f" if size < 1000 else ".0f" if size < 1e5 else ".0e"
    return format(value, form)


if __name__ == "__main__":
    main()
