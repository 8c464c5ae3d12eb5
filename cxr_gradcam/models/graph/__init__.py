"""A ResNet with its backward pass as one graph, for OpenVINO and for ONNX; OpenVINO if installed.

Gradients are expressed as transposed convolutions with the forward pass's weights, and as masks of
its ReLUs, so that running them needs neither torch nor autograd.
"""
