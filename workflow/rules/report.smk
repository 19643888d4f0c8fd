# The page of a corpus: `snakemake report` makes all tables and figures, and then results/{corpus}/report.html of them.
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


rule write_report:
    """What a corpus's tables say, the tables, figures and sounds themselves, and where they are from: one file."""
    input:
        sheets=lambda w: [f"results/{w.corpus}/tables/{name}.sheet.json" for name in tables_of(w.corpus)],
        tables=lambda w: [f"results/{w.corpus}/tables/{name}.csv" for name in tables_of(w.corpus)],
        figures=lambda w: [f"results/{w.corpus}/figures/{name}.svg" for name in tables_of(w.corpus)],
        certificates=lambda w: certificates(w.corpus),
        heard=lambda w: list(heard_for(w.corpus)),
    output:
        page=report("results/{corpus}/report.html", caption="../report/page.rst", category="{corpus}"),
    log:
        "results/{corpus}/logs/write_report.log",
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        inputs=presence,
        code=code_digest("latentdyn.steps.write_report", presentation=True),
        looks=looks(),
        results="results/{corpus}",
        heard=lambda w: list(heard_for(w.corpus).values()),
    shell:
        "python -m latentdyn.steps.write_report --corpus {wildcards.corpus:q} --results {params.results:q}"
        " --sheets {input.sheets:q} --figures {input.figures:q} --certificates {input.certificates:q}"
        " --heard {params.heard:q} --page {output.page:q} >{log:q} 2>&1"


localrules:
    write_report,
    report,


rule report:
    input:
        rules.all.input,
        [f"results/{corpus}/report.html" for corpus in reported()],
