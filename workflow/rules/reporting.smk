# What the rules of the report and of the paper share: which tables a corpus has, and what is shown beside them.
import os

from latentdyn.config.meanings import meanings
from latentdyn.files import file_sha256


def reported():
    """The corpora that have tables."""
    return list(dict.fromkeys(corpus for table in CONFIG.tables.values() for corpus in table.corpora))


def tables_of(corpus):
    """The names of a corpus's tables."""
    return [name for name, table in CONFIG.tables.items() if corpus in table.corpora]


_KNOWN = "known_answers", "calibration"  # the corpus and the table of config/calibration.yaml


def certificates(corpus, ending, always=False):
    """The tables of known answers that are another corpus's: whether what this one shows was measured rightly.

    The paper (`always`) and a page that judges learned representations also read the one that a run of
    config/calibration.yaml alone has left. No rule of this configuration makes it, so it is used where it is there, and
    never waited for.
    """
    tables = [
        (other, name)
        for name, table in CONFIG.tables.items()
        for other in table.corpora
        if table.kind == "calibration" and other != corpus
    ]
    judged = always or any(CONFIG.tables[name].kind == "learned" for name in tables_of(corpus))
    if judged and _KNOWN[0] not in CONFIG.corpora and all(map(os.path.isfile, _files_of(*_KNOWN))):
        tables.append(_KNOWN)
    return [file for table in tables for file in _files_of(*table) if file.endswith(ending)]


def _files_of(corpus, table):
    return [f"results/{corpus}/tables/{table}{ending}" for ending in (".sheet.json", ".csv")]


def heard_for(corpus):
    """The folders of WAV files that measurements for a corpus's tables write, by the handle of the measurement."""
    found = {}
    for name in tables_of(corpus):
        for m in CONFIG.tables[name].measurements(CONFIG, corpus):
            kind = CONFIG.measurement_kind(m.kind)
            if kind.folder:
                folder = measured_by(kind).format(
                    corpus=m.corpus, representation=m.representation, predictor=m.by, key=m.by, seed=m.seed
                )
                found[f"{folder}/{m.metrics}"] = f"{folder}/{kind.folder}"
    return found


_REPORTING = Path(_SOURCE) / "latentdyn/reporting"


def questions():
    """Digests of the questions and of the gates, which say what is told of tables, and of the words that are explained."""
    told = {name: file_sha256(_REPORTING / f"{name}.yaml") for name in ("questions", "terms")}
    return told | {"gates": gates_digest(["all"])}


def looks():
    """Digests of what a page is made of beside code: its template, styles and script, and what is told."""
    files = sorted((_REPORTING / "page").glob("report.*"))
    return {file.name: file_sha256(file) for file in files} | questions()


def paper_tables(corpus):
    """The tables of a corpus's document, in order."""
    return [name for name in CONFIG.paper.tables or CONFIG.tables if corpus in CONFIG.tables[name].corpora]
