"""A codec with a decoder that can be listened through, and frames that it made."""

import sys
import types

import numpy as np
import pytest

from latentdyn.stores.lineage import root_facts

from .whistle import CODEC, Codec


@pytest.fixture(autouse=True)
def whistle(monkeypatch):
    module = types.ModuleType("latentdyn.codecs.whistle")
    module.CODEC = Codec
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.fixture
def encoded(make_store, var_process):
    """Two independent dimensions as the codec's own frames, and their index."""
    store, frames = make_store(var_process(np.diag([0.9, 0.8]), 10, 40))
    store.handle.update(root_facts(CODEC), weights_sha256="w")
    return store, frames
