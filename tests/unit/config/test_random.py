"""Configurations that chance has spoilt: each loads, or is refused in words, with a dotted path or a line.

The seed is fixed, so a failure repeats. Each trial takes a shipped configuration, changes it in one to three places,
and loads it: as values, as Snakemake merges them; and as text, as a person writes it.
"""

import copy
import datetime
import math
import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from latentdyn.config import check_files, load_config
from latentdyn.config.files import merged
from latentdyn.errors import UserError

from .examples import FOLDER, OVERLAYS, SMALL

N_VALUES, N_TEXTS = 400, 200
WORDS = re.compile(
    r"pydantic|discriminator|Input should be|union|NoneType|\bdict\b|str\b|valid integer|Traceback", re.I
)
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2, 10**9, 10**30, 10**400, -(10**400), 0.0, -0.0, 1e-320, 1e308, -1e308, math.inf,
    -math.inf, math.nan, 0.5, 1.5, "", " ", "1e-3", "mdn", "none", "é", "\ud800", "a\nb", "x" * 5000, "../x", "~", [],
    [[]], {}, {"kind": None}, {"kind": []}, {"kind": "mdn"}, {1: 2}, {None: 1}, {True: 1}, (1, 2), {1, 2}, b"x",
    datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1), [None], [1, "a"], [{}], object,
]  # fmt: skip

ODD_TEXTS = ["2024-01-01", ".inf", "-.inf", ".nan", "1:30", "010", "no", "~", "!!set {a}", "!!binary aGk=", "!x 1", "[",
             "{", "*training", "&a", "'", '"', "\t", "1e400", "- 1", "? a", "<<: *x", "|", "@", "%", "`"]  # fmt: skip


def shipped() -> list[dict[str, Any]]:
    names = [[FOLDER / "config.yaml"]] + [[FOLDER / "config.yaml", FOLDER / f"{name}.yaml"] for name in OVERLAYS]
    return [merged(files) for files in names] + [SMALL]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container and key or number in it, at any depth."""
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in ((value, key), *places(inner))]
    if isinstance(value, list):
        return [pair for i, inner in enumerate(value) for pair in ((value, i), *places(inner))]
    return []


def misspelt(word: str, rng: random.Random) -> str:
    i = rng.randrange(len(word) + 1)
    return rng.choice([word[:i] + word[i + 1 :], word[:i] + rng.choice("abz_ A.") + word[i:], word.upper(), word[::-1]])


def spoil(values: dict[str, Any], rng: random.Random) -> None:
    """One change at a random place."""
    container, key = rng.choice(places(values))
    change = rng.randrange(7)
    if change == 0:
        del container[key]
    elif change in (1, 2):
        container[key] = copy.deepcopy(rng.choice(ODD))
    elif change == 3 and isinstance(container, dict):
        container[misspelt(str(key), rng) or "z"] = container.pop(key)
    elif change == 4 and isinstance(container[key], str):
        container[key] = misspelt(container[key], rng)
    elif change == 5 and isinstance(container[key], (int, float)):
        container[key] *= rng.choice([-1, 0, 0.1, 10, 1000, 1e9, 1e300])
    else:  # a value of another place
        other, its = rng.choice(places(values))
        container[key] = copy.deepcopy(other[its])


def told(error: UserError) -> None:
    """Check that a refusal is one readable paragraph with a place, and has no word of a library's own."""
    assert re.search(r"(line \d+|valid|; )[^;]*: .", error.what) or "config file" in error.what, error
    assert "Where: " in str(error) and "What to do: " in str(error) and "\n" not in str(error)
    quoted = re.sub(r"'[^']*'", "", error.what)  # what the user wrote
    assert not WORDS.search(quoted), error


def test_values_that_chance_has_spoilt_load_or_are_refused_in_words():
    rng, whole = random.Random(20240101), shipped()
    refused = 0
    for trial in range(N_VALUES):
        values = copy.deepcopy(rng.choice(whole))
        for _ in range(rng.choice([1, 1, 2, 3])):
            spoil(values, rng)
        try:
            config = load_config(values)
        except UserError as error:
            refused += 1
            told(error)
        else:  # what every rule passes can be written
            for section in (config.corpora, config.representations, config.all_predictors, config.tables):
                assert all(entry.canonical() for entry in section.values()), trial
            for table in config.tables.values():
                assert all(table.measurements(config, corpus) for corpus in table.corpora), trial
    assert N_VALUES / 3 < refused < N_VALUES, "most changes matter, some do not"


def spoilt_text(text: str, rng: random.Random) -> str:
    """One change of a line, as a hand that slips makes it."""
    lines = text.splitlines()
    i = rng.randrange(len(lines))
    indent = re.match(r" *", lines[i])[0]  # type: ignore[index]
    odd = rng.choice(ODD_TEXTS)
    change = rng.randrange(6)
    if change == 0:
        lines.insert(i, lines[i])
    elif change == 1:
        lines[i] = re.sub(r":.*", f": {odd}", lines[i])
    elif change == 2:
        lines.insert(i, f"{indent}{odd}: {{kind: mdn}}")
    elif change == 3:
        lines[i] = rng.choice([" ", "\t", "    "]) + lines[i]
    elif change == 4:
        del lines[i]
    else:
        j = rng.randrange(len(lines[i]) + 1)
        lines[i] = lines[i][:j] + rng.choice(list(":,{}[]&*#?|>'\"%@`\t -")) + lines[i][j:]
    return "\n".join(lines) + "\n"


def test_texts_that_chance_has_spoilt_load_or_are_refused_in_words(tmp_path: Path):
    rng = random.Random(20240102)
    texts = [(FOLDER / f"{name}.yaml").read_text() for name in OVERLAYS]
    refused = 0
    for _ in range(N_TEXTS):
        text = rng.choice(texts)
        for _ in range(rng.choice([1, 1, 2])):
            text = spoilt_text(text, rng)
        (tmp_path / "a.yaml").write_text(text)
        files = [FOLDER / "config.yaml", tmp_path / "a.yaml"]
        try:
            load_config(merged(files), files)
        except UserError as error:
            refused += 1
            told(error)
            assert "a.yaml" in error.where, error
    assert N_TEXTS / 4 < refused < N_TEXTS


def test_every_key_of_a_shipped_file_named_twice_is_refused(tmp_path: Path):
    """Each line that opens a mapping's entry, given again with the lines below it."""
    lines = yaml.safe_dump(SMALL, sort_keys=False).splitlines()
    for i, line in enumerate(lines):
        if not re.match(r" *[a-z_0-9]+:", line):
            continue
        depth = len(line) - len(line.lstrip())
        end = next((j for j in range(i + 1, len(lines)) if len(lines[j]) - len(lines[j].lstrip()) <= depth
                    and not lines[j].lstrip().startswith("- ")), len(lines))  # fmt: skip
        (tmp_path / "a.yaml").write_text("\n".join([*lines[:end], *lines[i:end], *lines[end:]]))
        with pytest.raises(UserError, match=f"line {end + 1}: .*is named again \\(first in line {i + 1}\\)"):
            check_files([tmp_path / "a.yaml"])
