"""What a model needs: parameters, memory, time. Counted from its configuration, without its weights or a framework."""
