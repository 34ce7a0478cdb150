"""The training steps of bench/engine.ts in PyTorch, eager and through torch.compile: the same model, batch, AdamW and clipping.

Reads one line of JSON {"model": "gpt", "layers", "width", "heads", "context", "batch", "threads"} or
{"model": "cnn", "filters", "batch", "threads"}, then for each line "MODE COUNT" takes so many steps and answers a line of JSON
{"ms": [...], "parameters"}. MODE is eager, compile, or peak, which multiplies square matrices and answers {"gflops"}.
"""
import json, sys, time
import torch, torch.nn as nn, torch.nn.functional as F

CONFIG = json.loads(sys.stdin.readline())
torch.set_num_threads(CONFIG["threads"])
torch.manual_seed(1)


class Block(nn.Module):
    def __init__(self, width, heads, layers):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(b, t, c))
        return x + self.down(F.relu(self.up(self.norm2(x))).square())


class Gpt(nn.Module):
    def __init__(self, layers, width, heads, context, **_):
        super().__init__()
        self.tokens, self.places = nn.Embedding(256, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*[Block(width, heads, layers) for _ in range(layers)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 256, bias=False)
        nn.init.normal_(self.tokens.weight, std=0.02)
        nn.init.normal_(self.places.weight, std=0.02)

    def forward(self, x, targets):
        logits = self.head(self.norm(self.blocks(self.tokens(x) + self.places.weight)))
        return F.cross_entropy(logits.view(-1, 256), targets.view(-1))


class Cnn(nn.Module):
    def __init__(self, filters, **_):
        super().__init__()
        counts = [1, *filters]
        self.blocks = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in zip(counts, counts[1:]))
        side = 28 >> len(filters)
        self.head = nn.Linear(filters[-1] * side * side, 10)

    def forward(self, x, targets):
        for convolution in self.blocks:
            x = F.relu(F.max_pool2d(convolution(x), 2))
        return F.cross_entropy(self.head(x.flatten(1)), targets)


def batch():
    rows = CONFIG["batch"]
    if CONFIG["model"] == "cnn":
        return torch.rand(rows, 1, 28, 28), torch.randint(10, (rows,))
    tokens = torch.randint(256, (rows, CONFIG["context"] + 1))
    return tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()


def trainer(compiled):
    torch.manual_seed(1)
    model = Gpt(**CONFIG) if CONFIG["model"] == "gpt" else Cnn(**CONFIG)
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8, fused=True)
    run = torch.compile(model) if compiled else model
    inputs, targets = batch()

    def step():
        start = time.perf_counter()
        loss = run(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        return (time.perf_counter() - start) * 1e3

    return step, sum(p.numel() for p in model.parameters())


def peak(count, size=1024):
    a, b, c = torch.rand(size, size), torch.rand(size, size), torch.empty(size, size)
    best = float("inf")
    for _ in range(count):
        start = time.perf_counter()
        torch.mm(a, b, out=c)
        best = min(best, time.perf_counter() - start)
    return {"gflops": 2 * size**3 / best / 1e9}


trainers = {}
print(json.dumps({"torch": torch.__version__}), flush=True)
for line in sys.stdin:
    mode, count = line.split()
    if mode == "peak":
        print(json.dumps(peak(int(count))), flush=True)
        continue
    if mode not in trainers:
        trainers[mode] = trainer(mode == "compile")
    step, parameters = trainers[mode]
    print(json.dumps({"ms": [step() for _ in range(int(count))], "parameters": parameters}), flush=True)
