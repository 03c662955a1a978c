"""Inference by ONNX Runtime or OpenVINO, of the ONNX file that convert-model writes."""

import sys

from steps import arguments, images, timed


def onnxruntime(options, x):
    import onnxruntime as ort

    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(options.weights, settings, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: x})


def openvino(options, x):
    import openvino

    core = openvino.Core()
    network = core.read_model(options.weights)
    network.reshape(x.shape)
    request = core.compile_model(network, "CPU", {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": options.threads,
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[options.precision],
    }).create_infer_request()
    return lambda: request.infer([x])


works = {"onnxruntime": onnxruntime, "openvino": openvino}
options = arguments(__doc__, works)
try:
    step = works[options.work](options, images(options))
except ImportError:
    sys.exit(f"{options.work} is not installed")
timed(step, options.steps)
