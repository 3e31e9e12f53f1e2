"""The named tuples that functions with several results return, as in `torch.return_types`."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any, Self


class ReturnType(tuple):
    """A tuple whose items also have names."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()
    n_fields = n_sequence_fields = 0
    n_unnamed_fields = 0

    def __new__(cls, items: Iterable[Any]) -> Self:
        made = tuple.__new__(cls, items)
        if len(made) != len(cls._fields):
            raise TypeError(
                f"torch.return_types.{cls.__name__}() takes a {len(cls._fields)}-sequence "
                f"({len(made)}-sequence given)"
            )
        return made

    def __repr__(self) -> str:
        items = ",\n".join(f"{f}={v!r}" for f, v in zip(self._fields, self, strict=True))
        return f"torch.return_types.{type(self).__name__}(\n{items})"

    def __reduce__(self) -> tuple:
        return _remake, (type(self).__name__, tuple(self))


def _define(name: str, *fields: str) -> Any:
    body: dict[str, Any] = {f: property(itemgetter(k)) for k, f in enumerate(fields)}
    body |= {"__slots__": (), "__module__": "torch.return_types", "_fields": fields}
    body |= {"n_fields": len(fields), "n_sequence_fields": len(fields)}
    body["__doc__"] = f"The results of {name}: {', '.join(fields)}."
    return type(name, (ReturnType,), body)


def _remake(name: str, items: tuple) -> Any:
    return globals()[name](items)


def make(kind: Any, *items: Any) -> Any:
    """Return a result of a kind without counting its items."""
    return tuple.__new__(kind, items)


max = _define("max", "values", "indices")
min = _define("min", "values", "indices")
median = _define("median", "values", "indices")
nanmedian = _define("nanmedian", "values", "indices")
mode = _define("mode", "values", "indices")
kthvalue = _define("kthvalue", "values", "indices")
sort = _define("sort", "values", "indices")
topk = _define("topk", "values", "indices")
cummax = _define("cummax", "values", "indices")
cummin = _define("cummin", "values", "indices")
aminmax = _define("aminmax", "min", "max")
histogram = _define("histogram", "hist", "bin_edges")
frexp = _define("frexp", "mantissa", "exponent")
svd = _define("svd", "U", "S", "V")
qr = _define("qr", "Q", "R")
linalg_svd = _define("linalg_svd", "U", "S", "Vh")
linalg_qr = _define("linalg_qr", "Q", "R")
linalg_eig = _define("linalg_eig", "eigenvalues", "eigenvectors")
linalg_eigh = _define("linalg_eigh", "eigenvalues", "eigenvectors")
linalg_slogdet = _define("linalg_slogdet", "sign", "logabsdet")
slogdet = _define("slogdet", "sign", "logabsdet")
linalg_inv_ex = _define("linalg_inv_ex", "inverse", "info")
linalg_cholesky_ex = _define("linalg_cholesky_ex", "L", "info")
linalg_solve_ex = _define("linalg_solve_ex", "result", "info")
linalg_lu = _define("linalg_lu", "P", "L", "U")
linalg_lu_factor = _define("linalg_lu_factor", "LU", "pivots")
linalg_lu_factor_ex = _define("linalg_lu_factor_ex", "LU", "pivots", "info")
linalg_ldl_factor = _define("linalg_ldl_factor", "LD", "pivots")
linalg_ldl_factor_ex = _define("linalg_ldl_factor_ex", "LD", "pivots", "info")
lu_unpack = _define("lu_unpack", "P", "L", "U")
geqrf = _define("geqrf", "a", "tau")
triangular_solve = _define("triangular_solve", "solution", "cloned_coefficient")
histogramdd = _define("histogramdd", "hist", "bin_edges")
linalg_lstsq = _define("linalg_lstsq", "solution", "residuals", "rank", "singular_values")
