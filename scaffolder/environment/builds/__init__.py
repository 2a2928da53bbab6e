"""Which build of a framework fits: one table, and what follows from it."""
