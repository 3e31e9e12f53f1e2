"""The rows of the op grid: how to call every op and on which inputs.

One line an op. The rows of a family live in op_rows_<family>.py; a gap is a visible row with its
reason (`gaps=`), never an absence.
"""

import importlib
import pathlib

ROWS = []
for path in sorted(pathlib.Path(__file__).parent.glob("op_rows_*.py")):
    ROWS += importlib.import_module(path.stem).ROWS

# internal rows that no single call reaches, with the reason
UNCOVERED = {
    "replay": "the history of views after an in-place write; tests/test_mechanics_views.py",
    "unreplay": "the adjoint of replay",
    "cut": "the history of bases after an in-place write",
    "copy_slices": "the history of bases after an in-place write",
    "alias": "what a custom Function returns for an input handed through; tests/test_function_marks.py",
    "bincount": "its derivative is refused, as in PyTorch",
    "geqrf": "its derivative is refused, as in PyTorch",
    "linalg_ldl_factor_ex": "its derivative is refused, as in PyTorch",
    "linalg_ldl_solve": "its derivative is refused, as in PyTorch",
    "unique2": "its derivative is refused, as in PyTorch",
    "unique_dim": "its derivative is refused, as in PyTorch",
    "unique_consecutive": "its derivative is refused, as in PyTorch",
    "pool_pick": "the second derivative of max_pool, which second_order asks for",
}
