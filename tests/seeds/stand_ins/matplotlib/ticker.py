"""Imported by the introyt page, and not used there."""
