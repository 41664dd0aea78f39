"""Makes an int8 file of a float .tflite file; run by zen-export.

    python quantize.py FOLDER

FOLDER has float.tflite and images.bin, images as the file takes them one after the other. Leaves int8.tflite and
report.json there. Exit code 3: a package is missing.
"""

import json
import pathlib
import sys

try:
    import importlib.metadata

    import numpy as np
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(3)

SIGNATURE = "serving_default"

# Ranges narrower than this are those of tensors that are zero.
NARROWEST = 1e-6


def outputs(path, images):
    """The first output of each image."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    image, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run(value):
        if image["dtype"] == np.int8:
            scale, zero_point = image["quantization"]
            value = np.clip(np.round(value / scale) + zero_point, -128, 127).astype(np.int8)
        interpreter.set_tensor(image["index"], value)
        interpreter.invoke()
        found = interpreter.get_tensor(result["index"])[0].astype(np.float64)
        if result["dtype"] == np.int8:
            scale, zero_point = result["quantization"]
            found = scale * (found - zero_point)
        return found.ravel()

    return [run(value) for value in images]


def main(folder):
    model, target = folder / "float.tflite", folder / "int8.tflite"
    interpreter = Interpreter(str(model))
    image = interpreter.get_input_details()[0]
    name = next(iter(interpreter.get_signature_list()[SIGNATURE]["inputs"]))
    shape = tuple(int(side) for side in image["shape"])
    images = np.fromfile(folder / "images.bin", dtype=image["dtype"]).reshape(-1, 1, *shape[1:])
    batches = [np.repeat(one, shape[0], axis=0) for one in images]
    quantized = quantizer.Quantizer(str(model))
    quantized.load_quantization_recipe(recipe.static_wi8_ai8())
    ranges = quantized.calibrate({SIGNATURE: [{name: batch} for batch in batches]})
    for seen in ranges.values():
        low, high = np.asarray(seen["min"]), np.asarray(seen["max"])
        if (high - low).max() < NARROWEST:
            # Nothing but zeros on any image: the scale that follows would be too small for XNNPACK, and any other is right.
            seen["max"] = low + 1
    quantized.quantize(ranges).export_model(str(target), overwrite=True)
    pairs = list(zip(outputs(model, batches), outputs(target, batches)))
    lengths = [float(np.linalg.norm(a) * np.linalg.norm(b)) for a, b in pairs]
    cosines = [float(a @ b) / length for (a, b), length in zip(pairs, lengths) if length > 0]
    report = {
        "quantizer": "ai-edge-quantizer " + importlib.metadata.version("ai-edge-quantizer"),
        "images": len(images),
        "cosine": sum(cosines) / len(cosines) if cosines else None,
        "top1_agreeing": sum(int(a.argmax() == b.argmax()) for a, b in pairs),
    }
    (folder / "report.json").write_text(json.dumps(report))


main(pathlib.Path(sys.argv[1]))
