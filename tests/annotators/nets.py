"""Photos, and ONNX files that say of any chip what the test wants."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline import records
from pipeline.annotators._photos import PhotosOf
from pipeline.records import Sample


def constant(path, shape, values):
    """An ONNX file from (1, 3, *shape) to `values` (1, n); it looks at the image, and adds nothing of it."""
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["values", "zero"], ["output"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([values], np.float32), "values"),
        numpy_helper.from_array(np.array(0, np.float32), "nothing"),
    ]
    given = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, *shape])
    told = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, len(values)])
    graph = helper.make_graph(nodes, "g", [given], [told], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return str(path)


def photos(folder, samples):
    """The frame and the photos of samples that are crops already."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    writer = records.Writer(Path(folder))
    for sample in samples:
        writer.add(sample)
    writer.close({})
    faces = records.Dataset(folder)
    return faces.frame(), PhotosOf(faces, Path("none"), Path("none"))


def picture(seed=0, height=90, width=80):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def sample(name, image=None, **known):
    return Sample(name, records.encode(picture() if image is None else image, 101), **known)
