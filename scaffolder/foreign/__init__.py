"""Templates of other people, cookiecutter's and copier's: fetched, judged, rendered apart, made ready for PyCharm."""
