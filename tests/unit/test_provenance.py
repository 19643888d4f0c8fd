"""The digest of a step's code: what it follows, and what it rightly ignores; records of a run."""

import ast
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

import latentdyn
from latentdyn.families import MEASUREMENTS, METRICS, MODELS, PREDICTORS
from latentdyn.provenance import code_definitions, code_digest, source_commit, write_run_record
from latentdyn.provenance.code import Code

# A made-up package of this name. `step.py` differs from test to test.
PACKAGE = {
    "__init__.py": '__version__ = "1"\n',
    "step.py": "",
    "errors.py": "class UserError(Exception):\n    def __init__(self, what, where, fix): ...\n",
    "progress.py": "_EVERY_S = 30\ndef progress(iterable=None, **options):\n    return iterable, _EVERY_S\n",
    "metrics.py": "class Metric: ...\n",
    "provenance.py": "def write_run_record(path, **facts): ...\n",
    "other.py": (
        "A = 1\nB = 2\n\n\ndef f(x=0):\n    return A + x\n\n\ndef g():\n    return B\n\n\n"
        "class C:\n    def m(self):\n        return f()\n"
    ),
    "passed_on.py": "from latentdyn.other import f as h\nfrom latentdyn.other import g\ndef own():\n    return g()\n",
    "registry.py": "ALL = []\n\n\ndef register(x):\n    ALL.append(x)\n    return x\n\n\ndef pure(x):\n    return x\n",
    "inner/__init__.py": "from latentdyn.registry import ALL, pure\n\nALL.append(0)\n",
    "inner/leaf.py": "LEAF = 1\n",
}

Make = Callable[..., Code]


@pytest.fixture
def package(tmp_path: Path) -> Make:
    """The made-up package, after edits {file: new content}, in a folder of its own: files are read once."""
    folders: list[Path] = []

    def make(edits: dict[str, str]) -> Code:
        folders.append(tmp_path / str(len(folders)))
        for name, content in (PACKAGE | edits).items():
            (folders[-1] / name).parent.mkdir(parents=True, exist_ok=True)
            (folders[-1] / name).write_text(content)
        return Code(folders[-1])

    return make


def reached(code: Code, entry: str = "latentdyn.step", presentation: bool = False) -> set[str]:
    """What counts beyond the step itself."""
    labels = {label.removeprefix("latentdyn.") for label, _ in code.definitions([entry], presentation)}
    return {label for label in labels if not label.startswith("step:")}


def digest(code: Code, presentation: bool = False) -> str:
    return code.digest(["latentdyn.step"], presentation)


# ------------------------------------------------------------------------------------------ what a step reaches

F, G, C = {"other:f", "other:A"}, {"other:g", "other:B"}, {"other:C", "other:f", "other:A"}
IMPORT_F = "from latentdyn.other import f\n"
ALL_OF_OTHER = F | G | C


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (IMPORT_F + "def step():\n    return f()\n", F),
        (IMPORT_F + "def step():\n    return len([f for _ in range(3)])\n", F),
        (IMPORT_F + "def step(n=f):\n    return n\n", F),
        (IMPORT_F + "STEPS = {'f': f}\n", F),
        ("from latentdyn.other import C\nclass D(C):\n    pass\n", C),
        ("from dataclasses import dataclass\nfrom latentdyn.other import C\n@dataclass\nclass D:\n    c: C\n", C),
        ("from latentdyn.other import f as q\ndef step():\n    return q\n", F),
        ("from .other import f\ndef step():\n    return f()\n", F),
        ("from latentdyn import other\ndef step():\n    return other.g()\n", G),
        ("import latentdyn.other\ndef step():\n    return latentdyn.other.g().real\n", G),
        ("import latentdyn.other as o\ndef step():\n    o.B = 3\n", {"other:B"}),
        ("def step():\n    from latentdyn.other import g\n    return g()\n", G),
        ("def step():\n    import latentdyn.other as o\n    def inner():\n        return o.g\n    return inner\n", G),
        ("try:\n    from latentdyn.other import f\nexcept ImportError:\n    f = None\ndef step():\n    return f\n", F),
        ("from latentdyn.passed_on import h\ndef step():\n    return h()\n", F),
        ("from latentdyn import passed_on\ndef step():\n    return passed_on.h()\n", F),
        ("x = 1\nclass D:\n    f = 0\n    def m(self):\n        return f()\n" + IMPORT_F, F),
        ("from latentdyn.other import g\ndef step():\n    g = f = 1\n    def inner(x=g):\n        return f\n", set()),
    ],
)
def test_what_names_refer_to_counts(package: Make, step: str, expected: set[str]):
    assert reached(package({"step.py": step})) == expected


