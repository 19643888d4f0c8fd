# What the rules of the report and of the paper share: which tables a corpus has, and what is shown beside them.
from latentdyn.files import file_sha256


def reported():
    """The corpora that have tables."""
    return list(dict.fromkeys(corpus for table in CONFIG.tables.values() for corpus in table.corpora))


def tables_of(corpus):
    """The names of a corpus's tables."""
    return [name for name, table in CONFIG.tables.items() if corpus in table.corpora]


def certificates(corpus):
    """The tables of known answers that are another corpus's: whether what this one shows was measured rightly."""
    return [
        f"results/{other}/tables/{name}.sheet.json"
        for name, table in CONFIG.tables.items()
        for other in table.corpora
        if table.kind == "calibration" and other != corpus
    ]


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


def looks():
    """Digests of what a page is made of beside code: its template, styles and script, and the questions."""
    reporting = Path(_SOURCE) / "latentdyn/reporting"
    files = [reporting / "questions.yaml", *sorted((reporting / "page").glob("report.*"))]
    return {file.name: file_sha256(file) for file in files}


def paper_tables(corpus):
    """The tables of a corpus's document, in order."""
    return [name for name in CONFIG.paper.tables or CONFIG.tables if corpus in CONFIG.tables[name].corpora]
