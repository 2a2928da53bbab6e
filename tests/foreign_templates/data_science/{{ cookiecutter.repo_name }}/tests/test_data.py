from {{ cookiecutter.module_name }} import config


def test_data_folder() -> None:
    assert config.DATA.name == "data"
