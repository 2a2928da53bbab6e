"""What `benchmarks/llm.py` runs in processes of their own: our training and the peers'."""
