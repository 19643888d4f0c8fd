# All tables of a corpus in one folder and one document: `snakemake paper`. Which ones, the section `paper` of the config says.


rule write_paper:
    """The tables as CSV, Markdown and LaTeX, each value beside the published one, and one PDF where LaTeX is installed."""
    input:
        sheets=lambda w: [f"results/{w.corpus}/tables/{name}.sheet.json" for name in paper_tables(w.corpus)],
        tables=lambda w: [f"results/{w.corpus}/tables/{name}.csv" for name in paper_tables(w.corpus)],
        figures=lambda w: [f"results/{w.corpus}/figures/{name}.png" for name in paper_tables(w.corpus)],
        splits="results/{corpus}/splits.parquet",
        certificates=lambda w: certificates(w.corpus, ".sheet.json", always=True),
        certificate_tables=lambda w: certificates(w.corpus, ".csv", always=True),
    output:
        folder=directory("results/{corpus}/paper"),
    log:
        "results/{corpus}/logs/write_paper.log",
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        inputs=presence,
        code=code_digest("latentdyn.steps.write_paper", presentation=True),
        kind=lambda w: corpus_of(w).kind,
        questions=questions(),
        meanings=lambda w: canonical_json(meanings(CONFIG, w.corpus)),
        results=lambda w, input: os.path.dirname(input.splits),
    shell:
        "python -m latentdyn.steps.write_paper --corpus {wildcards.corpus:q} --corpus-kind {params.kind:q}"
        " --results {params.results:q} --sheets {input.sheets:q} --figures {input.figures:q}"
        " --certificates {input.certificates:q} --meanings {params.meanings:q}"
        " --splits {input.splits:q} --folder {output.folder:q} >{log:q} 2>&1"


localrules:
    write_paper,
    paper,


rule paper:
    input:
        [f"results/{corpus}/paper" for corpus in reported() if paper_tables(corpus)],
