"""Layer 2: the op table, the only place where derivatives are written. See README.md here."""
