"""A PyTorch module of one's own, trained by a cluster and loaded back.

    python digits.py export                    writes digits.onnx, with the module's weights in it
    npm run murmur -- run examples/pytorch/digits.yaml
    npm run murmur -- checkpoint export CID --out trained
    python digits.py load trained/model.safetensors

Needs PyTorch 2.5 or later with onnx and onnxscript to export, safetensors to load.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Digits(nn.Module):
    """Images [B, 1, 28, 28] to logits [B, 10]."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(Residual(1, 16, 2), Residual(16, 32, 2))
        self.head = nn.Linear(32, 10)

    def forward(self, images):
        return self.head(self.layers(images).mean((2, 3)))


def export():
    torch.manual_seed(0)
    module = Digits().eval()
    # For fine-tuning: module.load_state_dict(torch.load("pretrained.pt")).
    batch = torch.export.Dim("batch", min=2)
    # optimize=False keeps the parameters' names; only the first axis may be dynamic.
    torch.onnx.export(
        module,
        (torch.zeros(2, 1, 28, 28),),
        Path(__file__).parent / "digits.onnx",
        dynamo=True,
        optimize=False,
        opset_version=18,
        dynamic_shapes=({0: batch},),
        external_data=False,
    )


def load(file):
    from safetensors.torch import load_file

    module = Digits()
    print(module.load_state_dict(load_file(file), strict=True))
    return module


if __name__ == "__main__":
    if sys.argv[1:] == ["export"]:
        export()
    elif sys.argv[1:2] == ["load"] and len(sys.argv) == 3:
        load(sys.argv[2])
    else:
        sys.exit(__doc__)
