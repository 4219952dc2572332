"""What the tests of both routed convolutions share: a reference that goes sample by sample."""

import torch
import torch.nn.functional as F


def router_by_hand(router, x, groups):
    """One sample at a time, evaluation mode, softmax written out."""
    rows = []
    for sample in x:
        pooled = torch.stack([channel.sum() / channel.numel() for channel in sample])
        hidden = router.squeeze.weight @ pooled + router.squeeze.bias
        bn = router.bn
        hidden = (hidden - bn.running_mean) / torch.sqrt(bn.running_var + bn.eps) * bn.weight + bn.bias
        scores = router.excite.weight @ hidden.clamp(min=0) + router.excite.bias
        parts = []
        for group in range(groups):
            part = scores[group * router.experts : (group + 1) * router.experts] / router.temperature
            share = torch.exp(part - part.max())
            parts.append(share / share.sum())
        rows.append(torch.cat(parts))
    return torch.stack(rows)


def conv_by_hand(bank, x, routing, stride, padding):
    """One sample, one group, one expert at a time."""
    groups, experts, _, inputs = bank.shape[:4]
    out = []
    for sample, share in zip(x, routing, strict=True):
        parts = []
        for group in range(groups):
            kernel = torch.zeros_like(bank[group, 0])
            for expert in range(experts):
                kernel = kernel + share[group * experts + expert] * bank[group, expert]
            piece = sample[None, group * inputs : (group + 1) * inputs]
            parts.append(F.conv2d(piece, kernel, None, stride, padding)[0])
        out.append(torch.cat(parts))
    return torch.stack(out)


def with_statistics(router):
    """A router in evaluation mode whose BN has seen something."""
    torch.nn.init.normal_(router.bn.running_mean, std=0.3)
    torch.nn.init.uniform_(router.bn.running_var, 0.5, 2.0)
    return router.double().eval()