@pytest.mark.parametrize(
    "step",
    [
        "from latentdyn import other\ndef step(name):\n    return getattr(other, name)\n",
        "from latentdyn import other\nMODULES = [other]\n",
        "from latentdyn import other\ndef step():\n    return other.made_by_magic\n",
        "from latentdyn.other import *\n",
        "import importlib\ndef step():\n    return importlib.import_module('latentdyn.other')\n",
    ],
)
def test_all_of_a_module_counts_where_any_of_it_may_be_used(package: Make, step: str):
    assert reached(package({"step.py": step})) == ALL_OF_OTHER


@pytest.mark.parametrize("call", ["globals()", "vars()", "eval('A')"])
def test_all_of_a_module_counts_that_looks_up_its_own_names(package: Make, call: str):
    edits = {"step.py": IMPORT_F, "other.py": PACKAGE["other.py"].replace("return A + x", f"return {call}")}
    assert reached(package(edits | {"step.py": IMPORT_F + "STEP = f\n"})) == ALL_OF_OTHER


@pytest.mark.parametrize(
    "step",
    [
        IMPORT_F + "def step(f):\n    return f\n",
        IMPORT_F + "def step(x):\n    f = x\n    return [f for f in f]\n",
        IMPORT_F + "step = lambda f: f\n",
        IMPORT_F + "class D:\n    f: int = 0\n",
        IMPORT_F + "step = [f for f in 'ab']\n",
        "import latentdyn.other\ndef step():\n    return latentdyn.__version__\n",
        "import latentdyn.other\nfrom latentdyn.other import C\ndef step(c: C) -> C:\n    d: C = c\n    return d\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from latentdyn.other import C\nx: 'C' = 1\n",
        "import typing\nif typing.TYPE_CHECKING:\n    import latentdyn.inner\n",
        "def step(model):\n    return model.f().eval()\n",
    ],
)
def test_what_is_not_used_does_not_count(package: Make, step: str):
    assert reached(package({"step.py": step})) == set()


def test_an_annotation_counts_where_a_decorator_may_read_it(package: Make):
    step = "import magic\nfrom latentdyn.other import C\n{}def step(c: C):\n    return c\n"
    assert reached(package({"step.py": step.format("@magic.checked\n")})) == C
    assert reached(package({"step.py": step.format("@magic.no_grad()\n")})) == set()


def test_an_entry_may_be_one_definition(package: Make):
    code = package({})
    assert reached(code, "latentdyn.other:f") == F
    assert reached(code, "latentdyn.passed_on:h") == F
    assert code.digest(["latentdyn.other:f"], False) != code.digest(["latentdyn.other:g"], False)


def test_a_module_as_an_entry_is_all_that_it_defines_and_passes_on(package: Make):
    assert reached(package({}), "latentdyn.other") == ALL_OF_OTHER
    assert reached(package({}), "latentdyn.passed_on") == {"passed_on:own"} | F | G


def test_a_circle_of_imports_ends(package: Make):
    edits = {"step.py": "from latentdyn.back import x\ny = x\n", "back.py": "from latentdyn.step import y\nx = [y]\n"}
    assert reached(package(edits)) == {"back:x"}


