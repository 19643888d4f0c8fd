# From recordings to manifest.parquet and splits.parquet.
#   inputs   an existing tree, a download, the demo's own speech, or nothing (corpora of kind synthetic)
#   outputs  results/{corpus}/manifest.{parquet,json}, excluded.parquet, splits.parquet, parts/{part}of{n}.parquet,
#            and manifest_parts/{part}of{n}.parquet where several jobs list a corpus


rule download_corpus:
    """Download a corpus's archive, verify its checksum, and unpack it."""
    output:
        audio=directory("results/{corpus}/audio"),
        handle="results/{corpus}/audio.json",
    log:
        "results/{corpus}/logs/download_corpus.log",
    wildcard_constraints:
        corpus=one_of(corpora_by("download_corpus")),
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=2000,
        runtime=lambda w, attempt: 720 * attempt,
    params:
        code=code_digest("latentdyn.steps.download_corpus"),
        url=lambda w: corpus_of(w).url,
        checksum=lambda w: corpus_of(w).checksum,
        state="results/.state/download_corpus/{corpus}",
    shell:
        "python -m latentdyn.steps.download_corpus --url {params.url:q} --checksum {params.checksum:q}"
        " --state {params.state:q} --out {output.audio:q} --handle {output.handle:q} >{log:q} 2>&1"


rule synthesize_demo:
    """Speak the demo's sentences with its voices, and keep the timings of words and phonemes."""
    output:
        audio=directory("results/{corpus}/audio"),
        handle="results/{corpus}/audio.json",
    log:
        "results/{corpus}/logs/synthesize_demo.log",
    wildcard_constraints:
        corpus=one_of(corpora_by("synthesize_demo")),
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("latentdyn.steps.synthesize_demo"),
        n_speakers=lambda w: corpus_of(w).n_speakers,
        sentences=lambda w: corpus_of(w).sentences_per_speaker,
    shell:
        "python -m latentdyn.steps.synthesize_demo --n-speakers {params.n_speakers}"
        " --sentences-per-speaker {params.sentences} --out {output.audio:q} --handle {output.handle:q} >{log:q} 2>&1"


rule number_utterances:
    """List the speakers and utterances of a corpus without recordings."""
    output:
        manifest="results/{corpus}/manifest.parquet",
        handle="results/{corpus}/manifest.json",
    log:
        "results/{corpus}/logs/number_utterances.log",
    wildcard_constraints:
        corpus=one_of(corpora_by("number_utterances")),
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code_digest("latentdyn.steps.number_utterances"),
        corpus=lambda w: canonical_json(
            corpus_of(w).model_dump(mode="json", exclude={"kind", "splits", "max_nonfinite_share"})
        ),
    shell:
        "python -m latentdyn.steps.number_utterances --corpus {params.corpus:q} --manifest {output.manifest:q}"
        " --handle {output.handle:q} >{log:q} 2>&1"


NOT_OF_MANIFEST = {"splits", "manifest_parts", "encoding_parts", "max_nonfinite_share", "root", "url", "checksum"}


rule build_manifest:
    """Open every recording once: what can be used, and what is set aside with its reason."""
    input:
        corpus_files,
    output:
        manifest="results/{corpus}/manifest.parquet",
        excluded="results/{corpus}/excluded.parquet",
        handle="results/{corpus}/manifest.json",
    log:
        "results/{corpus}/logs/build_manifest.log",
    wildcard_constraints:
        corpus=one_of(corpora_by("build_manifest")),
    conda:
        "../envs/latentdyn.yaml"
    threads: 2
    resources:
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=lambda w, attempt: 120 * attempt,
    params:
        inputs=presence,
        code=code_digest("latentdyn.steps.build_manifest"),
        corpus=lambda w: canonical_json(corpus_of(w).model_dump(mode="json", exclude=NOT_OF_MANIFEST)),
        root=corpus_root,
    shell:
        "python -m latentdyn.steps.build_manifest --corpus {params.corpus:q} --root={params.root:q}"
        " --manifest {output.manifest:q} --excluded {output.excluded:q} --handle {output.handle:q}"
        " --workers {threads} >{log:q} 2>&1"


