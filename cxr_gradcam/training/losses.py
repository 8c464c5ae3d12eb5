"""What a training step makes smaller: losses, their targets and their weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


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
