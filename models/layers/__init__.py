"""Torch parts of the networks. Attention always returns its weights: hooks do not survive ONNX."""
