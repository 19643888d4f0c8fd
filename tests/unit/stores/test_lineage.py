"""Lineage: what a handle says of its chain, what changes it and what does not."""

import pytest

from latentdyn.errors import UserError
from latentdyn.stores.lineage import check_chain, derived_facts, handle_lineage_name, lineage_name, root_facts

ENCODER = {"kind": "mimi", "checkpoint": "kyutai/mimi", "revision": "abc", "tile_s": 2.56, "dtype": "float16"}
POOLED = {"kind": "pooled", "source": "mimi_main", "frame_rate_hz": 6.25, "dtype": "float32"}
WHITE = {"kind": "surrogate", "source": "slow", "method": "white", "dtype": "float32"}


def chain():
    root = {**root_facts(ENCODER), "digest": "d0"}
    pooled = {**derived_facts(POOLED, root), "digest": "d1"}
    return [root, pooled, {**derived_facts(WHITE, pooled), "digest": "d2"}]


def test_a_handle_says_its_own_kind_its_root_and_every_link():
    root, pooled, white = chain()
    assert (root["kind"], root["root"]) == ("mimi", "mimi")
    assert (pooled["kind"], pooled["root"]) == ("pooled", "mimi")
    assert (white["kind"], white["root"]) == ("surrogate", "mimi")
    encoder = {"checkpoint": "kyutai/mimi", "revision": "abc", "tile_s": 2.56, "dtype": "float16"}
    assert white["lineage"] == [
        {"kind": "mimi", "settings": encoder, "source_digest": None},
        {"kind": "pooled", "settings": {"frame_rate_hz": 6.25, "dtype": "float32"}, "source_digest": "d0"},
        {"kind": "surrogate", "settings": {"method": "white", "dtype": "float32"}, "source_digest": "d1"},
    ]
    assert handle_lineage_name(white) == lineage_name(["mimi", "pooled", "surrogate"]) == "mimi>pooled>surrogate"


def test_where_weights_lie_and_how_a_source_is_named_change_nothing(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one, other = ({**ENCODER, "checkpoint": str(tmp_path / name), "revision": None} for name in ("one", "other"))
    assert root_facts(one) == root_facts(other)
    assert "checkpoint" not in root_facts(one)["lineage"][0]["settings"]
    # a folder may be gone when a handle is compared: it is left out all the same
    streams = [root_facts({"kind": "soundstream", "folder": folder}) for folder in ("a", "b")]
    assert streams[0] == streams[1]
    root = chain()[0]
    assert derived_facts(POOLED, root) == derived_facts({**POOLED, "source": "renamed"}, root)


@pytest.mark.parametrize("change", [{"revision": "def"}, {"checkpoint": "kyutai/other"}, {"tile_s": 1.0}])
def test_other_settings_of_an_encoder_are_another_lineage(change):
    assert root_facts({**ENCODER, **change}) != root_facts(ENCODER)


def test_another_source_is_another_lineage():
    root = chain()[0]
    assert derived_facts(POOLED, root) != derived_facts(POOLED, {**root, "digest": "other"})


def test_a_chain_that_fits_is_accepted_and_no_other():
    root, pooled, white = handles = chain()
    paths = ["root.json", "pooled.json", "white.json"]
    check_chain(handles, paths)
    check_chain([root], paths[:1])
    with pytest.raises(UserError, match=r"mimi>pooled\), so no chain starts with it.*pooled\.json"):
        check_chain([pooled, white], paths[1:])
    with pytest.raises(UserError, match=r"kind surrogate\) was not made from .*white\.json"):
        check_chain([root, white], [paths[0], paths[2]])
    with pytest.raises(UserError, match="was not made from"):  # made again since, with other content
        check_chain([{**root, "digest": "new"}, pooled], paths[:2])
    with pytest.raises(UserError, match="was not made from"):  # its digest alone does not make it the source
        check_chain([{**root_facts({**ENCODER, "tile_s": 1.0}), "digest": "d0"}, pooled], paths[:2])
