"""Versions: of wengert, and of the PyTorch whose behaviour it follows."""

from __future__ import annotations

from . import __version__

follows = "2.13.0"
cuda = None
hip = None
git_version = None

__all__ = ["__version__", "cuda", "follows", "git_version", "hip"]
