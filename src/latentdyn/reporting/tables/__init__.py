"""One module a kind of table, each with `tabulate`: from measurements to a sheet beside the published values."""
