"""A ResNet with its backward pass as one graph, for OpenVINO and for ONNX; OpenVINO if installed.

Gradients are written out as transposed convolutions with the forward pass's weights, and as masks
of its ReLUs, so that no torch and no autograd is needed to run them.
"""