def test_names_that_are_bound_twice_count_each_time(package: Make):
    other = PACKAGE["other.py"] + "if A:\n    def f(x):\n        return 2\nA = 3\n"
    step = IMPORT_F + "STEP = f\n"
    assert reached(package({"step.py": step, "other.py": other})) == {*F, "other: if A:"}
    assert digest(package({"step.py": step, "other.py": other})) != digest(
        package({"step.py": step, "other.py": other.replace("A = 3", "A = 4")})
    )


# --------------------------------------------------------------------------------- what an import does besides


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [
        ("from latentdyn.registry import register\n@register\ndef a(): ...\n",
         {"plugin:a", "registry:register", "registry:ALL"}),
        ("from latentdyn.registry import register\na = register(1)\n",
         {"plugin:a", "registry:register", "registry:ALL"}),
        ("from latentdyn.registry import register\nclass A:\n    a = register(1)\n",
         {"plugin:A", "registry:register", "registry:ALL"}),
        ("from latentdyn.registry import ALL\nALL[0] = 1\n", {"plugin: ALL[0] = 1", "registry:ALL"}),
        ("from latentdyn.registry import ALL\nALL += [1]\n", {"plugin: ALL += [1]", "registry:ALL"}),
        ("from latentdyn import registry\nregistry.ALL = 1\n", {"plugin: registry.ALL = 1", "registry:ALL"}),
        ("import magic\nmagic.on()\n", {"plugin: magic.on()"}),
        ("import magic\n_ = magic.on()\n", {"plugin:_"}),
        ("for i in range(3):\n    print(i)\n", {"plugin: for i in range(3):"}),
        ("class Base:\n    def __init_subclass__(cls): ...\nclass A(Base): ...\n", {"plugin:A", "plugin:Base"}),
        ("class Meta(type): ...\nclass A(metaclass=Meta): ...\n", {"plugin:A", "plugin:Meta"}),
        ("import latentdyn.inner.leaf\n", {"inner: ALL.append(0)", "registry:ALL"}),  # a parent's __init__ runs too
    ],
)  # fmt: skip
def test_what_a_module_does_when_it_is_imported_counts(package: Make, plugin: str, expected: set[str]):
    step = "import latentdyn.plugin\n"
    assert reached(package({"step.py": step, "plugin.py": plugin})) == expected


@pytest.mark.parametrize(
    "plugin",
    [
        "from latentdyn.registry import pure\na = pure(1)\nb = {}\nb2 = dict(b)\n",
        "import functools\n@functools.cache\ndef a(): ...\n",
        "class Base: ...\nclass A(Base): ...\n",
        "import logging\nlog = logging.getLogger(__name__)\nlog.info('imported')\n",
        "def main(): ...\nif __name__ == '__main__':\n    main()\n",
        '"""Words."""\n',
    ],
)
def test_an_import_that_only_binds_names_counts_for_nothing(package: Make, plugin: str):
    assert reached(package({"step.py": "import latentdyn.plugin\n", "plugin.py": plugin})) == set()


# ------------------------------------------------------------------------------- what an edit can or can't change

