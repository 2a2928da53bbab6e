"""Make the features."""

import argparse

from {{ cookiecutter.module_name }} import config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4)
    rows = parser.parse_args().rows
    print(f"{rows} features from {config.DATA}")


if __name__ == "__main__":
    main()
