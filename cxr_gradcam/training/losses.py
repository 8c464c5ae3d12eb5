"""What a training step makes smaller: losses, their targets and their weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def smooth_labels(labels: Tensor, smoothing: Tensor, num_classes: int) -> Tensor:
    """Spread a share of each label over all classes (Szegedy et al. 2016, section 7).

    Args:
        labels: (N,) classes.
        smoothing: (N,) shares in [0, 1].
        num_classes: C.

    Returns:
        (N, C), rows of sum 1.
    """
    spread = smoothing[:, None]
    return F.one_hot(labels, num_classes) * (1 - spread) + spread / num_classes


def location_loss(features: Tensor, weights: Tensor, masks: Tensor) -> Tensor:
    """Say how far the evidence for a class lies from where its lesion is.

    The evidence is a map before it is cut off at 0; a softmax over the places is compared with the
    lesion's share of each.

    Args:
        features: (N, K, h, w), a layer's activations.
        weights: (N or 1, K), those of the map: what the head makes of its input for class
            activation mapping (Zhou et al. 2016), `gradcam_weights` for Grad-CAM.
        masks: (N, 1, H, W) in [0, 1], where the lesion lies; images whose mask is empty do not
            count.

    Returns:
        The mean cross-entropy in nats, 0 where no image has a lesion.
    """
    shares = F.adaptive_avg_pool2d(masks, (features.shape[-2], features.shape[-1])).flatten(1)
    with_lesion = shares.sum(dim=1) > 0
    if not with_lesion.any():
        return features.new_zeros(())
    weights = weights.expand(len(features), -1)[with_lesion]
    evidence = torch.einsum("nkhw,nk->nhw", features[with_lesion].float(), weights).flatten(1)
    shares = shares[with_lesion]
    return F.cross_entropy(evidence, shares / shares.sum(dim=1, keepdim=True))


def gradcam_weights(direction: Tensor, norm: nn.BatchNorm2d, output: Tensor) -> Tensor:
    """Return Grad-CAM's channel weights at the last convolution, times its number of places.

    The gradient of a logit there is the head's weight times the BatchNorm's slope wherever the ReLU
    behind it lets something through (Selvaraju et al. 2017, equation 1).

    Args:
        direction: (1, K), what the head makes of its input for the class.
        norm: the BatchNorm behind the convolution; its statistics as in eval mode.
        output: (N, K, h, w), of the ReLU behind it.

    Returns:
        (N, K); the ReLU's share of open places counts as a constant.
    """
    variance = norm.running_var
    assert variance is not None  # torchvision's network keeps it  # noqa: S101
    slope = norm.weight / (variance + norm.eps).sqrt()
    return direction * slope * (output.detach() > 0).float().mean(dim=(2, 3))


def distillation_loss(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """Compare answers with teachers' (Hinton et al. 2015, section 2).

    Args:
        logits: (N, C) of the student.
        taught: (N, C), the teachers' mean probabilities at the temperature.
        temperature: above 0.

    Returns:
        The mean Kullback-Leibler divergence in nats times the squared temperature, so that its
        gradient is as large as that of a cross-entropy.
    """
    said = (logits / temperature).log_softmax(dim=1)
    return temperature**2 * F.kl_div(said, taught, reduction="batchmean")


class MeanGap:
    """Pushes together the mean answers on images of groups that an answer should not tell.

    A batch holds too few images of a group, so the means run on from batch to batch; the distance
    of a group's running mean from the others' weighs its mean in the batch.

    Args:
        groups: how many there are.
    """

    DECAY = 0.98

    def __init__(self, groups: int) -> None:
        self.means = torch.zeros(groups)
        self.seen = torch.zeros(groups, dtype=torch.bool)

    def __call__(self, scores: Tensor, group_of: Tensor) -> Tensor:
        """Return the loss of a batch, and let the running means follow it.

        Args:
            scores: (N,), the evidence for the finding.
            group_of: (N,) groups; below 0 where an image counts in none.

        Returns:
            A scalar whose gradient draws the groups' means towards each other; its value is 0, as
            it says nothing by itself.
        """
        present = group_of[group_of >= 0].unique().tolist()
        means = {group: scores[(group_of == group).to(scores.device)].mean() for group in present}
        for group, mean in means.items():
            now = mean.detach().cpu()
            before = self.means[group] if self.seen[group] else now
            self.means[group] = self.DECAY * before + (1 - self.DECAY) * now
            self.seen[group] = True
        loss = scores.new_zeros(())
        for group, mean in means.items():
            gap = self.means[group] - self.means[self.seen].mean()
            loss = loss + (mean - mean.detach()) * float(gap.clamp(-1, 1))
        return loss
