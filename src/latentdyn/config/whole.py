"""The whole configuration: that names resolve and fit together, and what a table needs."""

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    ValidationError,
    model_validator,
)

from latentdyn.config.corpora import Corpus, Latents, Synthetic
from latentdyn.config.corrections import Correction
from latentdyn.config.diagnostics import Clustering, Compute, Evaluation, FreeRuns, Injection, Key
from latentdyn.config.predictors import Predictor
from latentdyn.config.representations import (
    Derived,
    EnCodec,
    Encoder,
    Mimi,
    Outliers,
    Process,
    Provided,
    Representation,
    Surrogate,
)
from latentdyn.config.tables import (
    CalibrationTable,
    ClusteringTable,
    FreeRunsTable,
    GatesTable,
    RegimesTable,
    RolloutTable,
    ScoreCorrectionTable,
    Table,
)
from latentdyn.config.values import Name, Strict
from latentdyn.errors import UserError


class Config(Strict):
    """The whole configuration."""

    schema_version: Literal[1] = Field(description="of the configuration's form")
    corpora: dict[Name, Corpus] = Field(description="utterances and their speakers, by name")
    representations: dict[Name, Representation] = Field(
        description="encoders, known processes and what derives from them, by name"
    )
    predictors: dict[Name, Predictor] = Field({}, description="models of the next step, by name")
    keys: dict[Name, Key] = Field({}, description="coarse views of the context, by name")
    corrections: dict[Name, Correction] = Field({}, description="score models that correct forecasts, by name")
    tables: Annotated[dict[Name, Table], Field(min_length=1)] = Field(description="what a run makes, by name")
    evaluation: Evaluation = Field(Evaluation(), description="how every predictor is scored")
    clustering: Clustering = Field(Clustering(), description="how every key is scored")
    compute: Compute = Field(Compute(), description="where, and in which arithmetic")
    injection: Injection = Field(Injection(), description="forecasts of a few steps")
    free_runs: FreeRuns = Field(FreeRuns(), description="long free runs")

    @model_validator(mode="after")
    def _names_resolve(self) -> "Config":
        for name, representation in self.representations.items():
            if isinstance(representation, Derived):
                self._check_sources(name)
            if isinstance(representation, (Mimi, EnCodec)):
                _check_revision(f"representations.{name}", representation)
        for name in self.predictors:
            self._check_start(name)
        for name in self.predictors.keys() & self.keys.keys():
            raise ValueError(f"keys.{name}: a predictor has this name too, and rows of tables could not be told apart")
        for name in self.corrections.keys() & (self.predictors.keys() | self.keys.keys()):
            raise ValueError(f"corrections.{name}: a predictor or key has this name too, and its folder of results")
        for name, table in self.tables.items():
            self._check_table(f"tables.{name}", table)
        return self

    def _check_sources(self, name: str) -> None:
        chain = [name]
        while isinstance(node := self.representations.get(chain[-1]), Derived):
            if node.source in chain:
                raise ValueError(f"representations.{name}.source: goes round in a circle ({' -> '.join(chain)})")
            chain.append(node.source)
        if node is None:
            raise ValueError(f"representations.{chain[-2]}.source: no representation is named '{chain[-1]}'")

    def _check_start(self, name: str) -> None:
        where, chain = f"predictors.{name}.starts_from", [name]
        while (start := getattr(self.predictors[chain[-1]], "starts_from", None)) is not None:
            if start not in self.predictors:
                raise ValueError(f"predictors.{chain[-1]}.starts_from: no predictor is named '{start}'")
            if start in chain:
                raise ValueError(f"{where}: goes round in a circle ({' -> '.join([*chain, start])})")
            chain.append(start)
        if len(chain) == 1:
            return
        mine, its = (self.predictors[n].model_dump() for n in chain[:2])
        differs = [key for key in sorted({*mine, *its}) if mine.get(key) != its.get(key) and not _may_differ(key)]
        if differs:
            raise ValueError(f"{where}: '{chain[1]}' has another {', another '.join(differs)}")
        missing = sorted(set(mine["horizons"]) - set(its["horizons"]))
        if missing:
            raise ValueError(f"{where}: '{chain[1]}' is not trained at k = {missing}")

    def _check_table(self, where: str, table: Table) -> None:
        if isinstance(table, CalibrationTable):
            self._check_calibration(where, table)
        for key in ("corpora", "representations", "predictors", "keys"):
            for name in _named(getattr(table, key, [])):
                if name not in getattr(self, key):
                    known = ", ".join(sorted(getattr(self, key))) or "none"
                    raise ValueError(f"{where}.{key}: '{name}' is not defined (defined: {known})")
        for corpus in table.corpora:
            for name in table.representations:
                root, needed = self.root_representation(name), _CORPUS_OF.get(type(self.corpora[corpus]), Encoder)
                if not isinstance(root, needed):
                    raise ValueError(
                        f"{where}: corpus '{corpus}' (kind {self.corpora[corpus].kind}) cannot give representation "
                        f"'{name}': kind provided goes with corpora of kind latents, known processes with corpora of "
                        "kind synthetic, every codec with audio"
                    )
        if isinstance(table, CalibrationTable):
            return
        if isinstance(table, RolloutTable):
            self._check_rollouts(where, table)
        # forecasts are made where their ceilings are, which have the horizons of the predictor that they began with
        horizons_of = {n: self.origin(n) if isinstance(table, RolloutTable) else n for n in table.predictors}
        scored = [(f"predictor '{n}'", self.predictors[n].window_frames, self.predictors[origin].horizons[-1])
                  for n, origin in horizons_of.items()]  # fmt: skip
        if isinstance(table, ClusteringTable):
            scored.append(("clustering", self.clustering.window_frames, self.clustering.longest_horizon))
        if len({(window, longest) for _, window, longest in scored}) > 1:
            raise ValueError(
                f"{where}: {' and '.join(name for name, *_ in scored)} differ in window_frames or in their longest "
                "horizon, so their rows would be measured on different frames"
            )
        horizons = [1] if isinstance(table, (ClusteringTable, RolloutTable)) else table.horizons
        for name in table.predictors:
            missing = sorted(set(horizons) - set(self.predictors[name].horizons))
            if missing:
                raise ValueError(f"{where}.horizons: predictor '{name}' is not trained at k = {missing}")

    def _check_calibration(self, where: str, table: "CalibrationTable") -> None:
        for section, names in (("predictors", table.predictors), ("keys", table.keys)):
            for name in names:
                if name not in self.representations:
                    raise ValueError(f"{where}.{section}.{name}: no representation is named '{name}'")
                process = self.representations[name]
                if isinstance(process, Outliers) and section == "predictors":
                    if table.predictors.get(process.source) != table.predictors[name]:
                        raise ValueError(
                            f"{where}.{section}.{name}: it is compared with '{process.source}', which must be listed "
                            "with the same predictor"
                        )
                    process = self.representations[process.source]
                if not isinstance(process, Process):
                    raise ValueError(f"{where}.{section}.{name}: not a process whose exact values are known")

    def _check_rollouts(self, where: str, table: "RolloutTable") -> None:
        of_generation = isinstance(table, FreeRunsTable)
        section = "free_runs.split" if of_generation else "injection.splits"
        measured = {self.free_runs.split} if of_generation else set(self.injection.splits)
        missing = sorted(set(table.splits) - measured)
        if missing:
            raise ValueError(f"{where}.splits: {', '.join(missing)} not among {section}")
        if isinstance(table, RegimesTable) and (regime := self.predictors[table.against].regime) != "teacher_forced":
            raise ValueError(f"{where}.against: '{table.against}' is trained by {regime}, a control by teacher_forced")
        if isinstance(table, ScoreCorrectionTable) and table.correction not in self.corrections:
            known = ", ".join(sorted(self.corrections)) or "none"
            raise ValueError(f"{where}.correction: '{table.correction}' is not defined (defined: {known})")

    @cached_property
    def all_representations(self) -> dict[str, "Representation"]:
        """The representations of the config, and the surrogates that tables ask for."""
        return self.representations | {
            f"{source}__{method}": Surrogate(kind="surrogate", source=source, method=method)
            for table in self.tables.values()
            for source in table.representations
            for method in getattr(table, "surrogates", [])
        }

    @cached_property
    def all_predictors(self) -> dict[str, "Predictor"]:
        """The predictors of the config, and the unconditional one beside each."""
        twins = {f"{name}__unconditional": predictor.unconditional() for name, predictor in self.predictors.items()}
        return self.predictors | {name: twin for name, twin in twins.items() if twin is not None}

    def origin(self, predictor: str) -> str:
        """The predictor that another one continues, or that which that one continues, and so on; or itself."""
        while (start := getattr(self.all_predictors[predictor], "starts_from", None)) is not None:
            predictor = start
        return predictor

    def rows(self, table: Table) -> list[str]:
        """The representations of a table, each followed by its surrogates."""
        methods = getattr(table, "surrogates", [])
        return [row for name in table.representations for row in (name, *(f"{name}__{method}" for method in methods))]

    def predictions(self, table: Table) -> list[tuple[str, str, int]]:
        """The (representation, predictor, seed) that a table's rows are measured with, unconditional ones included."""
        if isinstance(table, GatesTable):
            return self.rollouts(table)
        if isinstance(table, RolloutTable):
            return []
        if isinstance(table, CalibrationTable):
            pairs = [(r, p) for r, p in table.predictors.items()]
        else:
            pairs = [(r, p) for r in self.rows(table) for p in table.predictors]
        found = []
        for representation, name in pairs:
            for predictor in (name, f"{name}__unconditional"):
                if predictor in self.all_predictors:
                    drawn = table.seeds[:1] if self.all_predictors[predictor].closed_form else table.seeds
                    found += [(representation, predictor, seed) for seed in drawn]
        return found

    def rollouts(self, table: Table) -> list[tuple[str, str, int]]:
        """The (representation, predictor, seed) whose forecasts or free runs a table shows."""
        if not isinstance(table, RolloutTable):
            return []
        return [
            (representation, predictor, seed)
            for representation in self.rows(table)
            for predictor in table.predictors
            for seed in (table.seeds[:1] if self.predictors[predictor].closed_form else table.seeds)
        ]

    def clusterings(self, table: Table) -> list[tuple[str, str]]:
        """The (representation, key) that a table's rows are measured with."""
        if isinstance(table, CalibrationTable):
            return [(r, key) for r, keys in table.keys.items() for key in keys]
        return [(r, key) for r in self.rows(table) for key in getattr(table, "keys", [])]

    def derivation(self, name: str) -> list["Representation"]:
        """A representation, what it derives from, and so on to the encoder, process or provided latents."""
        chain = [self.all_representations[name]]
        while isinstance(chain[-1], Derived):
            chain.append(self.all_representations[chain[-1].source])
        return chain

    def root_representation(self, name: str) -> "Encoder | Provided | Process":
        """What stands at the start of a chain of derived representations."""
        return self.derivation(name)[-1]  # type: ignore[return-value]


