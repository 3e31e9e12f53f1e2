"""Layer 1: recording and running. Knows no particular op; imports kernels and nothing above."""
