"""One thin command for each kind of job: parse arguments, call the library, write files. Nothing imports these."""
