"""Torch parts that two or more networks share. Attention always returns its weights: hooks do not survive ONNX."""
