"""Random processes whose predictability is known exactly, one module a kind, each naming its class `PROCESS`."""
