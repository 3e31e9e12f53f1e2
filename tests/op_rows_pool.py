"""Rows of pooling and of interpolation."""

from wengert.testing.grid import Input, Row

F = lambda T: T.nn.functional


def row(name, f, *shapes, **kw):
    """One row; a shape alone means numbers without ties of that shape."""
    return Row(name, f, [s if isinstance(s, Input) else Input(s, "distinct") for s in shapes], **kw)


def pool(name, shape, *args, label="", **how):
    """A pooling of that name; of several results the first."""
    label = f"{name}_{label}" if label else name
    return row(label, lambda T, x: getattr(F(T), name)(x, *args, **how), shape)


def resize(mode, shape, label="", **how):
    """An interpolation."""
    name = f"interpolate_{mode}_{len(shape) - 2}d{'_' + label if label else ''}"
    return row(name, lambda T, x: F(T).interpolate(x, mode=mode, **how), shape)


X1, X2, X3 = (2, 3, 7), (2, 3, 5, 6), (2, 2, 4, 3, 5)
P2 = Input((2, 3, 5, 6), "positive")
ROWS = [
    pool("max_pool1d", X1, 2), pool("max_pool1d", X1, 3, 2, 1, 2, True, label="ceil"), pool("max_pool1d", (3, 7), 2, label="unbatched"),
    pool("max_pool2d", X2, 2), pool("max_pool2d", X2, 3, 2, 1, label="padded"), pool("max_pool2d", X2, (2, 3), 1, label="overlapping"),
    pool("max_pool2d", (3, 5, 6), 2, 2, 0, 2, label="dilated"), pool("max_pool2d", X2, 2, ceil_mode=True, label="ceil"),
    pool("max_pool2d", (0, 3, 5, 6), 2, label="empty"), pool("max_pool2d", X2, 2, return_indices=True, label="indices"),
    pool("max_pool3d", X3, 2), pool("max_pool3d", X3, 3, 2, 1, label="padded"),
    pool("avg_pool1d", X1, 3), pool("avg_pool1d", (3, 7), 3, 2, 1, label="padded"),
    pool("avg_pool2d", X2, 2), pool("avg_pool2d", X2, 3, 2, 1, count_include_pad=False, label="padded"),
    pool("avg_pool2d", X2, (2, 3), 1, divisor_override=5, label="divisor"), pool("avg_pool2d", (0, 3, 5, 6), 2, label="empty"),
    pool("avg_pool3d", X3, 2), pool("avg_pool3d", X3, 3, 2, 1, True, label="ceil"),
    pool("adaptive_avg_pool1d", X1, 3), pool("adaptive_avg_pool2d", X2, (3, 4)), pool("adaptive_avg_pool2d", X2, 1, label="mean"),
    pool("adaptive_avg_pool2d", X2, (7, None), label="larger"), pool("adaptive_avg_pool3d", X3, 2),
    pool("adaptive_max_pool1d", X1, 3), pool("adaptive_max_pool2d", X2, (3, 4)), pool("adaptive_max_pool2d", X2, (7, None), label="larger"),
    pool("adaptive_max_pool3d", X3, 2),
    row("fractional_max_pool2d", lambda T, x, u: F(T).fractional_max_pool2d(x, 2, 3, _random_samples=u), X2, Input((2, 3, 2), "open", grad=False)),
    row("fractional_max_pool3d", lambda T, x, u: F(T).fractional_max_pool3d(x, 2, 2, _random_samples=u), (2, 2, 5, 4, 6), Input((2, 2, 3), "open", grad=False)),
    row("max_unpool1d", lambda T, x: F(T).max_unpool1d(x, T.tensor([[[0, 2, 5], [1, 3, 4]]] * 2), 2), (2, 2, 3)),
    row("max_unpool2d", lambda T, x: F(T).max_unpool2d(*F(T).max_pool2d(x, 2, return_indices=True), 2, output_size=(5, 6)), X2),
    row("max_unpool3d", lambda T, x: F(T).max_unpool3d(*F(T).max_pool3d(x, 2, return_indices=True), 2, output_size=(4, 3, 5)), X3),
    row("lp_pool1d", lambda T, x: F(T).lp_pool1d(x, 3, 2), Input(X1, "positive")),
    row("lp_pool2d", lambda T, x: F(T).lp_pool2d(x, 2, 3, 2), P2), row("lp_pool2d_inf", lambda T, x: F(T).lp_pool2d(x, float("inf"), 3, 2), P2),
    row("lp_pool3d", lambda T, x: F(T).lp_pool3d(x, 2.5, 2), Input(X3, "positive")),
    row("local_response_norm", lambda T, x: F(T).local_response_norm(x, 3, 0.3, 0.6, 1.2), X2),
    row("local_response_norm_3d", lambda T, x: F(T).local_response_norm(x, 2, 0.3), X1),
    resize("nearest", X1, size=9), resize("nearest", X2, scale_factor=2), resize("nearest", X3, size=(3, 5, 2)),
    resize("nearest-exact", X1, size=4), resize("nearest-exact", X2, "scaled", scale_factor=1.7),
    resize("linear", X1, size=10), resize("linear", X1, "aligned", size=4, align_corners=True),
    resize("bilinear", X2, scale_factor=2), resize("bilinear", X2, "aligned", size=(3, 9), align_corners=True),
    resize("bilinear", X2, "antialias", size=(3, 4), antialias=True), resize("bilinear", X2, "recomputed", scale_factor=(1.3, 0.7), recompute_scale_factor=True),
    resize("bicubic", X2, size=(8, 4)), resize("bicubic", X2, "aligned", size=(3, 9), align_corners=True),
    resize("bicubic", X2, "antialias", size=(3, 4), antialias=True), resize("lanczos", (2, 3, 9, 8), size=(4, 5), antialias=True),
    resize("trilinear", X3, scale_factor=(1.5, 2, 0.6)), resize("trilinear", X3, "aligned", size=(3, 3, 3), align_corners=True),
    resize("area", X2, size=(3, 4)), resize("area", X3, size=2),
    row("native_channel_shuffle", lambda T, x: T.native_channel_shuffle(x, 2), (2, 4, 3), torch=False),
]  # fmt: skip