IMPORTS = (
    "import argparse\nimport logging\nimport warnings\nfrom tqdm import tqdm\n"
    "from latentdyn.errors import UserError\nfrom latentdyn.metrics import Metric\nfrom latentdyn.other import f, g\n"
    "from latentdyn.progress import progress\nfrom latentdyn.provenance import write_run_record\n"
    "log = logging.getLogger(__name__)\n"
)
HEAD = IMPORTS + "USED = (argparse, warnings, tqdm, UserError, Metric, f, g, progress, write_run_record)\n"
CANNOT = {
    "a comment, a docstring, layout": (
        "def step(x):\n    return [x,\n 1]\n",
        '"""Words."""\n\n\ndef step(x):\n    """More of them."""\n    # and more\n    return [x, 1]\n',
    ),
    "a docstring of a class": ("class A:\n    b = 1\n", 'class A:\n    """A."""\n\n    b = 1\n    """Of A."""\n'),
    "a class of words alone": ("class A(Exception): ...\n", 'class A(Exception):\n    """A."""\n'),
    "annotations": ("def step(x, *a):\n    y = x\n", "def step(x: int, *a: str) -> int:\n    y: float = x\n"),
    "functions in another order": ("def a(): ...\ndef b(): ...\n", "def b(): ...\ndef a(): ...\n"),
    "the text of an error": (
        "def step(x):\n    raise UserError(f'a {x}', x, fix='b')\n", "def step(x):\n    raise UserError('c', g(), x)\n"
    ),
    "the text of an error made elsewhere": (
        "def step(x):\n    return UserError('a', x, 'b')\n", "def step(x):\n    return UserError(f(x), x, 'b')\n"
    ),
    "the text of another error": (
        "def step(x):\n    raise ValueError('a')\n", "def step(x):\n    raise ValueError('b' + f'{g()}' % f(x))\n"
    ),
    "the text of an assertion": ("def step(x):\n    assert x\n", "def step(x):\n    assert x, f(x)\n"),
    "a variable that holds a text of an error": (
        "def step(x):\n    fix = 'a'\n    if x:\n        raise UserError('a', x, fix)\n",
        "def step(x):\n    fix = ', '.join(x.names)\n    where = f'{fix}' if x else 'c'\n"
        "    if x:\n        raise UserError('a', where, fix)\n",
    ),
    "a variable that holds the text of another error": (
        "def step(x):\n    raise ValueError()\n",
        "def step(x):\n    what = 'a'\n    what += f'{x}'\n    raise ValueError(what)\n",
    ),
    "a line of the log": (
        "def step(x):\n    return x\n",
        "def step(x):\n    log.info('%d %s', len(x), x.name)\n    if len(x) > 1:\n        log.warning('b')\n"
        "    warnings.warn('c')\n    logging.debug('d')\n    return x\n",
    ),
    "a line of the log in a handler": (
        "def step(x):\n    try:\n        f(x)\n    except OSError:\n        pass\n",
        "def step(x):\n    try:\n        f(x)\n    except OSError:\n        log.info('a')\n",
    ),
    "a run record": (
        "def step(x):\n    return x\n",
        "def step(x):\n    write_run_record(x.with_suffix('.json'), device=describe_device(x))\n    return x\n",
    ),
    "how a bar looks": (
        "def step(x):\n    return progress(x, desc='a', unit='b'), tqdm(total=3)\n",
        "def step(x):\n    return progress(x, leave=False), tqdm(desc=str(x), total=3, mininterval=2)\n",
    ),
    "help": (
        "def add(parser):\n    parser.add_argument('--a', type=int, help='a')\nP = argparse.ArgumentParser()\n",
        "def add(parser):\n    parser.add_argument('--a', type=int, help='b', metavar='C')\n"
        "P = argparse.ArgumentParser(description='c')\n",
    ),
    "how a metric is shown": (
        "M = Metric('m', unit='u', decimals=1, better='lower', sentence='a')\n",
        "M = Metric('m', unit='u', decimals=2)\n",
    ),
}  # fmt: skip
CAN = {
    "a constant": ("X = 1\n", "X = 2\n"),
    "a text": ("X = 'a'\n", "X = 'b'\n"),
    "a number's kind": ("X = 1\n", "X = 1.0\n"),
    "a text that is returned": (
        "def step(x):\n    a = 'b'\n    return a\n",
        "def step(x):\n    a = 'c'\n    return a\n",
    ),
    "a text that another function uses": (
        "def step():\n    a = 'b'\n    def inner():\n        return a\n    return inner\n",
        "def step():\n    a = 'c'\n    def inner():\n        return a\n    return inner\n",
    ),
    "a text of a class": (
        "def step():\n    class A:\n        a = 'b'\n    return A\n",
        "def step():\n    class A:\n        a = 'c'\n    return A\n",
    ),
    "a variable that the module sees": (
        "def step():\n    global a\n    a = 'b'\n",
        "def step():\n    global a\n    a = 'c'\n",
    ),
    "a variable that is looked up": (
        "def step():\n    a = 'b'\n    return locals()\n",
        "def step():\n    a = 'c'\n    return locals()\n",
    ),
    "the class of an error": ("def step():\n    raise ValueError('a')\n", "def step():\n    raise TypeError('a')\n"),
    "when an error is raised": (
        "def step(x):\n    if x > 1:\n        raise UserError('a', x, 'b')\n",
        "def step(x):\n    if x > 2:\n        raise UserError('a', x, 'b')\n",
    ),
    "a number that an error carries": (
        "def step():\n    raise SystemExit(1)\n",
        "def step():\n    raise SystemExit(2)\n",
    ),
    "a line of the log that draws": (
        "def step(rng):\n    return rng\n", "def step(rng):\n    log.info('%g', rng.normal())\n    return rng\n"
    ),
    "a line of the log that binds": (
        "def step():\n    return 1\n",
        "def step():\n    log.info('%d', n := 2)\n    return 1\n",
    ),
    "a condition that does something": (
        "def step(x):\n    return x\n", "def step(x):\n    if f(x):\n        log.info('a')\n    return x\n"
    ),
    "a line of the log that changes a tensor": (
        "def step(x):\n    return x\n",
        "def step(x):\n    log.info('%g', x.clamp_(max=1.0).max())\n    return x\n",
    ),
    "a line of the log that takes from an iterator": (
        "def step(x):\n    return x\n",
        "def step(x):\n    log.info('%s', list(x))\n    return x\n",
    ),
    "a line of the log that goes through an iterator": (
        "def step(x):\n    return x\n",
        "def step(x):\n    log.info('%s', ', '.join(str(i) for i in x))\n    return x\n",
    ),
    "a line of the log that changes a table": (
        "def step(x):\n    return x\n",
        "def step(x):\n    log.info('%s', x.replace(0, 1, inplace=True))\n    return x\n",
    ),
    "a line of the log that calls what nobody knows": (
        "def step(x):\n    return x\n",
        "def step(x):\n    log.info('%s', f(x))\n    return x\n",
    ),
    "a condition that takes from an iterator": (
        "def step(x):\n    return x\n",
        "def step(x):\n    if not any(x):\n        log.info('a')\n    return x\n",
    ),
    "what is no main guard": (
        "def step(): ...\n",
        "def step(): ...\nif __name__ != '__main__':\n    print(1)\n",
    ),
    "a log that is no logger": (
        "def step():\n    log = []\n    log.error(1)\n    return log\n",
        "def step():\n    log = []\n    log.error(2)\n    return log\n",
    ),
    "what a bar goes through": ("def step(x):\n    return progress(x)\n", "def step(x):\n    return progress(x[1:])\n"),
    "a unit that is no bar's": (
        "def step(x):\n    return f(x, unit='a')\n",
        "def step(x):\n    return f(x, unit='b')\n",
    ),
    "an option's default": (
        "def add(parser):\n    parser.add_argument('--a', default=1)\n",
        "def add(parser):\n    parser.add_argument('--a', default=2)\n",
    ),
    "the unit of a metric": ("M = Metric('m', unit='u')\n", "M = Metric('m', unit='v')\n"),
    "names that change places": (
        "from latentdyn.other import f as p, g as q\nS = [p, q]\n",
        "from latentdyn.other import g as p, f as q\nS = [p, q]\n",
    ),
    "what runs in another order": ("f()\ng()\n", "g()\nf()\n"),
    "a module's name in another one": ("import numpy as np\nX = np\n", "import numpy.linalg as np\nX = np\n"),
    "a field's annotation": (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    a: int\n",
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    a: ClassVar[int]\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("edit", CANNOT)
def test_an_edit_that_cannot_change_a_result_changes_no_digest(package: Make, edit: str):
    before, after = CANNOT[edit]
    assert digest(package({"step.py": HEAD + before})) == digest(package({"step.py": HEAD + after}))


@pytest.mark.parametrize("edit", CAN)
def test_an_edit_that_can_change_a_result_changes_the_digest(package: Make, edit: str):
    before, after = CAN[edit]
    assert digest(package({"step.py": HEAD + before})) != digest(package({"step.py": HEAD + after}))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("__init__.py", '"1"', '"2"'), ("progress.py", "30", "5"), ("errors.py", "...", "print(what)"),
     ("provenance.py", "...", "return 1"), ("other.py", "B = 2", "B = 3"), ("registry.py", "return x", "return [x]")],
)  # fmt: skip
def test_an_edit_of_what_is_not_reached_or_cannot_change_a_result(package: Make, file: str, old: str, new: str):
    step = IMPORTS + "def step(x):\n    write_run_record(x)\n    f(progress(x))\n    raise UserError(g(), x, '')\n"
    edited = PACKAGE[file].replace(old, new)
    assert edited != PACKAGE[file]
    assert digest(package({"step.py": step})) == digest(package({"step.py": step, file: edited}))


