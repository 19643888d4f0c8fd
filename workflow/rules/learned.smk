# Learned representations: a model is trained on the frames of another representation; derive_latents applies it.


rule train_vae:
    """Fit a beta-VAE to the training speakers' frames of its source; a killed job continues."""
    input:
        latents=source_of,
        frames=lambda w: f"results/{w.corpus}/{representation_of(w).source}/frames.json",
    output:
        weights="results/{corpus}/{representation}/vae.safetensors",
        curve="results/{corpus}/{representation}/curve.parquet",
        handle="results/{corpus}/{representation}/vae.json",
    log:
        "results/{corpus}/{representation}/logs/train_vae.log",
    benchmark:
        "results/{corpus}/{representation}/benchmarks/train_vae.tsv"
    wildcard_constraints:
        representation=one_of(of_family(VAE)),
    conda:
        "../envs/latentdyn.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=memory(3000, copies=1.2),
        runtime=minutes(120, mb_per_minute=50),
    params:
        inputs=presence,
        float32_matmul=CONFIG.compute.float32_matmul,
        code=code_digest("latentdyn.steps.train_model", MODELS.module("vae")),
        settings=lambda w: canonical_json(representation_of(w).model_settings()),
        seed=lambda w: representation_of(w).seed,
        state="results/.state/train_vae/{corpus}/{representation}",
    shell:
        "python -m latentdyn.steps.train_model --kind vae --settings {params.settings:q}"
        " --latents {input.latents:q} --frames {input.frames:q} --seed {params.seed:q}"
        " --code {params.code} --state {params.state:q}"
        " --curve {output.curve:q} --handle {output.handle:q} --float32-matmul {params.float32_matmul:q} >{log:q} 2>&1"
