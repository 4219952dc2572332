"""Plain convolution against loops."""

import torch

from pipeline.convs import plain


def make(stride=1, kernel=3):
    torch.manual_seed(0)
    return plain.build(plain.Params()).conv(3, 5, kernel, stride, kernel // 2, from_end=1).double()


def reference(x, weight, stride, padding):
    """Every output pixel by itself."""
    padded = torch.nn.functional.pad(x, [padding] * 4)
    kernel = weight.shape[-1]
    side = (padded.shape[-1] - kernel) // stride + 1
    out = torch.zeros(len(x), len(weight), side, side, dtype=x.dtype)
    for i in range(side):
        for j in range(side):
            patch = padded[:, None, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
            out[:, :, i, j] = (patch * weight).sum((2, 3, 4))
    return out


def test_equals_loops():
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    for stride in (1, 2):
        conv = make(stride)
        torch.testing.assert_close(conv(x, None), reference(x, conv.weight, stride, 1))


def test_shifting_the_image_shifts_the_output():
    conv, x = make(), torch.zeros(1, 3, 12, 12, dtype=torch.float64)
    x[:, :, 4:8, 4:8] = torch.randn(1, 3, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(conv(x.roll(2, 3)), conv(x).roll(2, 3))


def test_one_pixel_and_no_routing():
    conv = make(kernel=1)
    x = torch.randn(1, 3, 1, 1, dtype=torch.float64)
    torch.testing.assert_close(conv(x)[:, :, 0, 0], x[:, :, 0, 0] @ conv.weight[:, :, 0, 0].T)
    assert plain.build(plain.Params()).router(3, 1) is None
    assert conv.bias is None
