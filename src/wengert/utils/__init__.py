"""Tools around training: data loading, hooks."""
