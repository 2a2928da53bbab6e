"""A project that exists, made ready for PyCharm from what its folder holds."""
