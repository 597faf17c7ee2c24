"""Why an answer is what it is: Grad-CAM, exact Shapley values and LIME. Pure functions of arrays, the same for training and service."""

FOLDER, HEAD, GRADIENTS = "explain", "head.onnx", "gradients.onnx"  # beside model.onnx: what is asked only for explanations
TARGET = "target"  # (1, K): the weights of the logits whose gradient is taken
ANSWER = "answer"  # (B, K): what the head says


def gradient_name(features: str) -> str:
    """The tensor of the gradient with respect to a feature map."""
    return f"{features}_gradient"
