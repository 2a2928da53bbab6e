"""Memory, processor and disk, as a program here may really use them."""
