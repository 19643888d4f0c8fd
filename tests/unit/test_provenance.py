"""The digest of a step's code: what it follows, and what it rightly ignores."""

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import latentdyn
from latentdyn.models.naming import model_module
from latentdyn.predictors.naming import predictor_module
from latentdyn.provenance import _closure, _digest_at, _module_tree, code_digest, write_run_record

PACKAGE = {
    "__init__.py": "",
    "steps/__init__.py": "",
    "steps/fit.py": (
        "from latentdyn.models import linear\n"
        "from latentdyn.solve import least_squares\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n"
        "    from latentdyn.hints import Hint\n"
        "def step() -> 'Hint':\n"
        "    import latentdyn.late\n"
        "    return least_squares(linear, latentdyn.late.LATE)\n"
    ),
    "models/__init__.py": "SHARED = 1\n",
    "models/linear.py": "ORDER = 1\n",
    "models/other.py": "ORDER = 2\n",
    "solve.py": "import latentdyn.numbers\ndef least_squares(*_):\n    return latentdyn.numbers.TOLERANCE\n",
    "numbers.py": '"""Constants."""\nTOLERANCE = 1e-6  # relative\n',
    "hints.py": "class Hint: ...\n",
    "late.py": "LATE = 1\n",
    "alone.py": "ALONE = 1\n",
}
STEP = ("latentdyn.steps.fit",)

Digest = Callable[..., str]


@pytest.fixture
def digest(tmp_path: Path) -> Digest:
    """The digest of the made-up package's step, after edits {file: new content}."""
    numbers = itertools.count()

    def make(edits: dict[str, str] | None = None) -> str:
        # a new folder each time, since a process reads each file once
        source = tmp_path / str(next(numbers))
        for name, content in (PACKAGE | (edits or {})).items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(content)
        return _digest_at(source, STEP)

    return make


def test_it_follows_imports_to_any_depth(tmp_path: Path, digest: Digest):
    digest()
    names = _closure(tmp_path / "0", STEP)
    assert names == {
        "latentdyn", "latentdyn.steps", "latentdyn.steps.fit", "latentdyn.models", "latentdyn.models.linear",
        "latentdyn.solve", "latentdyn.numbers", "latentdyn.late",
    }  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        "TOLERANCE = 1e-6\n",
        '"""Constants, and what they are for."""\n\n\n# A new remark.\nTOLERANCE = (\n    1e-6\n)\n',
    ],
    ids=["docstring and comment removed", "reworded, laid out anew"],
)
def test_words_and_layout_do_not_count(digest: Digest, content: str):
    assert digest({"numbers.py": content}) == digest()


def test_docstrings_of_functions_and_classes_do_not_count(digest: Digest):
    plain = "class A:\n    def f(self):\n        return 1\n    async def g(self):\n        return 2\n"
    told = plain.replace("A:\n", 'A:\n    """A."""\n').replace("):\n", '):\n        """What."""\n')
    assert digest({"numbers.py": told}) == digest({"numbers.py": plain})


def test_a_text_that_is_no_docstring_counts(digest: Digest):
    assert digest({"numbers.py": "TOLERANCE = 'a'\n"}) != digest({"numbers.py": "TOLERANCE = 'b'\n"})


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("steps/fit.py", PACKAGE["steps/fit.py"] + "AGAIN = 1\n"),
        ("models/linear.py", "ORDER = 3\n"),  # from package import module
        ("solve.py", PACKAGE["solve.py"] + "EXTRA = 1\n"),  # from package.module import name
        ("numbers.py", "TOLERANCE = 1e-7\n"),  # imported by what is imported
        ("models/__init__.py", "SHARED = 2\n"),  # a parent package runs too
        ("late.py", "LATE = 2\n"),  # imported inside a function
    ],
)
def test_an_edit_that_can_change_the_step_counts(digest: Digest, file: str, content: str):
    assert digest({file: content}) != digest()