def test_tables_and_figures_show_what_steps_that_measure_do_not(package: Make):
    metric = "from latentdyn.metrics import Metric\nSENTENCE = '{}'\nM = Metric('m', decimals={}, sentence=SENTENCE)\n"
    step = "from latentdyn.list import M\nSTEP = M\n"
    first, second = (
        package({"step.py": step, "list.py": metric.format(*shown)}) for shown in (("a", 1), ("b", 2))
    )  # fmt: skip
    assert reached(first) == {"list:M", "metrics:Metric"}
    assert reached(first, presentation=True) == {"list:M", "list:SENTENCE", "metrics:Metric"}
    assert digest(first) == digest(second)
    assert digest(first, presentation=True) != digest(second, presentation=True)


# ---------------------------------------------------------------------------------------------- the real package

SOURCE = Path(latentdyn.__file__).parent
STEPS = sorted(
    path.stem for path in (SOURCE / "steps").glob("*.py") if "run_step(__doc__" in path.read_text(encoding="utf-8")
)
ENTRIES = [(f"latentdyn.steps.{step}",) for step in STEPS]
ENTRIES += [("latentdyn.steps.measure", MEASUREMENTS.module(kind)) for kind in MEASUREMENTS.kinds()]
ENTRIES += [(*entry, PREDICTORS.module(kind)) for entry in ENTRIES if len(entry) == 1 for kind in PREDICTORS.kinds()]


