"""The lists of packages, pyproject.toml, the two locks and the conda file of the rules, say the same."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import latentdyn

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-perception.lock")
LOCK_LINES = [line for name in LOCKS for line in (ROOT / name).read_text().splitlines()]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
RUNTIME = [*PROJECT["dependencies"], *EXTRAS["demo"]]  # what rules need


def pins(lines: list[str]) -> dict[str, str]:
    """Version by canonical name, of lines that each pin one package to one version."""
    found = {}
    for line in lines:
        requirement = Requirement(line)
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", line
        found[canonicalize_name(requirement.name)] = specifier.version
    assert len(found) == len(lines)
    return found


@pytest.fixture(scope="module")
def lock() -> dict[str, str]:
    return pins([line for line in LOCK_LINES if not line.startswith("#")])


@pytest.fixture(scope="module")
def conda_file() -> dict:
    return yaml.safe_load((ROOT / "workflow/envs/latentdyn.yaml").read_text())


def test_the_lock_names_packages_and_versions_only():
    for line in LOCK_LINES:
        # no address, no local file, no option, no build tag such as +cpu: any index can serve it
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line


def test_torch_is_locked_to_the_release_the_project_is_measured_with(lock):
    assert lock["torch"] == "2.13.0"


@pytest.mark.parametrize(
    "requirement", [*RUNTIME, *EXTRAS["perception"], *EXTRAS["docs"], *EXTRAS["dev"]], ids=lambda r: r.split(">")[0]
)
def test_the_lock_satisfies_the_project(lock, requirement):
    needed = Requirement(requirement)
    assert needed.specifier.contains(lock[canonicalize_name(needed.name)])


def test_rules_get_every_runtime_dependency_at_its_locked_version(lock, conda_file):
    (pip_lines,) = [entry["pip"] for entry in conda_file["dependencies"] if isinstance(entry, dict)]
    runtime = {canonicalize_name(Requirement(r).name) for r in RUNTIME}
    assert pins(pip_lines) == {name: lock[name] for name in runtime}


def test_extras_of_a_dependency_are_in_the_conda_file_too(conda_file):
    (pip_lines,) = [entry["pip"] for entry in conda_file["dependencies"] if isinstance(entry, dict)]
    given = {canonicalize_name(Requirement(line).name): Requirement(line).extras for line in pip_lines}
    for requirement in map(Requirement, RUNTIME):
        assert requirement.extras <= given[canonicalize_name(requirement.name)]


def test_conda_provides_python_and_pip_and_nothing_that_pip_would_replace(conda_file):
    from_conda = [entry for entry in conda_file["dependencies"] if isinstance(entry, str)]
    assert from_conda == ["python=3.11", "pip"]
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains("3.11.9")


@pytest.mark.parametrize("rules", sorted((ROOT / "workflow/rules").glob("*.smk")), ids=lambda path: path.stem)
def test_every_rule_that_runs_a_step_runs_in_this_environment(rules):
    text = rules.read_text()
    assert text.count("../envs/latentdyn.yaml") == len(re.findall(r"python -m latentdyn\.steps\.", text))


def test_the_version_has_one_source_and_the_citation_follows_it():
    assert PROJECT["dynamic"] == ["version"]  # from latentdyn.__version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert str(citation["version"]) == latentdyn.__version__


def test_the_newest_version_of_the_changelog_is_this_one():
    newest = re.search(r"^## \[(\d[^]]*)\] - (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert newest and newest.groups() == (latentdyn.__version__, str(citation["date-released"]))
