"""Settings on the command line of a step: JSON that is checked against the config's classes.

A rule passes a whole section that the config has checked, so a job of a run checks nothing again: that would load the
config's classes in each job. A person who runs a step by hand is told what is wrong, in the words of the config, and
may leave out what has a default. What a rule passes would go through the check as it is. So this module decides no
result of a rule, and counts for nothing in digests of code.

A type of an argument (`section`, `json_object`, `identity`, `number`) sees that argument alone. What depends on several
(`model`, `measurement`, `table`) is checked after all are parsed: `run_step(..., check=...)`.
"""

import argparse
import json
import math
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from latentdyn.diagnostics.records import Identity
from latentdyn.errors import UserError
from latentdyn.provenance.jobs import by_hand

if TYPE_CHECKING:
    from pydantic import BaseModel

_FIX = "correct it; config/README.md lists every key, and `snakemake --printshellcmds` shows what a rule passes"


def json_object(text: str) -> dict[str, Any]:
    """A JSON object: the type of an argument that `check` looks at later.

    Raises:
        UserError: it is none.
    """
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{_brief(text)} is not JSON ({error})", "the command line", _FIX) from None
    if not isinstance(value, dict):
        raise UserError(f"{_brief(text)} is not a JSON object, as {{...}}", "the command line", _FIX)
    return value


def section(
    base: str, *, without: Collection[str] = (), stand_in: Mapping[str, Any] | None = None
) -> Callable[[str], Any]:
    """The type of an argument that holds one section of the config.

    Args:
        base: its class, or the class of its kinds, as `module:Class` below latentdyn.config.
        without: keys that the step does not get. stand_in: values for those of them that have no default.
    """

    def parse(text: str) -> dict[str, Any]:
        given = json_object(text)
        if not by_hand():
            return {key: value for key, value in given.items() if key not in without}
        model = _kind(_class(base), given, "the section of the config on the command line")
        instead = {k: v for k, v in (stand_in or {}).items() if k in model.model_fields and k not in given}
        whole = checked(model, instead | given, f"the settings of {_what(model)}")
        return {key: value for key, value in whole.items() if key not in without}

    return parse


def corpus_section() -> Callable[[str], Any]:
    """The type of an argument that says what a corpus lists, and when a file is set aside."""
    without = {"splits", "manifest_parts", "encoding_parts", "max_nonfinite_share", "root", "url", "checksum"}
    return section("corpora:CorpusKind", without=without, stand_in={"root": "."})


def number(kind: type, low: float) -> Callable[[str], Any]:
    """The type of an argument that is a finite number of at least `low` (above it, where `kind` is float)."""

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not (value > low if kind is float else value >= low) or value == math.inf:
            bound = f"a number above {low:g}" if kind is float else f"a whole number, {low:g} or more"
            raise argparse.ArgumentTypeError(f"{_brief(text)} is not {bound}")
        return value

    return parse


def identity(text: str) -> Identity:
    """What a measurement is of.

    Raises:
        UserError: the JSON is not a whole identity.
    """
    given, where = json_object(text), "--identity"
    if not by_hand():
        return Identity(**given)
    from latentdyn.config.measurements import measurement_kinds

    types = {name: int if name == "seed" else str for name in Identity.__dataclass_fields__}
    wrong = [f"{name}: missing" for name in types if name not in given and name != "fitted_on"]
    wrong += [f"{name}: unknown key" for name in given if name not in types]
    wrong += [f"{n}: must be {'a whole number' if t is int else 'text'}" for n, t in types.items()
              if n in given and (not isinstance(given[n], t) or isinstance(given[n], bool))]  # fmt: skip
    kinds = [kind.measurement for kind in measurement_kinds()]
    if not wrong and given["measurement"] not in kinds:
        wrong = [f"measurement: there is no kind '{given['measurement']}': one of {', '.join(kinds)}"]
    if wrong:
        raise UserError(f"this does not say what is measured: {'; '.join(wrong)}", where, _FIX)
    return Identity(**given)


def model(arguments: argparse.Namespace) -> None:
    """Check `--settings` of a fitted model of the kind `--kind`, and the `--codec` that it listens through."""
    from latentdyn.config.representations import Encoder

    arguments.settings = _of_model(arguments.kind, arguments.settings, "--settings")
    if (codec := arguments.codec) is None:
        return
    if not _listens(arguments.kind, arguments.settings):
        raise UserError("a codec is given, and nothing of this training is decoded", "--codec", "leave it out")
    arguments.codec = checked(_kind(Encoder, codec, "--codec"), codec, "--codec")


