"""Where run configurations come from: one module for each kind of source, each with a function `find`."""
