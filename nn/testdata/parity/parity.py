"""Writes what PyTorch makes of a small network: parity.py FILE.

The network has one of each of nn's layers and losses; parity_test.go builds the
same. The file holds, as arrays of nn.Encode: the input and the targets, the
parameters before training, the outputs before training, the loss of each of 20
steps of AdamW with clipping, the parameters and running statistics after them,
and the outputs then, outside training.

Needs Debian's python3-torch (made with 1.13.1).
"""

import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

IN, WIDE, OUT, SIZE, HEADS, KINDS = 6, 16, 5, 8, 4, 7
STARTS = [0, 9, 10, 27, 40]
STEPS = 20


def crc32c(data):
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
        table.append(i)
    crc = 0xFFFFFFFF
    for b in data:
        crc = crc >> 8 ^ table[(crc ^ b) & 255]
    return crc ^ 0xFFFFFFFF


def write(name, arrays):
    b = b"tytonn1\n" + struct.pack("<I", len(arrays))
    for key, v in arrays.items():
        v = np.atleast_2d(np.asarray(v, dtype="<f4"))
        b += struct.pack("<H", len(key)) + key.encode() + struct.pack("<II", *v.shape) + v.tobytes()
    with open(name, "wb") as f:
        f.write(b + struct.pack("<I", crc32c(b)))


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return -0.3 * g


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        nn = torch.nn
        self.kind = nn.Embedding(KINDS, WIDE)
        self.stem = nn.Conv1d(IN, WIDE, 5, padding=2)
        self.dilated = nn.Conv1d(WIDE, WIDE, 3, padding=4, dilation=4)
        self.norm = nn.BatchNorm1d(WIDE)
        self.point = nn.Linear(WIDE, WIDE)
        self.layer = nn.LayerNorm(WIDE)
        self.states = nn.Linear(WIDE, OUT)
        self.scores = nn.Linear(WIDE, HEADS)
        self.gru = nn.GRU(WIDE, SIZE, batch_first=True)
        self.label = nn.Linear(WIDE + SIZE, OUT)
        self.profile = nn.Linear(WIDE, 3)

    def along(self, conv, x):
        parts = [conv(x[a:b].t()[None])[0].t() for a, b in zip(STARTS, STARTS[1:])]
        return torch.cat(parts)

    def forward(self, x, kinds):
        h = self.along(self.stem, x) + self.kind(kinds)
        h = h + self.point(torch.relu(self.norm(self.along(self.dilated, h))))
        states = self.states(F.gelu(self.layer(h), approximate="tanh"))
        scores, pooled = self.scores(h), []
        for a, b in zip(STARTS, STARTS[1:]):
            w = torch.softmax(scores[a:b], 0)  # rows x heads
            v = h[a:b].reshape(b - a, HEADS, WIDE // HEADS)
            pooled.append((w[:, :, None] * v).sum(0).reshape(-1))
        pooled = torch.stack(pooled)
        # Two sequences of two windows each.
        last = self.gru(pooled.reshape(2, 2, WIDE))[0].reshape(4, SIZE)
        label = self.label(torch.cat([pooled, last], 1))
        profile = self.profile(Reverse.apply(pooled))
        return states, label, profile, pooled


def contrast(z, labels, temperature):
    z = F.normalize(z, dim=1)
    s = z @ z.t() / temperature
    s = s.masked_fill(torch.eye(len(z), dtype=torch.bool), -1e30)
    log = s - torch.logsumexp(s, 1, keepdim=True)
    same = (labels[:, None] == labels[None]) & ~torch.eye(len(z), dtype=torch.bool)
    return (-(log * same).sum(1) / same.sum(1)).mean()


def loss(out, states, labels, profiles, pairs):
    by_row, label, profile, pooled = out
    logp = F.log_softmax(by_row, 1)
    keep = states >= 0
    logq = logp[keep, states[keep]]
    focal = (-((1 - logq.exp()) ** 2) * logq).mean()
    known = ~torch.isnan(labels)
    bce = F.binary_cross_entropy_with_logits(label[known], labels[known])
    return focal + bce + F.cross_entropy(profile, profiles, weight=torch.tensor([1.0, 2.0, 0.5])) + 0.2 * contrast(pooled, pairs, 0.5)


def parameters(net):
    p = {}
    for name, v in net.state_dict().items():
        v = v.detach().clone()
        layer, _, kind = name.rpartition(".")
        if "num_batches" in name:
            continue
        if v.dim() == 3:  # out, in, taps: nn has taps x in, out
            v = v.permute(2, 1, 0).reshape(-1, v.shape[0])
        elif v.dim() == 2 and layer != "kind":
            v = v.t()
        kind = {"weight_ih_l0": "wx", "weight_hh_l0": "wh", "bias_ih_l0": "bx", "bias_hh_l0": "bh",
                "running_mean": "mean", "running_var": "variance"}.get(kind, kind)
        if layer in ("norm", "layer"):
            kind = {"weight": "scale", "bias": "shift"}.get(kind, kind)
        p[f"{layer}.{kind}"] = v.contiguous().numpy()
    return p


def main():
    torch.manual_seed(1)
    torch.set_num_threads(1)
    net, rows = Net(), STARTS[-1]
    x, kinds = torch.randn(rows, IN), torch.randint(KINDS, (rows,))
    states = torch.randint(-1, OUT, (rows,))
    labels = torch.randint(2, (4, OUT)).float()
    labels[1, 2] = labels[3, 0] = float("nan")
    profiles, pairs = torch.tensor([0, 1, 2, 1]), torch.tensor([0, 1, 0, 1])
    known = torch.nan_to_num(labels, nan=-1.0)
    arrays = {"x": x, "kinds": kinds, "states": states, "labels": known, "profiles": profiles, "pairs": pairs}
    arrays.update({"before." + k: v for k, v in parameters(net).items()})
    bias = [p for n, p in net.named_parameters() if "bias" in n or n.startswith(("norm", "layer"))]
    rest = [p for n, p in net.named_parameters() if not ("bias" in n or n.startswith(("norm", "layer")))]
    adam = torch.optim.AdamW([{"params": rest}, {"params": bias, "weight_decay": 0.0}], lr=2e-3, eps=1e-4, weight_decay=0.05)
    losses = []
    for step in range(STEPS):
        out = net(x, kinds)
        if step == 0:
            for name, v in zip(["states", "label", "profile", "pooled"], out):
                arrays["out." + name] = v.detach()
        adam.zero_grad()
        l = loss(out, states, labels, profiles, pairs)
        l.backward()
        losses.append(l.item())
        torch.nn.utils.clip_grad_norm_(net.parameters(), 0.7)
        adam.step()
    arrays["losses"] = losses
    arrays.update({"after." + k: v for k, v in parameters(net).items()})
    net.eval()
    with torch.no_grad():
        for name, v in zip(["states", "label", "profile", "pooled"], net(x, kinds)):
            arrays["end." + name] = v
    write(sys.argv[1], {k: np.asarray(v) for k, v in arrays.items()})


main()