def measurement(arguments: argparse.Namespace) -> None:
    """Check `--settings` and `--models` of a measurement of the kind that `--identity` says."""
    from latentdyn.config.measurements import measurement_kinds

    (kind,) = (kind for kind in measurement_kinds() if kind.measurement == arguments.identity.measurement)
    arguments.settings = checked(kind.form(), arguments.settings, f"--settings of a measurement of {kind.measurement}")
    roles, given = kind.roles if kind.by == "predictor" else {}, arguments.models
    if given.keys() != roles.keys():
        raise UserError(
            f"a measurement of {kind.measurement} reads {_names(roles) or 'no model'}, and the models given are "
            f"{_names(given) or 'none'}",
            "--models",
            'give a handle and settings for each: {"predictor": {"handle": "...", "settings": {...}}}',
        )
    for role, found in given.items():
        where = f"--models, {role}"
        if not isinstance(found, dict) or not isinstance(found.get("handle"), str) or "settings" not in found:
            raise UserError("a model is given as {handle, settings}", where, _FIX)
        found["settings"] = _of_model(roles[role], found["settings"], where)
    elsewhere = [role for role, found in given.items() if {"latents", "frames"} & found.keys()]
    wanted = list(given) if kind.variant == "fitted_on" else []
    told = list(given) if arguments.identity.fitted_on != arguments.identity.corpus else []
    if not elsewhere == wanted == told:
        raise UserError(
            "a measurement of transfer, and no other one, is of a model that was fitted to another corpus",
            "--models, --identity",
            "give the model's latents and frames, and its corpus as fitted_on of the identity; or none of them",
        )
    if kind.decodes:
        _check_decoding(arguments.decoding)
    if kind.compares:
        _check_chains(arguments.chains)
    if kind.hears:
        _check_recordings(arguments.recordings)


def table(arguments: argparse.Namespace) -> None:
    """Check that `--plan` says what the view of `--table` must know."""
    from latentdyn.config.tables import Plan, TableKind

    plan = checked(Plan, arguments.plan, "--plan", fill=False)
    unknown = [row for row in plan["rows"] if row not in plan["kinds"]["representations"]]
    kind: Any = _kind(TableKind, arguments.table, "--table")
    wrong = [f"{name}: missing" for name in sorted(kind.adds_to_plan) if name not in plan]
    wrong += [f"kinds.representations: '{row}' of rows is missing" for row in unknown]
    if wrong:
        raise UserError(f"the plan is not whole: {'; '.join(wrong)}", "--plan", _FIX)


def part(arguments: argparse.Namespace) -> None:
    """Check that `--part` is one of `--n-parts`."""
    if arguments.part >= arguments.n_parts:
        raise UserError(f"part {arguments.part} is none of {arguments.n_parts}", "--part", "parts are counted from 0")


def two_tables_a_part(arguments: argparse.Namespace) -> None:
    """Check that `--utterances` and `--set-aside` name as many files."""
    n, n_set_aside = len(arguments.utterances), len(arguments.set_aside)
    if n != n_set_aside:
        raise UserError(
            f"{n} tables of utterances are given, and {n_set_aside} of what was set aside",
            "--utterances and --set-aside",
            "name both tables of every part, in the same order",
        )


def checked(model: "type[BaseModel]", given: Any, where: str, *, fill: bool = True) -> Any:
    """Settings that a class of the config accepts, with its defaults where `fill` is true.

    Raises:
        UserError: it does not accept them; the mistakes are told as those of a config are.
    """
    from pydantic import ValidationError

    from latentdyn.config.mistakes import describe

    try:
        found = model.model_validate_json(json.dumps(given))
    except ValidationError as error:
        mistakes = describe(error, model)
        told = "; ".join(f"{'.'.join(place)}: {what}" if place else what for place, what in mistakes)
        raise UserError(f"these settings are not valid: {told}", where, _FIX) from None
    return found.model_dump(mode="json") if fill else given


