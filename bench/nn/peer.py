"""Model S in PyTorch: reads tasks line by line, answers with wall and CPU seconds.

Arguments: threads, sessions in a batch. The shapes are those of model.go.
"""

import sys
import time

import torch
import torch.nn.functional as F

T, C = 512, 64


class Block(torch.nn.Module):
    def __init__(self, dilation):
        super().__init__()
        self.dilated = torch.nn.Conv1d(C, C, 3, padding=dilation, dilation=dilation)
        self.norm = torch.nn.BatchNorm1d(C)
        self.point = torch.nn.Conv1d(C, C, 1)

    def forward(self, h):
        return h + self.point(torch.relu(self.norm(self.dilated(h))))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv1d(24, C, 5, padding=2)
        self.blocks = torch.nn.ModuleList(Block(1 << i) for i in range(8))
        self.by_message = torch.nn.ModuleList(torch.nn.Conv1d(C, n, 1) for n in (14, 1, 4))
        self.scores = torch.nn.Conv1d(C, 4, 1)
        self.embedding = torch.nn.Linear(C, C)
        self.by_session = torch.nn.ModuleList(torch.nn.Linear(C, n) for n in (32, 12, 3))

    def forward(self, x):  # sessions x 24 x T
        h = self.stem(x)
        for b in self.blocks:
            h = b(h)
        w = torch.softmax(self.scores(h), 2)  # sessions x 4 x T
        v = h.reshape(len(h), 4, C // 4, T)
        e = self.embedding((w[:, :, None] * v).sum(3).reshape(len(h), C))
        return [head(h) for head in self.by_message], [head(e) for head in self.by_session]


class First(torch.nn.Module):
    """The first-pass model of firstpass.go: 64 messages, 32 channels."""

    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv1d(24, 32, 1)
        self.blocks = torch.nn.ModuleList(torch.nn.Conv1d(32, 32, 3, padding=1 << i, dilation=1 << i) for i in range(5))
        self.head = torch.nn.Linear(32, 12)

    def forward(self, x):  # sessions x 24 x 64
        h = self.stem(x)
        for b in self.blocks:
            h = torch.relu(h + b(h))
        return self.head(h.mean(2))


def main():
    threads, n = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    net = Net()
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    x = torch.randn(n, 24, T)
    state, control = torch.randint(14, (n, T)), torch.randint(4, (n, T))
    boundary, label = torch.randint(2, (n, 1, T)).float(), torch.randint(2, (n, 32)).float()
    protocol, layering = torch.randint(12, (n,)), torch.randint(3, (n,))

    def train():
        net.train()
        (s, b, c), (l, p, k) = net(x)
        loss = F.cross_entropy(s, state) + F.cross_entropy(c, control) + F.binary_cross_entropy_with_logits(b, boundary)
        loss = loss + F.cross_entropy(p, protocol) + F.cross_entropy(k, layering) + F.binary_cross_entropy_with_logits(l, label)
        adam.zero_grad()
        loss.backward()
        adam.step()

    def infer(n):
        net.eval()
        with torch.inference_mode():
            net(x[:n])

    first, small = First().eval(), torch.randn(256, 24, 64)

    def infer_first():
        with torch.inference_mode():
            first(small)

    tasks = {"first": infer_first, "train": train, "infer": lambda: infer(n), "infer1": lambda: infer(1)}
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        tasks[line.strip()]()
        print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)


main()