def digests(code: Code, entries: Iterable[tuple[str, ...]] = ENTRIES) -> dict[tuple[str, ...], str]:
    return {entry: code.digest(entry, False) for entry in entries}


@pytest.fixture(scope="module")
def unedited() -> dict[tuple[str, ...], str]:
    return digests(Code(SOURCE))


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[str, str, str], Code]:
    """The real package after an edit."""

    def edit(file: str, old: str, new: str) -> Code:
        shutil.copytree(SOURCE, tmp_path / "latentdyn", ignore=shutil.ignore_patterns("__pycache__"))
        path = tmp_path / "latentdyn" / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return Code(tmp_path / "latentdyn")

    return edit


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("__init__.py", '__version__ = "', '__version__ = "9.'),
        ("progress.py", "_LINE_EVERY_S = 30.0", "_LINE_EVERY_S = 5.0"),
        ("errors.py", "What to do: ", "Do: "),
        ("files.py", "is not valid JSON", "isn't valid JSON"),
        ("stores/lock.py", "no lock can be had", "there is no lock"),
        ("steps/cli.py", "the disk is full", "no space is left"),
        ("steps/index_frames.py", 'help="', 'help="the '),
        ("devices.py", '"memory_mb"', '"memory"'),
    ],
)
def test_no_step_runs_again_for(unedited, edited, file: str, old: str, new: str):
    assert digests(edited(file, old, new)) == unedited


