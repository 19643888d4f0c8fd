"""Listings of the files that a user provides, and the presence of a job's inputs."""

import hashlib
import os

import pytest

from latentdyn.errors import UserError
from latentdyn.provenance.listing import update_listing
from latentdyn.provenance.presence import Presence


@pytest.fixture
def tree(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    return tmp_path


def update(tree, known=None, names=("a", "b")):
    """What has changed, and whether Snakemake sees another file."""
    listing = tree / "state" / "corpus.json"
    before = listing.read_bytes() if listing.exists() else None
    changed = update_listing(listing, [tree / name for name in names], known)
    assert bool(changed) == (listing.read_bytes() != before)
    return [os.path.basename(path) for path in changed]


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("known", [None, dict])
def test_the_first_listing_names_all_and_the_second_none(tree, known):
    assert update(tree, known) == ["a", "b"]
    assert update(tree, known) == []


@pytest.mark.parametrize("known", [None, dict])
def test_a_file_of_another_content_and_an_older_date(tree, known):
    update(tree, known)
    (tree / "b").write_text("other")
    os.utime(tree / "b", (1e9, 1e9))
    assert update(tree, known) == ["b"]
    assert update(tree, known) == []


def test_a_touched_file_keeps_its_line_where_its_content_is_known(tree):
    known = {str(tree / name): sha(name) for name in ("a", "b")}
    update(tree, lambda: known)
    os.utime(tree / "a", (1e9, 1e9))
    assert update(tree, lambda: known) == []
    (tree / "a").write_text("A")
    assert update(tree, lambda: known) == ["a"]


def test_a_touched_file_that_is_not_known_counts_as_changed(tree):
    update(tree, dict)
    os.utime(tree / "a", (1e9, 1e9))
    assert update(tree, dict) == ["a"]


def test_contents_are_looked_up_only_where_something_looks_changed(tree):
    def unexpected():
        raise AssertionError("the manifest was read")

    update(tree, unexpected)
    update(tree, unexpected)


def test_a_link_that_is_pointed_at_a_copy_and_at_something_else(tree):
    for name, text in [("copy", "a"), ("other", "x")]:
        (tree / name).write_text(text)
        os.utime(tree / name, (1e9, 1e9))
    (tree / "link").symlink_to("a")
    update(tree, names=["link"])
    for target, changed in [("copy", []), ("other", ["link"]), ("nowhere", ["link"]), ("copy", ["link"])]:
        (tree / "link").unlink()
        (tree / "link").symlink_to(target)
        assert update(tree, names=["link"]) == changed, target


def test_files_that_come_and_go(tree):
    update(tree)
    assert update(tree, names=["a"]) == ["b"]
    assert update(tree) == ["b"]


def test_a_record_that_cannot_be_read_counts_for_nothing(tree):
    update(tree)
    (tree / "state/corpus.seen.json").write_text("{torn")
    listing = tree / "state/corpus.json"
    before = listing.read_bytes()
    update_listing(listing, [tree / "a", tree / "b"])
    assert listing.read_bytes() == before  # weights are read: their versions are their contents


def test_a_folder_that_cannot_be_written_is_told(tree):
    (tree / "state").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot be kept up to date"):
        update_listing(tree / "state/corpus.json", [tree / "a"])


def test_presence_is_nothing_until_a_file_is_gone(tree):
    presence = Presence([str(tree / "a"), str(tree / "b")])
    assert (str(presence), repr(presence)) == ("", "''")
    (tree / "b").unlink()
    assert (str(presence), repr(presence)) == ("", f"gone: {tree / 'b'}")
