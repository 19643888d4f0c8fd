"""The certificate: what is predictable in some latents, by closed forms and beside controls, in one call."""
