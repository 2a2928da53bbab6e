"""Refuses a name that Python cannot import."""

slug = "{{ cookiecutter.project_slug }}"
assert slug.isidentifier(), f"'{slug}' is not a valid Python identifier."
