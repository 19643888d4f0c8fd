# Measurements: what a diagnostic makes of a representation, by a fitted predictor, a key or nothing else. The config knows
# their kinds, and there is one rule for each: measure_lagged, measure_transfer, measure_injection, measure_corrections,
# measure_free_runs, measure_clusters, measure_decoder_tolerance, measure_rate_quality, measure_exp3b_synthetic,
# measure_perceptual_rollouts, measure_free_listening, measure_robustness, measure_readouts, measure_phones,
# measure_archetypes, measure_archetype_sounds, measure_learned, measure_two_stage, measure_factorizer, measure_state_generation,
# measure_state_information. A kind says which models it
# reads, how its files are named, and whether it wants a GPU.
for kind in CONFIG.measurement_kinds():

    rule:
        name:
            f"measure_{kind.measurement}"
        input:
            lambda w, kind=kind: files_of_models(kind, w),
            **heard_from(kind),
            **aligned_by(kind),
            **compared_with(kind),
            latents="results/{corpus}/{representation}/latents.json",
            frames="results/{corpus}/{representation}/frames.json",
        output:
            **files_of(kind),
        log:
            log_of(kind),
        conda:
            "../envs/latentdyn.yaml"
        threads: kind.threads or threads_of
        resources:
            gpu=int(kind.needs_gpu),
            mem_mb=memory(3000, copies=kind.copies),
            runtime=minutes(kind.minutes[0], mb_per_minute=kind.minutes[1]),
        params:
            inputs=presence,
            float32_matmul=CONFIG.compute.float32_matmul,
            code=lambda w, kind=kind: code_digest("latentdyn.steps.measure", *code_of(kind, w)),
            identity=lambda w, kind=kind: canonical_json(measurement_of(kind, w).identity()),
            models=lambda w, kind=kind: canonical_json(models_of(kind, w)),
            settings=lambda w, kind=kind: canonical_json(kind.settings(CONFIG, *names_of(kind, w))),
            device="any" if kind.needs_gpu else "cpu",
            sums=lambda w, output: output.get("sums", []),
            decoding=lambda w, kind=kind: decoding_of(kind, w),
            chains=lambda w, kind=kind: chains_of(kind, w),
            alignments=lambda w, kind=kind: alignments_of(kind, w),
            recordings=lambda w, kind=kind: recordings_of(kind, w),
            folder=lambda w, output: output.get("folder", []),
        shell:
            "python -m latentdyn.steps.measure --identity {params.identity:q} --latents {input.latents:q}"
            " --frames {input.frames:q} --models {params.models:q} --settings {params.settings:q}"
            " --device {params.device} --float32-matmul {params.float32_matmul:q}"
            " --decoding {params.decoding:q} --chains {params.chains:q} --alignments {params.alignments:q}"
            " --recordings {params.recordings:q}"
            " --workers {threads} --folder {params.folder:q}"
            " --metrics {output.metrics:q} --sums {params.sums:q} >{log:q} 2>&1"
