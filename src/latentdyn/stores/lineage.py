"""Lineage: what a store was made of, link by link, from its root to itself.

The root is an encoder, a known process or latents that the user provides. Every store's handle says

    kind      what made this store ("pooled")
    root      the kind of its root ("encodec"); equal to `kind` for a root only
    lineage   a link for each store of the chain, the root first: `kind`, `settings`, and `source_digest`, the digest of
              the store that the link was made from (null for the root)

`settings` are those of the config, without what tells nothing about the content: the name that the config gives to the
source, and the folder on this machine that holds an encoder's weights. Light on purpose: the Snakefile imports it.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from latentdyn.errors import UserError

Link = dict[str, Any]

_FOLDERS = ("checkpoint", "folder")  # settings of encoders that may name a local folder


def root_facts(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The lineage of a store that no other store was read for, as facts of its handle.

    Args:
        settings: its section of the config; `kind` is one of the keys.
    """
    return _facts([_link(settings, None)])


def derived_facts(settings: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    """The lineage of a store that was made from another one, as facts of its handle.

    Args:
        settings: its section of the config. source: the handle of the other store.
    """
    return _facts([*source["lineage"], _link(settings, source["digest"])])


def lineage_name(kinds: Iterable[str]) -> str:
    """The kinds of a chain as one word, the root first: `encodec>pooled>surrogate`."""
    return ">".join(kinds)


def handle_lineage_name(handle: Mapping[str, Any]) -> str:
    """The lineage of the store that a handle stands for, as one word."""
    return lineage_name(link["kind"] for link in handle["lineage"])


def check_chain(handles: Sequence[Mapping[str, Any]], paths: Sequence[Path]) -> None:
    """Check that the first handle is of a root, and that each later store was made from the one before it.

    Args:
        paths: where each handle lies, for the message.

    Raises:
        UserError: a store is not the root, or was made from another store than the one before it.
    """
    if len(handles[0]["lineage"]) != 1:
        raise UserError(
            f"this store is made from another one ({handle_lineage_name(handles[0])}), so no chain starts with it",
            paths[0],
            "name the handles of the whole chain, from the root on",
        )
    for before, after, path in zip(handles, handles[1:], paths[1:], strict=False):
        *earlier, own = after["lineage"]
        if own["source_digest"] != before["digest"] or earlier != before["lineage"]:
            raise UserError(
                f"this store (kind {after['kind']}) was not made from the store before it in the chain (kind "
                f"{before['kind']}), or that one has changed since",
                path,
                "name the handles in order, from the root on, and let Snakemake make this store again",
            )


def _facts(lineage: list[Link]) -> dict[str, Any]:
    return {"kind": lineage[-1]["kind"], "root": lineage[0]["kind"], "lineage": lineage}


def _link(settings: Mapping[str, Any], source_digest: str | None) -> Link:
    kept = {name: value for name, value in settings.items() if name not in ("kind", "source")}
    for name in _FOLDERS:
        if isinstance(kept.get(name), str) and (name == "folder" or Path(kept[name]).expanduser().is_dir()):
            del kept[name]
    return {"kind": settings["kind"], "settings": kept, "source_digest": source_digest}
