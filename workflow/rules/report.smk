# The page of a corpus: `snakemake report` makes all tables and figures, and then results/{corpus}/report.html of them.


rule write_report:
    """What a corpus's tables say, the tables, figures and sounds themselves, and where they are from: one file."""
    input:
        sheets=lambda w: [f"results/{w.corpus}/tables/{name}.sheet.json" for name in tables_of(w.corpus)],
        splits="results/{corpus}/splits.parquet",
        tables=lambda w: [f"results/{w.corpus}/tables/{name}.csv" for name in tables_of(w.corpus)],
        figures=lambda w: [f"results/{w.corpus}/figures/{name}.svg" for name in tables_of(w.corpus)],
        certificates=lambda w: certificates(w.corpus, ".sheet.json"),
        certificate_tables=lambda w: certificates(w.corpus, ".csv"),
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
        meanings=lambda w: canonical_json(meanings(CONFIG, w.corpus)),
        results=lambda w, input: os.path.dirname(input.splits),
        heard=lambda w: list(heard_for(w.corpus).values()),
    shell:
        "python -m latentdyn.steps.write_report --corpus {wildcards.corpus:q} --results {params.results:q}"
        " --sheets {input.sheets:q} --figures {input.figures:q} --certificates {input.certificates:q}"
        " --heard {params.heard:q} --meanings {params.meanings:q} --splits {input.splits:q} --page {output.page:q} >{log:q} 2>&1"


localrules:
    write_report,
    report,


rule report:
    input:
        rules.all.input,
        [f"results/{corpus}/report.html" for corpus in reported()],
