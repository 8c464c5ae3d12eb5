"""Losses of a training step, and their targets."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def smooth_labels(labels: Tensor, smoothing: Tensor, num_classes: int) -> Tensor:
    """Spread a share of each label over all classes (Szegedy et al. 2016, section 7).

    Args:
        labels: (N,), index of each image's class.
        smoothing: (N,) in [0, 1], the share that is spread.
        num_classes: the number C of classes.

    Returns:
        (N, C); each row sums to 1.
    """
    spread = smoothing[:, None]
    return F.one_hot(labels, num_classes) * (1 - spread) + spread / num_classes


def distillation_loss(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """Compare a student's logits with its teachers' probabilities (Hinton et al. 2015, section 2).

    Args:
        logits: (N, C) of the student.
        taught: (N, C), the teachers' mean probabilities at this temperature.
        temperature: the number that logits are divided by, above 0.

    Returns:
        The mean Kullback-Leibler divergence in nats times the squared temperature, so that its
        gradient is as large as that of a cross-entropy.
    """
    said = (logits / temperature).log_softmax(dim=1)
    return temperature**2 * F.kl_div(said, taught, reduction="batchmean")


def evidence(logits: Tensor, absence: int) -> Tensor:
    """Return the log-odds that a radiograph shows any finding.

    Args:
        logits: (N, C).
        absence: index of the class without a finding.

    Returns:
        (N,); of two classes, the difference of their logits.
    """
    findings = [index for index in range(logits.shape[1]) if index != absence]
    return logits[:, findings].logsumexp(dim=1) - logits[:, absence]


class MeanGap:
    """A loss that equalises the mean score of groups, so that a score does not reveal the group.

    A batch holds too few images of each group, so running means are kept over the batches. The
    mean of a group in the batch is weighted by how far its running mean lies from the others.

    Args:
        groups: the number of groups.
    """

    DECAY = 0.98

    def __init__(self, groups: int) -> None:
        self.means = torch.zeros(groups)
        self.seen = torch.zeros(groups, dtype=torch.bool)

    def __call__(self, scores: Tensor, group_of: Tensor) -> Tensor:
        """Return the loss of a batch, and update the running means.

        Args:
            scores: (N,), the log-odds of a finding.
            group_of: (N,), index of each image's group; below 0 for an image without a group.

        Returns:
            A scalar whose gradient moves the groups' means towards each other. Its value is
            always 0.
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
