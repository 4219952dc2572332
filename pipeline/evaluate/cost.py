"""What a model costs: parameters, FLOPs an image, milliseconds an image, bytes an embedding.

    FLOPs of a convolution = C_out h_out w_out (C_in / groups) k_h k_w,  of a linear layer = inputs x outputs

"FLOPs" are multiply-accumulates, the field's convention: ArcFace's IR-50 at 112 pixels has 6.31 G. Only
convolutions and matrix products count. A frozen landmark net at the side of a model is told apart, not
added in. Time differs from run to run and machine to machine: it comes with its number of threads.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.model import Recogniser
from pipeline.runtime import Runtime

BYTES = 4  # of a float32


def parameters(net: nn.Module) -> int:
    """Learned numbers; BN's running statistics are none."""
    return sum(value.numel() for value in net.parameters())


def macs(net: nn.Module, *inputs: Tensor) -> int:
    """Multiply-accumulates of one forward pass."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(*inputs)
    return int(counter.get_total_flops()) // 2  # it counts a multiply-accumulate as two


def size(recogniser: Recogniser, onnx: Path | None = None) -> dict[str, Any]:
    """Parameters, FLOPs and embedding bytes; `onnx`, a foreign model's file, is counted in its graph.

    Of a frozen TorchScript file, whose weights are constants, the parameters are None, of a quantised one the
    FLOPs, too.
    """
    answer: dict[str, Any] = {"embedding": recogniser.dim, "embedding_bytes": recogniser.dim * BYTES}
    if onnx is not None:
        return {**answer, **graph_size(onnx)}
    if not getattr(recogniser.backbone, "countable", True):
        return {**answer, "parameters": None, "flops": None}
    device = next((value.device for value in recogniser.parameters()), None)
    image = torch.zeros(1, 3, recogniser.spec.size, recogniser.spec.size, device=device)
    seen: list[tuple[Tensor, ...]] = []
    hook = recogniser.backbone.register_forward_pre_hook(lambda _, given: seen.append(given))
    training = recogniser.training
    recogniser.eval()
    try:
        whole = macs(recogniser, image)
    finally:
        hook.remove()
    own = macs(recogniser.backbone, *seen[0])
    recogniser.train(training)
    answer |= {"parameters": parameters(recogniser) or None, "flops": own}
    if recogniser.side is not None:
        answer |= {"side_parameters": parameters(recogniser.side), "side_flops": whole - own}
    return answer


def graph_size(path: Path) -> dict[str, int]:
    """Parameters and FLOPs of an ONNX graph, for one image."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(_of_one_image(onnx.load(str(path))), data_prop=True).graph
    weights = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    shapes = {
        value.name: [max(1, dim.dim_value) for dim in value.type.tensor_type.shape.dim]
        for value in [*graph.value_info, *graph.output, *graph.input]
    } | weights
    total = 0
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        out, left, right = (shapes.get(name) for name in (node.output[0], *node.input[:2]))
        if not (out and left and right):
            raise ValueError(f"{path}: the shapes around {node.op_type} {node.name!r} can't be inferred")
        depth = math.prod(right[1:]) if node.op_type == "Conv" else left[-1]
        total += math.prod(out[1:]) * depth if node.op_type != "MatMul" else math.prod(out) * depth
    used = {name for node in graph.node for name in node.input}
    learned = [name for name in weights if name in used and len(weights[name]) > 0]
    return {"parameters": sum(math.prod(weights[name]) for name in learned), "flops": total}


def _of_one_image(proto: Any) -> Any:
    """A free batch is one image, so that shapes that are computed from it can be inferred."""
    for value in [*proto.graph.input, *proto.graph.output]:
        shape = value.type.tensor_type.shape.dim
        if shape and not shape[0].dim_value:
            shape[0].dim_value = 1
    return proto


def milliseconds(
    recogniser: Recogniser, batches: Sequence[int], repeats: int, runtime: Runtime
) -> list[dict[str, Any]]:
    """Time an image (median and fastest of `repeats`) at each batch size, input on the device already."""
    training = recogniser.training
    recogniser.to(runtime.device).eval()
    pixels = recogniser.spec.size
    rows = []
    for batch in batches:
        image = torch.zeros(batch, 3, pixels, pixels, device=runtime.device)
        image = image.contiguous(memory_format=torch.channels_last)
        taken = [_seconds(recogniser, image) for _ in range(repeats + 1)][1:]  # the first one warms up
        each = [1000 * seconds / batch for seconds in taken]
        fact = {"batch": batch, "ms": statistics.median(each), "fastest_ms": min(each), "repeats": repeats}
        rows.append({**fact, "threads": torch.get_num_threads(), "device": runtime.device})
    recogniser.train(training)
    return rows


def _seconds(net: nn.Module, image: Tensor) -> float:
    _wait(image.device)
    begun = time.perf_counter()
    with torch.inference_mode():
        net(image)
    _wait(image.device)
    return time.perf_counter() - begun


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
