"""Ten networks of other people on this processor: predicted beside measured, as rows of a Markdown table.

    python benches/foreign.py FOLDER [--runtime NAME] [--python PROGRAM] [--minutes M] [--programs target/release]

FOLDER holds the files that `tests/peers/zoo.py FOLDER` (PyTorch, torchvision, timm) wrote; a database of its own goes there, so the
user's tables stay as they are. Twice `zen-profile verify` measures every network as a whole and predicts it: from a table of the
search spaces (`zen-profile`, M minutes), and, once `zen-profile --for` has measured the networks' own operators, from those. A
measurement and its prediction are minutes apart; a busy machine shows in both.
"""

import argparse
import json
import os
import pathlib
import subprocess

NETWORKS = [
    "mobilenet_v2",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "resnet50",
    "regnet_y_400mf",
    "shufflenet_v2_x1_0",
    "convnext_atto",
    "ghostnet_100",
    "mnasnet1_0",
    "vgg11_slim",
]


def error(network):
    return network["predicted_ms"] / network["measured_ms"] - 1


def share(gaps, name):
    """Of the predicted time, in percent."""
    return 100 * gaps[f"{name}_share"]


def row(spaces, own):
    name = pathlib.Path(spaces["file"]).stem
    gaps = spaces["gaps"]
    cells = [
        f"`{name}`",
        f"{spaces['measured_ms']:.2f}",
        f"{spaces['predicted_ms']:.2f}",
        f"{100 * error(spaces):+.0f}%",
        f"{share(gaps, 'without_evidence'):.0f}%",
        f"{share(gaps, 'approximated'):.0f}%",
        f"{own['measured_ms']:.2f}",
        f"{own['predicted_ms']:.2f}",
        f"{100 * error(own):+.0f}%",
    ]
    return "| " + " | ".join(cells) + " |"


def mean_error(networks):
    return 100 * sum(abs(error(network)) for network in networks) / len(networks)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--python")
    parser.add_argument("--minutes", default="10")
    parser.add_argument("--programs", type=pathlib.Path, default=pathlib.Path("target/release"))
    options = parser.parse_args()
    files = [str(options.folder / f"{name}.onnx") for name in NETWORKS]
    os.environ["ZEN_NAS_DB"] = str(options.folder / f"{options.runtime}.sqlite")
    runtime = ["--device", "cpu", "--runtime", options.runtime]
    if options.python:
        runtime += ["--python", options.python]

    def profile(*arguments, codes=(0,)):
        command = [str(options.programs / "zen-profile"), *arguments, *runtime]
        print("+", *command, flush=True)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        assert done.returncode in codes, f"{command} ends with {done.returncode}: {done.stdout}"
        return done.stdout

    def verified(step):
        found = json.loads(profile("verify", *files, "--json"))
        (options.folder / f"{options.runtime}.{step}.json").write_text(json.dumps(found, indent=1))
        assert not found["failed"], found["failed"]
        return found["networks"]

    # 5: some operators failed; the rest is stored.
    print(profile("--minutes", options.minutes, codes=(0, 5)))
    spaces = verified("spaces")
    print(profile(*(part for file in files for part in ("--for", file)), codes=(0, 5)))
    own = verified("own")
    for pair in zip(spaces, own):
        print(row(*pair))
    print(f"mean of the errors' sizes: {mean_error(spaces):.1f}% and {mean_error(own):.1f}%; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
