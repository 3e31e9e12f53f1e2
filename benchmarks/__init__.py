"""Benchmarks: wengert beside PyTorch, JAX, HIPS autograd, MyGrad and hand-written NumPy.

`python -m benchmarks` runs every case of every installed library in interleaved rounds, one process
a measurement, and prints ratios; see `python -m benchmarks --help`.
"""
