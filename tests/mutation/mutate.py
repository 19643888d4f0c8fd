"""Do the tests notice when the code is wrong? Small mistakes are made in it, one at a time, and the tests are run.

`make mutate`, or `python tests/mutation/mutate.py --mutants 30 --seed 1`. A seeded sample of mistakes (a comparison
flipped, + for -, a number one too large, a lost `not`) is tried in copies of the checkout; yours is not touched. Each
mistake meets the tests of its module first, then those of its whole package; nobody notices a survivor. A survivor is
no proof of a bad test: some mistakes change nothing that can be seen. The exit code is 1 if any mistake survives.
"""

import argparse
import ast
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).parents[2]
COPIED = ("src", "tests", "config", "pyproject.toml")
SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One mistake: the file, relative to the checkout, with all its text, and what was changed in which line."""

    file: Path
    line: int
    before: str
    after: str
    text: str


def mutants_of(file: Path, source: str) -> Iterator[Mutant]:
    """All mistakes that can be made in `source`, one at a time."""
    tree = ast.parse(source)
    for node in list(_changeable(tree)):
        before, saved = ast.unparse(node), dict(vars(node))
        for change in _changes(node):
            vars(node).update(change)
            yield Mutant(file, node.lineno, before, ast.unparse(node), ast.unparse(tree) + "\n")
            vars(node).update(saved)


def _changeable(node: ast.AST) -> Iterator[ast.expr]:
    """Expressions that decide what is computed: no annotation, docstring, decorator, or text of an error."""
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr):
        return
    if isinstance(node, ast.expr):
        yield node
    hidden = ("annotation", "returns", "decorator_list")
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if name not in hidden and isinstance(child, ast.AST):
                yield from _changeable(child)


def _changes(node: ast.expr) -> list[dict[str, object]]:
    """The attributes that make `node` wrong, by way of doing it."""
    match node:
        case ast.Compare(ops=[op]):
            return [{"ops": [SWAPPED[type(op)]()]}]
        case ast.BinOp(op=op) | ast.BoolOp(op=op) if type(op) in SWAPPED:
            return [{"op": SWAPPED[type(op)]()}]
        case ast.Constant(value=bool() as value):
            return [{"value": not value}]
        case ast.Constant(value=int() | float() as value):
            return [{"value": value + 1}]
        case ast.UnaryOp(op=ast.Not()):
            return [{"op": ast.Not(), "operand": ast.UnaryOp(ast.Not(), node.operand)}]
    return []


def concerned_tests(file: Path) -> list[Path]:
    """Of a module in src/latentdyn/: its own tests where there are some, then those of its package."""
    package = Path("tests/unit", *file.parts[2:-1])
    while not (ROOT / package).exists():
        package = package.parent
    own = package / f"test_{file.stem}.py"
    return [own, package] if (ROOT / own).exists() else [package]


def passes(checkout: Path, tests: Path, limit_s: float) -> bool:
    """Whether `tests` pass in this checkout, within the time limit."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", str(tests)]
    try:
        done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def time_limit(checkout: Path, package: Path, times: float) -> float:
    """Seconds that the tests of a package may take: `times` what they take without a mistake, and half a minute."""
    start = time.monotonic()
    if not passes(checkout, package, limit_s=3600):
        sys.exit(f"{package} fails without any mistake")
    return 30 + times * (time.monotonic() - start)


def survives(mutant: Mutant, checkouts: "queue.Queue[Path]", limits_s: dict[Path, float]) -> bool:
    """Whether no concerned test fails; one that does not end counts as failed."""
    checkout = checkouts.get()
    original = (ROOT / mutant.file).read_text()
    concerned = concerned_tests(mutant.file)
    try:
        (checkout / mutant.file).write_text(mutant.text)
        return all(passes(checkout, tests, limits_s[concerned[-1]]) for tests in concerned)
    finally:
        (checkout / mutant.file).write_text(original)
        checkouts.put(checkout)


def copy_checkout(folder: Path) -> Path:
    for name in COPIED:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", default=["diagnostics", "distributions"], help="of src/latentdyn")
    parser.add_argument("--mutants", type=int, default=30, help="how many are tried (default 30)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default 0)")
    parser.add_argument("--times", type=float, default=3, help="as long as without a mistake tests may run (default 3)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at a time (default: one a core)")
    arguments = parser.parse_args()
    files = [file for name in arguments.packages for file in sorted((ROOT / "src/latentdyn" / name).rglob("*.py"))]
    everything = [m for file in files for m in mutants_of(file.relative_to(ROOT), file.read_text())]
    tried = random.Random(arguments.seed).sample(everything, min(arguments.mutants, len(everything)))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        checkouts: queue.Queue[Path] = queue.Queue()
        for job in range(arguments.jobs):
            (Path(folder) / str(job)).mkdir()
            checkouts.put(copy_checkout(Path(folder) / str(job)))
        packages = sorted({concerned_tests(mutant.file)[-1] for mutant in tried})
        limits_s = {package: time_limit(Path(folder) / "0", package, arguments.times) for package in packages}
        survivors = 0
        verdicts = pool.map(lambda mutant: survives(mutant, checkouts, limits_s), tried)
        for mutant, alive in zip(tried, tqdm(verdicts, total=len(tried)), strict=True):
            if alive:
                survivors += 1
                tqdm.write(f"{mutant.file}:{mutant.line}\t{mutant.before}  ->  {mutant.after}")
                sys.stdout.flush()
    print(f"{len(tried)} of {len(everything)} mistakes tried, {survivors} survive")
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