@pytest.mark.parametrize(
    ("file", "old", "new", "predictor"),
    [
        ("distributions/student_mixture.py", "tail = 0.5 *", "tail = 0.51 *", "mdn"),
        ("distributions/von_mises_fisher.py", "-0.5 * z.square()", "-0.51 * z.square()", "vmf_lognormal"),
    ],
)
def test_a_constant_of_a_heads_log_density_re_runs_what_uses_it(unedited, edited, file, old, new, predictor: str):
    after = digests(edited(file, old, new))
    changed = {entry for entry, before in unedited.items() if after[entry] != before}
    assert changed == {entry for entry in ENTRIES if entry[1:] == (PREDICTORS.module(predictor),)}


def test_a_constant_of_one_diagnostic_changes_what_measures_by_it_and_no_other(unedited, edited):
    after = digests(edited("diagnostics/free_runs/comparison.py", "_LAGS = (1, 2, 4, 8)", "_LAGS = (1, 2, 4, 9)"))
    changed = {entry for entry, before in unedited.items() if after[entry] != before}
    using = ("free_runs", "two_stage", "state_generation")
    assert changed == {("latentdyn.steps.measure", MEASUREMENTS.module(name)) for name in using}


def test_how_a_metric_is_found_counts_for_the_beta_vaes_that_have_one(edited):
    plain = ("latentdyn.steps.train_model", MODELS.module("vae"))
    entries = [plain, (*plain, METRICS.module("mel_metric"))]
    before = digests(Code(SOURCE), entries)
    after = digests(edited("models/vae/mel_metric.py", "(1 - share) * n", "(2 - share) * n"), entries)
    assert {entry for entry in entries if after[entry] != before[entry]} == {entries[1]}


def test_training_does_not_depend_on_codecs_and_encoding_not_on_predictors():
    training = modules("latentdyn.steps.train_model", MODELS.module("predictor"), PREDICTORS.module("mdn"))
    assert {"latentdyn.predictors.mdn", "latentdyn.training.loop", "latentdyn.stores.windows"} <= training
    assert not [name for name in training if name.startswith("latentdyn.codecs")]
    assert not training & {"latentdyn.predictors.linear_gaussian", "latentdyn.models.score.fitting"}
    evaluating = modules("latentdyn.steps.measure", "latentdyn.measurements.lagged", PREDICTORS.module("mdn"))
    assert "latentdyn.models.predictor.loading" in evaluating and "latentdyn.training.loop" not in evaluating
    score = modules("latentdyn.steps.train_model", MODELS.module("score"))
    assert not [name for name in score if name.startswith(("latentdyn.predictors", "latentdyn.correction"))]
    encoding = modules("latentdyn.steps.encode_latents", "latentdyn.codecs.mimi")
    assert {"latentdyn.codecs.mimi", "latentdyn.codecs.tiling", "latentdyn.corpus.audio"} <= encoding
    beyond = ("latentdyn.predictors", "latentdyn.training", "latentdyn.diagnostics", "latentdyn.reporting")
    assert not [name for name in encoding if name.startswith((*beyond, "latentdyn.codecs.soundstream"))]


@pytest.mark.parametrize("step", STEPS)
def test_no_step_depends_on_the_config_or_on_another_step(step: str):
    names = modules(f"latentdyn.steps.{step}")
    # editing the config would re-run everything; the certificate catches a `UserError` to tell it in other words
    assert not [
        name for name in names if name.startswith(("latentdyn.config", "latentdyn.certificate", "latentdyn.forkserver"))
    ]
    assert [name for name in names if name.startswith("latentdyn.steps.")] == [f"latentdyn.steps.{step}"]


def modules(*entries: str) -> set[str]:
    return {re.split(":", name)[0] for name in code_definitions(*entries)}