@pytest.mark.parametrize(("file", "content"), [("alone.py", "ALONE = 2\n"), ("models/other.py", "ORDER = 9\n")])
def test_an_edit_of_what_is_not_imported_does_not_count(digest: Digest, file: str, content: str):
    assert digest({file: content}) == digest()


def test_an_import_for_type_checkers_alone_does_not_count(digest: Digest):
    assert digest({"hints.py": "class Hint:\n    field = 1\n"}) == digest()


@pytest.mark.parametrize("guard", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_both_spellings_of_the_guard_are_known(tmp_path: Path, guard: str):
    file = tmp_path / "module.py"
    file.write_text(f"import typing\nif {guard}:\n    import latentdyn.hints\nimport latentdyn.solve\n")
    assert _module_tree(file)[1] == ("latentdyn.solve", "typing")


def test_a_circle_of_imports_ends(digest: Digest):
    assert digest({"numbers.py": "import latentdyn.solve\nTOLERANCE = 1\n"}) != digest()


def test_the_order_of_the_named_modules_does_not_matter():
    assert code_digest("latentdyn.files", "latentdyn.seeds") == code_digest("latentdyn.seeds", "latentdyn.files")


@pytest.mark.parametrize("module", ["latentdyn.nowhere", "latentdyn.files.canonical_json", "numpy"])
def test_a_module_of_no_such_name_is_refused(module: str):
    with pytest.raises(ModuleNotFoundError, match=module):
        code_digest(module)


SOURCE = Path(latentdyn.__file__).parent


def closure(step: str, *others: str) -> set[str]:
    return _closure(SOURCE, (f"latentdyn.steps.{step}", *others))


def test_training_does_not_depend_on_codecs_and_encoding_not_on_predictors():
    training = closure("train_model", model_module("predictor"), predictor_module("mdn"))
    assert {"latentdyn.predictors.mdn", "latentdyn.training.loop", "latentdyn.stores.windows"} <= training
    assert not [name for name in training if name.startswith("latentdyn.codecs")]
    assert not training & {"latentdyn.predictors.linear_gaussian", "latentdyn.models.score.fitting"}
    evaluating = closure("evaluate_predictor", predictor_module("mdn"))
    assert "latentdyn.models.predictor.loading" in evaluating and "latentdyn.training.loop" not in evaluating
    score = closure("train_model", model_module("score"))
    assert not [name for name in score if name.startswith(("latentdyn.predictors", "latentdyn.correction"))]
    encoding = closure("encode_latents", "latentdyn.codecs.mimi")
    assert {"latentdyn.codecs.mimi", "latentdyn.codecs.tiling", "latentdyn.corpus.audio"} <= encoding
    beyond = ("latentdyn.predictors", "latentdyn.training", "latentdyn.diagnostics", "latentdyn.reporting")
    assert not [name for name in encoding if name.startswith((*beyond, "latentdyn.codecs.soundstream"))]


@pytest.mark.parametrize("step", sorted(p.stem for p in (SOURCE / "steps").glob("*.py") if p.stem != "__init__"))
def test_no_step_depends_on_the_config_or_on_another_step(step: str):
    names = closure(step)
    assert "latentdyn.config" not in names  # nor, then, a module of it: or else editing it would re-run everything
    shared = {"latentdyn.steps.cli", "latentdyn.steps.measuring"}
    assert {n for n in names if n.startswith("latentdyn.steps.")} <= {f"latentdyn.steps.{step}", *shared}


def test_a_run_record_says_what_ran_and_how_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(time, "time", lambda: 1e9)
    write_run_record(tmp_path / "x.run.json", started=1e9 - 4.25, device=Path("cuda:0"), digest="abc")
    record = json.loads((tmp_path / "x.run.json").read_text())
    assert record["seconds"] == 4.25
    assert (record["device"], record["digest"], record["latentdyn"]) == ("cuda:0", "abc", latentdyn.__version__)
    assert {"torch", "numpy", "zarr"} <= record["packages"].keys()
