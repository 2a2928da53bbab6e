"""The catalogs of translated texts, one folder a language."""