@pytest.mark.parametrize("file", sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py")))
def test_the_package_uses_nothing_that_the_digest_cannot_follow(file: str):
    """What would make the digest miss an edit; whoever needs one of these teaches `provenance` about it first."""
    if file.startswith(("provenance", "config", "certificate", "forkserver")):  # no step reaches them: the test above
        return
    nodes = list(ast.walk(ast.parse((SOURCE / file).read_text(encoding="utf-8"))))
    # classes that are found without a name; annotations that are read; modules that are reached by no import
    assert not names_in(nodes) & {"__subclasses__", "__annotations__", "get_type_hints", "signature", "modules"}
    handlers = [node.type for node in nodes if isinstance(node, ast.ExceptHandler) and node.type]
    catches = names_in(part for handler in handlers for part in ast.walk(handler))
    # a handler could put the text of an error into an artifact
    assert file in ("steps/cli.py", "steps/verify_results.py") or not catches & {
        "UserError",
        "Exception",
        "BaseException",
    }


def names_in(nodes: Iterable[ast.AST]) -> set[str]:
    return {getattr(node, "id", getattr(node, "attr", "")) for node in nodes}


# ----------------------------------------------------------------------------------------------- the public face


def test_the_order_of_the_entries_does_not_matter():
    assert code_digest("latentdyn.files", "latentdyn.seeds") == code_digest("latentdyn.seeds", "latentdyn.files")
    assert re.fullmatch("[0-9a-f]{16}", code_digest("latentdyn.files"))


@pytest.mark.parametrize("entry", ["latentdyn.nowhere", "latentdyn.files.canonical_json", "numpy", "latentdyn.no:f"])
def test_a_module_of_no_such_name_is_refused(entry: str):
    with pytest.raises(ModuleNotFoundError, match=re.escape(entry.partition(":")[0])):
        code_digest(entry)


def test_a_definition_of_no_such_name_is_refused():
    with pytest.raises(ImportError, match=r"latentdyn\.files has no definition named 'nothing'"):
        code_digest("latentdyn.files:nothing")


def test_definitions_say_what_counts():
    names = ("_CHECKSUM", "_LEFTOVER_S", "_in_lines", "_json_checksum", "_line", "_remove_leftovers", "_umask",
             "atomic_path", "canonical_json", "write_json", "write_text")  # fmt: skip
    assert code_definitions("latentdyn.files:write_json") == [f"latentdyn.files:{name}" for name in names]


def test_the_command_prints_the_digest_and_what_counts():
    command = [sys.executable, "-m", "latentdyn.provenance", "latentdyn.seeds:seed_for"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == code_digest("latentdyn.seeds:seed_for")
    assert [line[9:] for line in lines[1:]] == ["latentdyn.seeds:seed_for"]
    refused = subprocess.run([*command[:-1], "latentdyn.nowhere"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "latentdyn.nowhere is not a module of latentdyn" in refused.stderr


def test_a_run_record_says_what_ran_and_how_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(time, "time", lambda: 1e9)
    write_run_record(tmp_path / "x.run.json", started=1e9 - 4.25, device=Path("cuda:0"), digest="abc")
    record = json.loads((tmp_path / "x.run.json").read_text())
    assert record["seconds"] == 4.25
    assert (record["device"], record["digest"], record["latentdyn"]) == ("cuda:0", "abc", latentdyn.__version__)
    assert {"torch", "numpy", "zarr"} <= record["packages"].keys()


def test_the_commit_is_that_of_the_checkout_and_tells_of_changed_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "src/latentdyn/__init__.py"
    package.parent.mkdir(parents=True)
    package.write_text("x = 1\n")
    monkeypatch.setattr(latentdyn, "__file__", str(package))
    assert source_commit() is None  # installed, or unpacked without its history

    def git(*words: str) -> str:
        who = ["-c", "user.name=n", "-c", "user.email=e"]
        done = subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "m")
    git("tag", "v1")
    assert source_commit() == git("rev-parse", "--short=12", "HEAD")
    package.write_text("x = 2\n")
    assert source_commit() == git("rev-parse", "--short=12", "HEAD") + "-dirty"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source_commit() is None  # without git
