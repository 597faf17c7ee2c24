"""A network on a GPU: fixed batches, buffers made once, faults that are told apart, and a degraded mode. Knows what the engine knows."""
