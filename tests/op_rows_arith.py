"""Rows of arithmetic and of the functions of one operand."""

from wengert.testing.grid import Input, Row

A, B = (2, 3), (3,)


def two(name, domain="real", other=None, inplace=True, complex=False, **kw):
    """Rows of a binary op: same shapes and broadcast shapes."""
    other = other or domain
    f = lambda T, x, y: getattr(T, name)(x, y)
    g = (lambda T, x, y: getattr(x, name + "_")(y)) if inplace else None
    return [
        Row(name, f, [Input(A, domain), Input(A, other)], inplace=g, complex=complex, **kw),
        Row(f"{name}_broadcast", f, [Input((2, 1, 3), domain), Input((2, 1), other)], **kw),
        Row(f"{name}_0d", f, [Input((), domain), Input(B, other)], **kw),
        Row(f"{name}_empty", f, [Input((0, 3), domain), Input((3,), other)], **kw),
    ]


def one(name, domain="real", inplace=True, complex=False, **kw):
    """Rows of a unary op."""
    f = lambda T, x: getattr(T, name)(x)
    g = (lambda T, x: getattr(x, name + "_")()) if inplace else None
    return [
        Row(name, f, [Input(A, domain)], inplace=g, complex=complex, **kw),
        Row(f"{name}_0d", f, [Input((), domain)], **kw),
        Row(f"{name}_empty", f, [Input((0, 2), domain)], **kw),
    ]


ROWS = [
    *two("add", complex=True), *two("sub", complex=True), *two("mul", complex=True),
    *two("div", complex=True), *two("pow", "positive", complex=True), *two("remainder", "positive"),
    *two("fmod", "positive"), *two("maximum", "distinct", inplace=False),
    *two("minimum", "distinct", inplace=False), *two("fmax", "distinct", inplace=False),
    *two("fmin", "distinct", inplace=False), *two("atan2"), *two("hypot"), *two("copysign"),
    *two("logaddexp", inplace=False), *two("logaddexp2", inplace=False), *two("ldexp"),
    *two("float_power", "positive"),
    Row("add_alpha", lambda T, x, y: T.add(x, y, alpha=3), [Input(A), Input(B)]),
    Row("sub_alpha", lambda T, x, y: T.sub(x, y, alpha=3), [Input(A), Input(B)]),
    Row("rsub", lambda T, x: 2 - x, [Input(A)], complex=True),
    Row("rdiv", lambda T, x: 2 / x, [Input(A)], complex=True),
    Row("scalar_add", lambda T, x: x + 2.5, [Input(A)]),
    Row("scalar_mul", lambda T, x: 2.5 * x, [Input(A)]),
    Row("scalar_div", lambda T, x: x / 2.5, [Input(A)]),
    Row("div_floor", lambda T, x, y: T.div(x, y, rounding_mode="floor"), [Input(A), Input(A, "big")]),
    Row("div_trunc", lambda T, x, y: T.div(x, y, rounding_mode="trunc"), [Input(A), Input(A, "big")]),
    Row("floor_divide", lambda T, x: T.floor_divide(x, 2.0), [Input(A, grad=False)]),
    Row("square", lambda T, x: x**2, [Input(A)], inplace=lambda T, x: x.pow_(2), complex=True),
    Row("cube", lambda T, x: x**3, [Input(A)], complex=True),
    Row("pow_half", lambda T, x: x**0.5, [Input(A, "positive")], complex=True),
    Row("pow_inverse", lambda T, x: x**-1, [Input(A)]),
    Row("pow_zero", lambda T, x: x**0, [Input(A)]),
    Row("pow_fraction", lambda T, x: x**1.7, [Input(A, "positive")]),
    Row("rpow", lambda T, x: 2.5**x, [Input(A)], complex=True),
    Row("lerp", lambda T, x, y, z: T.lerp(x, y, z), [Input(A), Input(A), Input(A, "open")],
        inplace=lambda T, x, y, z: x.lerp_(y, z)),
    Row("lerp_scalar", lambda T, x, y: T.lerp(x, y, 0.3), [Input(A), Input(A)]),
    Row("addcmul", lambda T, x, y, z: T.addcmul(x, y, z, value=0.5), [Input(A), Input(B), Input((2, 1))]),
    Row("addcdiv", lambda T, x, y, z: T.addcdiv(x, y, z, value=0.5), [Input(A), Input(B), Input((2, 1))]),
    Row("clamp", lambda T, x: T.clamp(x, -1, 1), [Input(A)], inplace=lambda T, x: x.clamp_(-1, 1)),
    Row("clamp_min", lambda T, x: T.clamp_min(x, 0.1), [Input(A)]),
    Row("clamp_max", lambda T, x: T.clamp_max(x, 0.1), [Input(A)]),
    Row("clamp_tensors", lambda T, x, y, z: T.clamp(x, y, z), [Input(A), Input(A), Input(A)]),
    Row("clamp_tensor_min", lambda T, x, y: T.clamp(x, min=y), [Input(A), Input(B)]),
    Row("clamp_tensor_max", lambda T, x, y: T.clamp(x, max=y), [Input(A), Input(B)]),
    Row("round_decimals", lambda T, x: T.round(x, decimals=1), [Input(A)]),
    Row("nan_to_num", lambda T, x: T.nan_to_num(x), [Input(A)]),
    Row("cast", lambda T, x: x.to(T.float32).to(T.float64), [Input(A)],
        gaps=dict.fromkeys(("first_order", "second_order", "forward_mode", "memory_layouts"),
                           "differences can't see through float32")),
    *one("neg", complex=True), *one("exp", complex=True), *one("exp2"), *one("expm1"),
    *one("log", "positive", complex=True), *one("log2", "positive"), *one("log10", "positive"),
    *one("log1p", "positive"), *one("sqrt", "positive", complex=True), *one("rsqrt", "positive"),
    *one("reciprocal", complex=True), *one("square"), *one("sin", complex=True),
    *one("cos", complex=True), *one("tan", "unit", complex=True), *one("asin", "unit"),
    *one("acos", "unit"), *one("atan"), *one("sinh", complex=True), *one("cosh", complex=True),
    *one("tanh", complex=True), *one("asinh"), *one("acosh", "big"), *one("atanh", "unit"),
    *one("sinc"), *one("abs", complex=True), *one("sign"), *one("sgn", complex=True),
    *one("positive", inplace=False), *one("floor"), *one("ceil"), *one("trunc"), *one("frac"),
    *one("round"), *one("deg2rad"), *one("rad2deg"), *one("angle", inplace=False, complex=True),
]  # fmt: skip
ROWS = list({r.name: r for r in ROWS}.values())