_CORPUS_OF: dict[type, Any] = {Latents: Provided, Synthetic: Process}  # what a corpus gives, if not audio to encode


def _may_differ(setting: str) -> bool:
    """Whether a predictor may differ in this from the one that it starts from: its weights mean the same."""
    return setting in ("training", "horizons", "starts_from", "context_clip") or setting.endswith(("_min", "_max"))


def _named(names: list[str] | dict[str, Any]) -> list[str]:
    """The names in a table's list, or in the values of its mapping."""
    if isinstance(names, dict):
        return [name for value in names.values() for name in ([value] if isinstance(value, str) else value)]
    return names


def _check_revision(where: str, codec: Mimi | EnCodec) -> None:
    is_hub_id = re.fullmatch(r"[\w.-]+/[\w.-]+", codec.checkpoint) and not Path(codec.checkpoint).is_dir()
    if is_hub_id and codec.revision is None:
        raise ValueError(
            f"{where}.revision: pin the commit of '{codec.checkpoint}', or results cannot be told from those of "
            "other weights"
        )


def load_config(values: dict[str, Any]) -> Config:
    """Validate a merged configuration.

    Raises:
        UserError: names each mistake by its dotted path.
    """
    try:
        return Config.model_validate_json(json.dumps(values))
    except ValidationError as error:
        mistakes = "; ".join(_describe(mistake) for mistake in error.errors())
        raise UserError(
            f"the configuration is not valid: {mistakes}",
            "the merged config (config/config.yaml and every --configfile, --config)",
            "correct the keys named above; config/README.md lists every key",
        ) from None


def _describe(mistake: Any) -> str:
    place = list(mistake["loc"])
    if len(place) >= 3 and place[0] in {"corpora", "representations", "predictors", "keys", "tables"}:
        del place[2]  # pydantic puts the chosen member of a union (its kind) there, where the user has written no key
    for union in ("network", "regime"):
        if place[:1] == ["predictors"] and union in place[:-1]:
            del place[place.index(union) + 1]  # and there
    dotted = ".".join(str(part) for part in place)
    message = "unknown key" if mistake["type"] == "extra_forbidden" else mistake["msg"].removeprefix("Value error, ")
    return f"{dotted}: {message}" if dotted else message


def json_schema() -> str:
    return json.dumps(Config.model_json_schema(), indent=1, sort_keys=True) + "\n"
