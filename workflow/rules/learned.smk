# Learned representations: a model is trained on the frames of another representation; derive_latents applies it. There is
# one rule for each kind of model: train_vae, train_factorizer.
for kind in map(word_of, kinds_of(LearnedRepresentation)):

    rule:
        name:
            f"train_{kind}"
        input:
            latents=source_of,
            frames=lambda w: f"results/{w.corpus}/{representation_of(w).source}/frames.json",
            weights=readable(lambda w: weights_of(representation_of(w).source) if listened_through(w) else []),
        output:
            weights=f"results/{{corpus}}/{{representation}}/{kind}.safetensors",
            curve="results/{corpus}/{representation}/curve.parquet",
            handle=f"results/{{corpus}}/{{representation}}/{kind}.json",
        log:
            f"results/{{corpus}}/{{representation}}/logs/train_{kind}.log",
        wildcard_constraints:
            representation=one_of(learned_by(kind)),
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
            code=lambda w: code_digest(
                "latentdyn.steps.train_model",
                *representation_of(w).fitted_by,
                *(codec.module for codec in listened_through(w)),
            ),
            kind=kind,
            settings=lambda w: canonical_json(representation_of(w).model_settings()),
            seed=lambda w: representation_of(w).seed,
            codec=lambda w: [codec.canonical() for codec in listened_through(w)],
            state=f"results/.state/train_{kind}/{{corpus}}/{{representation}}",
        shell:
            "python -m latentdyn.steps.train_model --kind {params.kind:q} --settings {params.settings:q}"
            " --latents {input.latents:q} --frames {input.frames:q} --codec {params.codec:q} --seed {params.seed:q}"
            " --code {params.code} --state {params.state:q}"
            " --curve {output.curve:q} --handle {output.handle:q} --float32-matmul {params.float32_matmul:q} >{log:q} 2>&1"
