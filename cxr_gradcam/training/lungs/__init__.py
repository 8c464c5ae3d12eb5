"""Training of the network that outlines the lungs."""

from cxr_gradcam.training.lungs.trainer import LungRecipe, train_lungs

__all__ = ["LungRecipe", "train_lungs"]
