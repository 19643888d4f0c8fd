"""What every step shares: its command line, readable errors, exit status."""

import argparse
import errno
import logging
import sys
from collections.abc import Callable

from latentdyn.errors import UserError


def run_step(
    doc: str, add_arguments: Callable[[argparse.ArgumentParser], None], step: Callable[[argparse.Namespace], None]
) -> None:
    """Parse the command line, run the step, and exit with 0, 1 (the input is wrong) or 130 (interrupted).

    A mistake that the user can fix (`UserError`) and a full disk are reported in one paragraph. Anything else is a
    defect of ours and keeps its traceback.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        step(arguments)
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.exit(
            f"error: the disk is full ({error.strerror}). Where: {error.filename or 'the folder of the outputs'}. What "
            "to do: free some space and run the same command again; what was finished is kept and continues from there."
        )
    except KeyboardInterrupt:
        sys.exit(130)
