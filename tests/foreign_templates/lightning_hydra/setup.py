from setuptools import find_packages, setup

setup(
    name="src",
    version="0.0.1",
    packages=find_packages(),
    # the commands that are there once the project is installed
    entry_points={"console_scripts": ["train_command = src.train:main", "eval_command = src.eval:main"]},
)
