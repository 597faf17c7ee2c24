"""How models are served: HTTP in front, decoder processes and one ONNX Runtime session a model behind. No torch."""

__version__ = "0.1.0"
