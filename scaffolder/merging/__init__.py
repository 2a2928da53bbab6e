"""Merging three versions of a folder: by git, and of PyCharm's files by meaning."""
