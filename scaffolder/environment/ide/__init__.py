"""PyCharm and how it sees a project."""
