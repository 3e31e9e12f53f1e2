"""Used where matplotlib is not installed: does with its arguments what matplotlib does first."""
