"""One module a kind of table, each with `draw`: the same measurements where one would rather look."""
