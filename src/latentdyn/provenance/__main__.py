"""Say what counts in the digest of a step's code, so that one can see why it runs again.

    python -m latentdyn.provenance latentdyn.steps.train_model latentdyn.predictors.mdn

prints the digest, and a line for each definition: the start of its own digest, and its name. Compare the lines of two
versions (with diff) to see which definition changed.
"""

import argparse

from latentdyn.provenance.code import code_digest, definition_digests


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m latentdyn.provenance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("entries", nargs="+", metavar="ENTRY", help="a module, or module:name for one definition")
    parser.add_argument("--presentation", action="store_true", help="as for a table or a figure")
    arguments = parser.parse_args()
    try:
        digest = code_digest(*arguments.entries, presentation=arguments.presentation)
    except ImportError as error:
        parser.error(str(error))
    print(digest)
    for label, own in definition_digests(*arguments.entries, presentation=arguments.presentation):
        print(own[:8], label)


if __name__ == "__main__":
    main()
