"""Arrays in `.npy` files, which hold one whole array or are refused with a reason.

NumPy's reader gives the first array of a file that holds more, and fails in many ways on damaged headers.
"""

import math
import tokenize
from pathlib import Path
from typing import Any

import numpy as np

from latentdyn.pointers import find_pointer

_LONGEST = 1 << 48
_PARSER_ERRORS = (  # what damaged headers were seen to make of NumPy's parser, which reads them as Python
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, SyntaxError, TypeError, ValueError,
    tokenize.TokenError,
)  # fmt: skip


class NpyError(Exception):
    """The file is not one whole array."""


def open_npy(path: Path) -> np.ndarray:
    """Map an array into memory, to be read only. Pickled objects are never loaded.

    Raises:
        NpyError: the file is no .npy, or holds more or less than the array of its header.
        OSError: the file cannot be opened.
    """
    if pointer := find_pointer(path):
        raise NpyError(pointer)
    with open(path, "rb") as file:
        shape, fortran_order, dtype = _header(file)
        start, size = file.tell(), file.seek(0, 2)
    if dtype.hasobject:
        raise NpyError("it holds Python objects, not numbers")
    if not all(0 <= length <= _LONGEST for length in shape):
        raise NpyError(f"its header states the shape {shape}")
    missing = start + math.prod(shape) * dtype.itemsize - size
    if missing > 0:
        raise NpyError(f"its header promises {missing} bytes more than the file has")
    if missing < 0:
        raise NpyError(
            f"it holds {-missing} bytes more than the array of its header, perhaps a second array; save one in a file"
        )
    if 0 in shape:
        return np.empty(shape, dtype)  # nothing to map
    mapped: np.ndarray = np.memmap(path, dtype, "r", start, shape, "F" if fortran_order else "C")
    return mapped


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        if np.lib.format.read_magic(file) == (1, 0):
            return np.lib.format.read_array_header_1_0(file)
        return np.lib.format.read_array_header_2_0(file)
    except _PARSER_ERRORS as error:
        placed = isinstance(error, (SyntaxError, tokenize.TokenError))  # a place within the header follows the reason
        reason = str(error.args[0] if placed else error).strip().splitlines()
        raise NpyError(f"this is not a whole .npy ({reason[0] if reason else type(error).__name__})") from None
