def do_something_useful() -> str:
    return "replace this with a utility function"
