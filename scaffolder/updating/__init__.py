"""Updates of a project: prepared, shown, written as one transaction, taken back."""