def _check_decoding(given: Any) -> None:
    """Check that `--decoding` says how latents become audio."""
    from latentdyn.config.representations import Encoder

    keys = {"codec": dict, "chain": list, "manifest": str, "audio": str}
    if given is None or given.keys() != keys.keys() or not all(isinstance(given[k], t) for k, t in keys.items()):
        raise UserError(
            "this kind of measurement decodes latents, and how is not said",
            "--decoding",
            'give {"codec": {...}, "chain": ["...", "..."], "manifest": "...", "audio": "..."}',
        )
    given["codec"] = checked(_kind(Encoder, given["codec"], "--decoding, codec"), given["codec"], "--decoding, codec")


def _check_chains(given: Any) -> None:
    """Check that `--chains` says how latents lead to those of the reference."""
    handles = {"own", "reference"}
    if given is None or given.keys() != handles or not all(_is_handles(chain) for chain in given.values()):
        raise UserError(
            "this kind of measurement compares two representations, and how they are made is not said",
            "--chains",
            'give {"own": ["...", "..."], "reference": ["...", "..."]}: handles of latents, the root first',
        )


def _check_recordings(given: Any) -> None:
    """Check that `--recordings` says where they are."""
    names = {"manifest", "audio"}
    if given is None or given.keys() != names or not all(isinstance(path, str) for path in given.values()):
        raise UserError(
            "this kind of measurement hears the recordings, and where they are is not said",
            "--recordings",
            'give {"manifest": "...", "audio": "..."}: the parquet of the manifest, and the folder of its paths',
        )


def _is_handles(chain: Any) -> bool:
    return isinstance(chain, list) and len(chain) > 0 and all(isinstance(handle, str) for handle in chain)


def _of_model(kind: str, given: Any, where: str) -> dict[str, Any]:
    """The settings of a fitted model."""
    from latentdyn.config.corrections import Correction
    from latentdyn.config.kinds import kinds_of, word_of
    from latentdyn.config.predictors import PredictorKind
    from latentdyn.config.representations.learned import LearnedRepresentation
    from latentdyn.config.shapes import Shape

    if kind == "predictor":
        return dict(checked(_kind(PredictorKind, given, where), given, where))
    if kind == "score":
        return dict(checked(Correction.of_model(), given, where))
    learned = {word_of(model): model for model in kinds_of(LearnedRepresentation)}
    if kind in learned:
        settings = dict(checked(learned[kind].of_model(), given, where))
        try:
            learned[kind](kind=kind, source="x", **settings).shape_of(Shape())
        except ValueError as error:
            raise UserError(f"these settings are not valid: {error}", where, _FIX) from None
        return settings
    kinds = ", ".join(["predictor", "score", *learned])
    raise UserError(f"there is no fitted model of kind '{kind}'", "--kind", f"use one of {kinds}")


def _listens(kind: str, settings: dict[str, Any]) -> bool:
    """Whether what a model of a kind is trained for depends on the codec's decoder."""
    from latentdyn.config.kinds import kinds_of, word_of
    from latentdyn.config.representations.learned import LearnedRepresentation

    learned = {word_of(model): model for model in kinds_of(LearnedRepresentation)}
    return kind in learned and learned[kind](kind=kind, source="x", **settings).listens


def _kind(base: "type[BaseModel]", given: Any, where: str) -> "type[BaseModel]":
    """The class that `kind` chooses among those of a base; the base where it has no kinds.

    Raises:
        UserError: it chooses none.
    """
    from latentdyn.config.kinds import kinds_of, word_of
    from latentdyn.config.mistakes import alike

    kinds = {word_of(model): model for model in kinds_of(base)}
    word = given.get("kind") if isinstance(given, dict) else None
    if not kinds:
        return base
    if word not in kinds:
        what = "kind is missing" if word is None else f"there is no kind '{word}' here{alike(word, kinds)}"
        raise UserError(f"{what}; one of {', '.join(kinds)}", where, _FIX)
    return kinds[word]


def _class(place: str) -> Any:
    import importlib

    module, _, name = place.partition(":")
    return getattr(importlib.import_module(f"latentdyn.config.{module}"), name)


def _what(model: "type[BaseModel]") -> str:
    """What a class of the config is called in one."""
    from latentdyn.config.kinds import word_of

    return f"kind {word_of(model)}" if "kind" in model.model_fields else model.__name__.lower()


def _names(words: Collection[str]) -> str:
    return " and ".join(words)


def _brief(text: str) -> str:
    return f"'{text}'" if len(text) <= 40 else f"'{text[:37]}...'"


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number that JSON has")
