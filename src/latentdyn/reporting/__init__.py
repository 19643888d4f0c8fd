"""Tables and figures: views of metric records beside the published values."""
