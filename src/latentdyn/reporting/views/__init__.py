"""One module a kind of table: `tabulate` makes its sheet, `draw` its figure, from the same measurements."""
