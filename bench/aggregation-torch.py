"""The steps of bench/aggregation.ts in PyTorch on one thread, as one would write them there; a line of JSON for each.

    python3 bench/aggregation-torch.py PARAMETERS REPETITIONS
"""
import hashlib, json, sys, time
import torch

N, REPETITIONS = int(sys.argv[1]), int(sys.argv[2])
CHUNK, K, BETA = 4096, 64, 0.95
torch.set_num_threads(1)
torch.manual_seed(1)


def report(step, work):
    work()
    times = []
    for _ in range(REPETITIONS):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    print(json.dumps({"step": step, "ms": min(times) * 1e3, "medianMs": sorted(times)[len(times) // 2] * 1e3}), flush=True)


def compress(delta, error):
    """SparseLoCo with the same selection, quantization and bit fields; the last, short chunk is left out."""
    error.mul_(BETA).add_(delta)
    chunks = error[: N // CHUNK * CHUNK].view(-1, CHUNK)
    places = torch.topk(chunks.abs(), K, dim=1, sorted=False).indices.sort(dim=1).values
    values = chunks.gather(1, places)
    magnitudes = values.abs()
    large = magnitudes > magnitudes.mean(dim=1, dtype=torch.float64, keepdim=True)
    count = large.sum(dim=1, keepdim=True)
    total = magnitudes.sum(dim=1, dtype=torch.float64, keepdim=True)
    high_sum = (magnitudes * large).sum(dim=1, dtype=torch.float64, keepdim=True)
    low = ((total - high_sum) / (K - count)).float()
    high = torch.where(count > 0, high_sum / count.clamp(min=1), low).float()
    minus = values < 0
    sent = torch.where(large, high, low)
    sent = torch.where(minus, -sent, sent)
    chunks.scatter_(1, places, values - sent)
    pairs = places.to(torch.int32).view(-1, K // 2, 2)
    both = pairs[:, :, 0] | pairs[:, :, 1] << 12
    indices = torch.stack([both & 255, both >> 8 & 255, both >> 16], dim=2).to(torch.uint8).view(-1, K * 3 // 2)
    codes = (minus.to(torch.uint8) | large.to(torch.uint8) << 1).view(-1, K // 4, 4)
    codes = codes[:, :, 0] | codes[:, :, 1] << 2 | codes[:, :, 2] << 4 | codes[:, :, 3] << 6
    return torch.cat([low.view(torch.uint8), high.view(torch.uint8), indices, codes], dim=1)


def decompress(record):
    low, high = record[:, 0:4].contiguous().view(torch.float32), record[:, 4:8].contiguous().view(torch.float32)
    three = record[:, 8 : 8 + K * 3 // 2].to(torch.int32).view(-1, K // 2, 3)
    both = three[:, :, 0] | three[:, :, 1] << 8 | three[:, :, 2] << 16
    places = torch.stack([both & 4095, both >> 12], dim=2).view(-1, K)
    codes = record[:, 8 + K * 3 // 2 :]
    codes = torch.stack([codes & 3, codes >> 2 & 3, codes >> 4 & 3, codes >> 6], dim=2).view(-1, K)
    values = torch.where(codes > 1, high, low)
    values = torch.where((codes & 1) > 0, -values, values)
    starts = torch.arange(record.shape[0], dtype=torch.int64).view(-1, 1) * CHUNK
    return (places + starts).view(-1), values.view(-1)


def mean_of(records):
    mean = torch.zeros(N)
    for record in records:
        indices, values = decompress(record)
        mean.index_add_(0, indices, values, alpha=1 / len(records))
    return mean


theta, delta, error = torch.randn(N), torch.randn(N), torch.zeros(N)
record = compress(delta, error)
whole = N // CHUNK * CHUNK
assert torch.allclose(mean_of([record])[:whole] + error[:whole], delta[:whole], atol=1e-5)
into = torch.empty(N)
report("pseudo-gradient", lambda: torch.sub(theta, delta, out=into))
report("compress", lambda: compress(delta, error))
report("decompress + mean of 8", lambda: mean_of([record] * 8))
report("decompress + mean of 32", lambda: mean_of([record] * 32))


def int8_compress(delta, error, block=128):
    """Blockwise absmax; the last, short block is left out."""
    error.add_(delta)
    blocks = error[: N // block * block].view(-1, block)
    scales = blocks.abs().amax(dim=1, keepdim=True) / 127
    codes = (blocks / scales).round_()
    blocks.sub_(codes * scales)
    return scales, codes.to(torch.int8)


def int4_compress(delta, error, block=128):
    """Likewise, two codes a byte."""
    error.add_(delta)
    blocks = error[: N // block * block].view(-1, block)
    scales = blocks.abs().amax(dim=1, keepdim=True) / 7
    codes = (blocks / scales).round_()
    blocks.sub_(codes * scales)
    codes = codes.to(torch.int8).view(-1, 2)
    return scales, codes[:, 0] & 15 | codes[:, 1] << 4


PLACES = 1 << torch.arange(8, dtype=torch.uint8)


def sign_compress(delta, error, block=128):
    """The sign and the mean magnitude of a block; the last, short block is left out."""
    error.add_(delta)
    blocks = error[: N // block * block].view(-1, block)
    scales = blocks.abs().mean(dim=1, keepdim=True, dtype=torch.float64).float()
    minus = blocks < 0
    blocks.sub_(torch.where(minus, -scales, scales))
    return scales, (minus.view(-1, 8) * PLACES).sum(dim=1, dtype=torch.uint8)


def int8_mean(scales, codes):
    mean = torch.zeros(codes.shape)
    for _ in range(8):
        mean.add_(codes * scales, alpha=1 / 8)
    return mean


def sign_mean(scales, bits):
    mean = torch.zeros(scales.shape[0], 128)
    for _ in range(8):
        minus = ((bits.view(-1, 1) & PLACES) != 0).view(-1, 128)
        mean.add_(torch.where(minus, -scales, scales), alpha=1 / 8)
    return mean


def dense_mean():
    into.zero_()
    for vector in eight:
        into.add_(vector, alpha=1 / 8)


eight = [theta, delta, error, *(torch.randn(N) for _ in range(4)), delta]
report("mean of 8 dense", dense_mean)
if N <= 20_000_000:
    report("median of 8 dense", lambda: torch.stack(eight).median(dim=0).values)
del eight
rest = torch.zeros(N)
report("int8 compress", lambda: int8_compress(delta, rest))
sent = int8_compress(delta, rest)
report("int8 decompress + mean of 8", lambda: int8_mean(*sent))
report("int4 compress", lambda: int4_compress(delta, rest))
report("sign compress", lambda: sign_compress(delta, rest))
sent = sign_compress(delta, rest)
report("sign decompress + mean of 8", lambda: sign_mean(*sent))
del rest, sent
report("outer step", lambda: theta.sub_(delta, alpha=0.7))
report("bf16", lambda: theta.to(torch.bfloat16))
report("root hash", lambda: hashlib.sha256(theta.numpy()).hexdigest())
