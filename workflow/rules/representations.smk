# Every representation ends in one store: latents.zarr and its handle latents.json; frames.parquet indexes it.


rule encode_latents:
    """Encode one part of a corpus; a killed job continues after its last finished utterance."""
    input:
        part="results/{corpus}/parts/{part}of{n_parts}.parquet",
        weights=encoder_files,
    output:
        store=directory("results/{corpus}/{representation}/parts/{part}of{n_parts}.zarr"),
        handle="results/{corpus}/{representation}/parts/{part}of{n_parts}.json",
    log:
        "results/{corpus}/{representation}/logs/encode_latents/{part}of{n_parts}.log",
    wildcard_constraints:
        representation=one_of(of_family(Encoder)),
    conda:
        "../envs/latentdyn.yaml"
    threads: 1
    resources:
        gpu=lambda w: int(representation_of(w).needs_gpu),
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=encoding_minutes,
    params:
        inputs=presence,
        float32_matmul=CONFIG.compute.float32_matmul,
        code=lambda w: code_digest("latentdyn.steps.encode_latents", representation_of(w).module),
        audio=corpus_root,
        representation=lambda w: representation_of(w).canonical(),
        state="results/.state/encode_latents/{corpus}/{representation}/{part}of{n_parts}",
    shell:
        "python -m latentdyn.steps.encode_latents --part {input.part:q} --audio={params.audio:q}"
        " --representation {params.representation:q} --code {params.code} --state {params.state:q}"
        " --handle {output.handle:q} --float32-matmul {params.float32_matmul:q} >{log:q} 2>&1"


rule merge_latents:
    """Join the encoded parts into one store, without copying a frame."""
    input:
        lambda w: [
            f"results/{w.corpus}/{w.representation}/parts/{part}of{corpus_of(w).encoding_parts}.json"
            for part in range(corpus_of(w).encoding_parts)
        ],
    output:
        store=directory("results/{corpus}/{representation}/latents.zarr"),
        handle="results/{corpus}/{representation}/latents.json",
    log:
        "results/{corpus}/{representation}/logs/merge_latents.log",
    wildcard_constraints:
        representation=one_of(of_family(Encoder)),
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=lambda w, attempt: 60 * attempt,
    params:
        inputs=presence,
        code=code_digest("latentdyn.steps.merge_latents"),
    shell:
        "python -m latentdyn.steps.merge_latents --parts {input:q} --handle {output.handle:q} >{log:q} 2>&1"


rule import_latents:
    """Write latents that the user brings into a store."""
    input:
        "results/{corpus}/manifest.json",
    output:
        store=directory("results/{corpus}/{representation}/latents.zarr"),
        handle="results/{corpus}/{representation}/latents.json",
    log:
        "results/{corpus}/{representation}/logs/import_latents.log",
    wildcard_constraints:
        representation=one_of(of_family(Provided)),
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=lambda w, attempt: 60 * attempt,
    params:
        inputs=presence,
        code=code_digest("latentdyn.steps.import_latents"),
        manifest="results/{corpus}/manifest.parquet",
        root=lambda w: str(Path(corpus_of(w).index).parent),
        frame_rate_hz=lambda w: corpus_of(w).frame_rate_hz,
        representation=lambda w: representation_of(w).canonical(),
    shell:
        "python -m latentdyn.steps.import_latents --manifest {params.manifest:q} --root={params.root:q}"
        " --frame-rate-hz {params.frame_rate_hz} --representation {params.representation:q}"
        " --handle {output.handle:q} >{log:q} 2>&1"


rule derive_latents:
    """Make a derived representation of any kind from the latents of another one."""
    input:
        source=source_of,
        model=learned_model_of,
        splits="results/{corpus}/splits.parquet",
    output:
        store=directory("results/{corpus}/{representation}/latents.zarr"),
        handle="results/{corpus}/{representation}/latents.json",
    log:
        "results/{corpus}/{representation}/logs/derive_latents.log",
    wildcard_constraints:
        representation=one_of(of_family(Derived)),
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=lambda w, attempt: 3000 * attempt,
        runtime=minutes(30, mb_per_minute=100),
    params:
        inputs=presence,
        code=lambda w: code_digest("latentdyn.steps.derive_latents", representation_of(w).module),
        representation=lambda w: representation_of(w).canonical(),
    shell:
        "python -m latentdyn.steps.derive_latents --source {input.source:q} --model {input.model:q} --splits {input.splits:q}"
        " --representation {params.representation:q} --handle {output.handle:q} >{log:q} 2>&1"


rule simulate_process:
    """Draw a corpus's utterances from a process whose exact predictability is known."""
    input:
        "results/{corpus}/manifest.json",
    output:
        store=directory("results/{corpus}/{representation}/latents.zarr"),
        handle="results/{corpus}/{representation}/latents.json",
    log:
        "results/{corpus}/{representation}/logs/simulate_process.log",
    wildcard_constraints:
        representation=one_of(of_family(Process)),
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=lambda w, attempt: 60 * attempt,
    params:
        inputs=presence,
        code=lambda w: code_digest("latentdyn.steps.simulate_process", representation_of(w).module),
        manifest="results/{corpus}/manifest.parquet",
        frame_rate_hz=lambda w: corpus_of(w).frame_rate_hz,
        representation=lambda w: representation_of(w).canonical(),
    shell:
        "python -m latentdyn.steps.simulate_process --manifest {params.manifest:q}"
        " --frame-rate-hz {params.frame_rate_hz} --representation {params.representation:q}"
        " --handle {output.handle:q} >{log:q} 2>&1"


rule index_frames:
    """Index every frame: whose it is, when, in which split and slices."""
    input:
        latents="results/{corpus}/{representation}/latents.json",
        splits="results/{corpus}/splits.parquet",
    output:
        frames="results/{corpus}/{representation}/frames.parquet",
        handle="results/{corpus}/{representation}/frames.json",
    log:
        "results/{corpus}/{representation}/logs/index_frames.log",
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=lambda w, attempt: 3000 * attempt,
        runtime=minutes(30, mb_per_minute=100),
    params:
        inputs=presence,
        code=code_digest("latentdyn.steps.index_frames"),
        max_nonfinite_share=lambda w: corpus_of(w).max_nonfinite_share,
    shell:
        "python -m latentdyn.steps.index_frames --latents {input.latents:q} --splits {input.splits:q}"
        " --max-nonfinite-share {params.max_nonfinite_share}"
        " --frames {output.frames:q} --handle {output.handle:q} >{log:q} 2>&1"
