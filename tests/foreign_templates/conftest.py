"""What these templates hold is nothing to collect: their tests are the rendered projects'."""

collect_ignore_glob = ["*"]
