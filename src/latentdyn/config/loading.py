"""From the merged YAML files to a checked configuration, and its JSON schema."""

import json
from typing import Any

from pydantic import ValidationError

from latentdyn.config.root import Config
from latentdyn.errors import UserError

_SECTIONS_OF_KINDS = {"corpora", "representations", "predictors", "keys", "tables"}


def load_config(values: dict[str, Any]) -> Config:
    """Validate a merged configuration.

    Raises:
        UserError: names each mistake by its dotted path.
    """
    if (odd := _not_json(values)) is not None:
        raise UserError(
            f"the configuration is not valid: {odd}: a date or another value that is neither text nor number",
            "the merged config (config/config.yaml and every --configfile, --config)",
            "put quotes around it, if it is meant as text",
        )
    try:
        return Config.model_validate_json(json.dumps(values))
    except ValidationError as error:
        mistakes = "; ".join(_describe(mistake) for mistake in error.errors())
        raise UserError(
            f"the configuration is not valid: {mistakes}",
            "the merged config (config/config.yaml and every --configfile, --config)",
            "correct the keys named above; config/README.md lists every key",
        ) from None


def _not_json(value: Any, path: str = "") -> str | None:
    """The dotted path of a key or value that JSON cannot hold; None without one."""
    if isinstance(value, dict):
        found = (_not_json(inner, f"{path}.{key}".lstrip(".")) for key, inner in value.items())
        odd_key = (f"{path}.{key}".lstrip(".") for key in value if not isinstance(key, str))
        return next(odd_key, None) or next((name for name in found if name), None)
    if isinstance(value, list):
        return next((name for i, inner in enumerate(value) if (name := _not_json(inner, f"{path}.{i}"))), None)
    return None if value is None or isinstance(value, (str, int, float, bool)) else path


def _describe(mistake: Any) -> str:
    place = list(mistake["loc"])
    if len(place) >= 3 and place[0] in _SECTIONS_OF_KINDS:
        del place[2]  # pydantic puts the chosen member of a union (its kind) there, where the user has written no key
    for union in ("network", "regime"):
        if place[:1] == ["predictors"] and union in place[:-1]:
            del place[place.index(union) + 1]  # and there
    dotted = ".".join(str(part) for part in place)
    message = "unknown key" if mistake["type"] == "extra_forbidden" else mistake["msg"].removeprefix("Value error, ")
    return f"{dotted}: {message}" if dotted else message


def json_schema() -> str:
    return json.dumps(Config.model_json_schema(), indent=1, sort_keys=True) + "\n"