rule inspect_recordings:
    """Open the recordings of one part once; a large corpus is listed by several jobs."""
    input:
        corpus_files,
    output:
        utterances="results/{corpus}/manifest_parts/{part}of{n_parts}.parquet",
        excluded="results/{corpus}/manifest_parts/{part}of{n_parts}_excluded.parquet",
    log:
        "results/{corpus}/logs/inspect_recordings/{part}of{n_parts}.log",
    wildcard_constraints:
        corpus=one_of(corpora_by("merge_manifests")),
    conda:
        "../envs/latentdyn.yaml"
    threads: 2
    resources:
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=lambda w, attempt: 120 * attempt,
    params:
        inputs=presence,
        code=code_digest("latentdyn.steps.inspect_recordings"),
        corpus=lambda w: canonical_json(
            corpus_of(w).model_dump(
                mode="json",
                exclude={**dict.fromkeys(NOT_OF_MANIFEST, True), "audio": {"max_excluded_share"}},
            )
        ),
        root=corpus_root,
    shell:
        "python -m latentdyn.steps.inspect_recordings --corpus {params.corpus:q} --root={params.root:q}"
        " --part {wildcards.part} --n-parts {wildcards.n_parts} --utterances {output.utterances:q}"
        " --excluded {output.excluded:q} --workers {threads} >{log:q} 2>&1"


rule merge_manifests:
    """Join what was found in the parts of a corpus into its manifest."""
    input:
        utterances=parts_of_manifest(""),
        excluded=parts_of_manifest("_excluded"),
    output:
        manifest="results/{corpus}/manifest.parquet",
        excluded="results/{corpus}/excluded.parquet",
        handle="results/{corpus}/manifest.json",
    log:
        "results/{corpus}/logs/merge_manifests.log",
    wildcard_constraints:
        corpus=one_of(corpora_by("merge_manifests")),
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=lambda w, attempt: 60 * attempt,
    params:
        inputs=presence,
        code=code_digest("latentdyn.steps.merge_manifests"),
        corpus=lambda w: canonical_json(corpus_of(w).model_dump(mode="json", exclude=NOT_OF_MANIFEST)),
    shell:
        "python -m latentdyn.steps.merge_manifests --corpus {params.corpus:q} --utterances {input.utterances:q}"
        " --set-aside {input.excluded:q} --manifest {output.manifest:q} --excluded {output.excluded:q}"
        " --handle {output.handle:q} >{log:q} 2>&1"


rule split_speakers:
    """Assign every speaker to train, validation or eval."""
    input:
        "results/{corpus}/manifest.json",
    output:
        "results/{corpus}/splits.parquet",
    log:
        "results/{corpus}/logs/split_speakers.log",
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        inputs=presence,
        code=code_digest("latentdyn.steps.split_speakers"),
        manifest="results/{corpus}/manifest.parquet",
        splits=lambda w: corpus_of(w).splits.canonical(),
    shell:
        "python -m latentdyn.steps.split_speakers --manifest {params.manifest:q} --splits {params.splits:q}"
        " --out {output:q} >{log:q} 2>&1"


rule partition_manifest:
    """Pick the utterances of one part; parts are encoded as separate jobs."""
    input:
        "results/{corpus}/manifest.json",
    output:
        "results/{corpus}/parts/{part}of{n_parts}.parquet",
    log:
        "results/{corpus}/logs/partition_manifest/{part}of{n_parts}.log",
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        inputs=presence,
        code=code_digest("latentdyn.steps.partition_manifest"),
        manifest="results/{corpus}/manifest.parquet",
    shell:
        "python -m latentdyn.steps.partition_manifest --manifest {params.manifest:q} --part {wildcards.part}"
        " --n-parts {wildcards.n_parts} --out {output:q} >{log:q} 2>&1"


localrules:
    split_speakers,
    partition_manifest,
