"""Rows of convolutions, unfold and fold, sampling on grids."""

from wengert.testing.grid import Input, Row

F = lambda T: T.nn.functional


def row(name, f, *shapes, **kw):
    """One row; a shape alone means real numbers of that shape."""
    return Row(name, f, [s if isinstance(s, Input) else Input(s) for s in shapes], **kw)


def conv(name, *shapes, label="", about=None, **how):
    """A convolution of that name with input, weights and maybe bias; `about` goes to the row."""
    label = f"{name}_{label}" if label else name
    return row(label, lambda T, *a: getattr(T, name)(*a, **how), *shapes, **(about or {}))


X1, X2, X3 = (2, 4, 7), (2, 4, 5, 6), (2, 2, 3, 4, 3)
GRID = Input((2, 3, 2, 2), "unit")

def sample(mode, padding, align, shape=(2, 3, 4, 5), grid=GRID):
    """A sampling of images, also at places outside."""
    return row(
        f"grid_sample_{len(shape) - 2}d_{mode}_{padding}{'_aligned' if align else ''}",
        lambda T, x, g: F(T).grid_sample(x, g * 1.3, mode, padding, align), shape, grid,
    )  # fmt: skip


ROWS = [
    conv("conv1d", X1, (3, 4, 3), (3,), about={"complex": True}),
    conv("conv1d", (4, 7), (3, 4, 3), label="unbatched"),
    conv("conv1d", X1, (4, 2, 3), (4,), label="groups", groups=2, stride=2, padding=1),
    conv("conv1d", X1, (3, 4, 2), label="same", padding="same", dilation=2),
    conv("conv2d", X2, (3, 4, 2, 3), (3,)),
    conv("conv2d", X2, (3, 4, 3, 2), (3,), label="strided", stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
    conv("conv2d", X2, (6, 2, 2, 2), label="groups", groups=2, padding=1),
    conv("conv2d", X2, (8, 1, 3, 2), (8,), label="depthwise", groups=4, padding=1),
    conv("conv2d", X2, (3, 4, 1, 1), label="pointwise"),
    conv("conv2d", (6, 2, 8, 9), (3, 2, 2, 2), label="small", stride=2),
    conv("conv2d", (0, 4, 5, 6), (3, 4, 2, 3), (3,), label="empty"),
    conv("conv3d", X3, (3, 2, 2, 3, 2), (3,)),
    conv("conv3d", X3, (2, 1, 2, 2, 2), label="groups", groups=2, padding=1, stride=2),
    conv("conv_transpose1d", X1, (4, 3, 3), (3,), about={"complex": True}),
    conv("conv_transpose1d", X1, (4, 2, 3), (4,), label="groups", groups=2, stride=2, padding=1, output_padding=1),
    conv("conv_transpose2d", X2, (4, 3, 2, 3), (3,)),
    conv("conv_transpose2d", X2, (4, 3, 3, 2), label="strided", stride=(2, 3), padding=(1, 0), output_padding=(1, 2), dilation=(1, 2)),
    conv("conv_transpose2d", X2, (4, 2, 2, 2), (8,), label="depthwise", groups=4),
    conv("conv_transpose2d", (4, 5, 6), (4, 3, 1, 1), label="pointwise"),
    conv("conv_transpose3d", X3, (2, 3, 2, 1, 2), (3,), stride=2),
    row("convolution", lambda T, x, w: T.convolution(x, w, None, [2], [1], [1], False, [0], 1), X1, (3, 4, 3)),
    row("convolution_transposed", lambda T, x, w: T.convolution(x, w, None, [2], [1], [1], True, [1], 1), X1, (4, 3, 3)),
    row("conv_tbc", lambda T, x, w, b: T.conv_tbc(x, w, b, 1), (5, 2, 3), (2, 3, 4), (4,)),
    row("unfold_images", lambda T, x: F(T).unfold(x, (2, 3), (2, 1), 1, (1, 2)), (2, 3, 5, 6)),
    row("unfold_image", lambda T, x: F(T).unfold(x, 2), (3, 5, 6)),
    row("fold", lambda T, x: F(T).fold(x, (4, 5), 2, 1, 1, 2), (2, 8, 9)),
    row("fold_unbatched", lambda T, x: F(T).fold(x, (3, 3), 2), (4, 4)),
    *[sample(m, p, a) for m in ("bilinear", "bicubic") for p in ("zeros", "border", "reflection") for a in (False, True)],
    sample("nearest", "zeros", False), sample("nearest", "reflection", True),
    sample("bilinear", "zeros", False, (2, 2, 3, 4, 2), Input((2, 2, 3, 1, 3), "unit")),
    sample("bilinear", "reflection", True, (2, 2, 3, 4, 3), Input((2, 2, 3, 1, 3), "unit")),
    row("grid_sample_many_channels", lambda T, x, g: F(T).grid_sample(x, g * 1.3, align_corners=False),
        (1, 17, 3, 4), Input((1, 2, 2, 2), "unit")),
    row("affine_grid", lambda T, x: F(T).affine_grid(x, (2, 1, 3, 4), False), (2, 2, 3)),
    row("affine_grid_3d", lambda T, x: F(T).affine_grid(x, (2, 1, 2, 3, 2), True), (2, 3, 4)),
]  # fmt: skip
