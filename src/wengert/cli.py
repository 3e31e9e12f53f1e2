"""The command line: `wengert run script.py`, `wengert tour`, `wengert info`."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="wengert", description="PyTorch's autograd semantics on NumPy.", allow_abbrev=False
    )
    p.add_argument("--version", action="version", version=f"wengert {_version()}")
    sub = p.add_subparsers(dest="command", required=True, metavar="command")
    run = sub.add_parser(
        "run",
        help="run an unmodified PyTorch script on wengert",
        description="Run a Python script in which `import torch` gives wengert.",
    )
    run.add_argument(
        "--full-traceback", action="store_true", help="show the frames inside wengert too"
    )
    run.add_argument("script", help="the script, or - for standard input")
    run.add_argument("args", nargs=argparse.REMAINDER, help="arguments of the script")
    tour = sub.add_parser(
        "tour",
        help="train a classifier on real digits and look at what autograd did",
        description="Train a classifier on 1,797 handwritten digits, then show the graph of the "
        "loss, the gradient norms and the profile, and write an HTML report.",
    )
    tour.add_argument("--report", default="wengert-report", metavar="DIR", help="where the report goes (default: %(default)s)")
    tour.add_argument("--epochs", type=int, default=40, help="passes over the training set (default: %(default)s)")
    tour.add_argument("--seed", type=int, default=0, help="seed of every random number (default: %(default)s)")
    tour.add_argument("--quiet", action="store_true", help="no progress bar")
    sub.add_parser("info", help="print versions and what is installed")
    return p


def _version() -> str:
    from . import __version__

    return __version__


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = _parser().parse_args(argv)
    if options.command == "run":
        return run_script(options.script, options.args, options.full_traceback)
    if options.command == "tour":
        from .tour import tour

        try:
            return tour(options.report, epochs=options.epochs, seed=options.seed, quiet=options.quiet)
        except KeyboardInterrupt:
            print("\ninterrupted", file=sys.stderr)
            return 130
    return info()


def run_script(script: str, args: list[str], full_traceback: bool = False) -> int:
    """Run a script as `__main__`, with `import torch` resolved to wengert."""
    from .alias import install_as_torch

    if script == "-":
        source, name, folder = sys.stdin.buffer.read(), "<stdin>", os.getcwd()
    else:
        try:
            with open(script, "rb") as f:
                source = f.read()
        except OSError as error:
            print(f"wengert run: can't read {script!r}: {error.strerror}", file=sys.stderr)
            return 2
        name = os.path.abspath(script)
        folder = os.path.dirname(name)
    install_as_torch()
    from types import ModuleType

    module = ModuleType("__main__")
    module.__dict__.update(__file__=name, __builtins__=__builtins__)
    sys.modules["__main__"] = module
    sys.argv = [script, *args]
    sys.path[0:1] = [folder]
    try:
        # dont_inherit: the __future__ imports of this file are none of the script's business
        exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)
    except SystemExit:
        raise
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BaseException as error:
        _report(error, full_traceback)
        return 1
    return 0


def _report(error: BaseException, full: bool) -> None:
    """Print the script's own part of the traceback, and a hint where one helps."""
    import traceback

    tb: Any = error.__traceback__
    while tb is not None and tb.tb_frame.f_globals.get("__name__") == __name__:
        tb = tb.tb_next
    if sys.excepthook is not sys.__excepthook__:  # the script prints its errors in its own way
        sys.excepthook(type(error), error, tb)
    else:
        shown = traceback.TracebackException(type(error), error, tb, compact=True)
        if not full:
            _keep_own_frames(shown)
        shown.print()
    hint = _hint(error)
    if hint:
        print(hint, file=sys.stderr)


def _keep_own_frames(shown: Any) -> bool:
    """Drop the frames inside wengert, and errors that were met and replaced inside it.

    Returns True if no frame is left of this error.
    """
    import numpy

    ours = (os.path.dirname(__file__) + os.sep, "<backward of ", "<saved by ", "<frozen importlib")
    beneath = (*ours, os.path.dirname(numpy.__file__) + os.sep)
    kept = []
    deep = False
    for frame in shown.stack:
        deep = frame.filename.startswith(beneath if deep else ours)
        if not deep:
            kept.append(frame)
    inner_only = not kept and bool(shown.stack)
    shown.stack[:] = kept
    for name in ("__cause__", "__context__"):
        other = getattr(shown, name)
        if other is not None and _keep_own_frames(other):
            setattr(shown, name, None)
    return inner_only


def _hint(error: BaseException) -> str | None:
    """A name that wengert lacks was asked for: say so and name the closest one."""
    from ._missing import explain

    if isinstance(error, ImportError) and (error.name or "").startswith("wengert"):
        import re

        found = re.search(r"cannot import name '(\w+)'", str(error))
        if found:
            owner = error.name or "wengert"
            return "wengert: " + explain(found[1], dir(sys.modules[owner]), owner)
    if isinstance(error, AttributeError) and error.name and "does not have it" not in str(error):
        owner = str(getattr(error.obj, "__name__", ""))
        if owner.startswith("wengert"):
            return "wengert: " + explain(error.name, dir(error.obj), owner)
        kind = type(error.obj)
        if kind.__module__.startswith("wengert"):
            return "wengert: " + explain(error.name, dir(kind), kind.__name__, "class")
    return None


def info() -> int:
    """Print versions and which extras are installed."""
    import importlib.util
    import platform

    import numpy

    print(f"wengert {_version()}, NumPy {numpy.__version__}, Python {platform.python_version()}")
    for extra, package in (
        ("scipy", "scipy"), ("files", "safetensors"), ("bf16", "ml_dtypes"),
        ("plot", "matplotlib"), ("progress", "tqdm"),
    ):  # fmt: skip
        state = "installed" if importlib.util.find_spec(package) else f'pip install "wengert[{extra}]"'
        print(f"  {extra:<9}{package:<12}{state}")
    return 0
