"""Optional packages: those that judge audio are heavy, and no other part of the project needs them."""

import importlib
from typing import Any

from latentdyn.errors import UserError

_INSTALL = {  # what pip is told, where the extra does not hold the package: this one asks for one that must be built
    "resemblyzer": "pip install --no-deps resemblyzer webrtcvad-wheels",
}


def load(module: str, wanted: str, of: str = "scores") -> Any:
    """Import an optional package.

    Args:
        module: to import. wanted: what needs it, of the list of this name in the config.

    Raises:
        UserError: it is not installed, or something that it imports is not. It says the pip command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        missing = error.name if error.name and error.name.partition(".")[0] != package else package
        command = _INSTALL.get(package, "pip install 'latentdyn[perception]'")
        raise UserError(
            f"{wanted} needs the package {package}, and {missing} cannot be imported",
            f"{of}: {wanted}",
            f"install it ({command}; in a checkout: pip install '.[perception]'), or leave {wanted} out of `{of}`",
        ) from None
