"""Trains the networks of the benchmark beside it on scikit-learn's handwritten digits, and appends a line for each.

    python train.py FOLDER PROCESSES EPOCHS...

FOLDER/networks.json names the networks, FOLDER/NAME.py is each as a PyTorch module. A line of FOLDER/results.jsonl is a
network under one schedule: its best learning rate by the validation images, and the test accuracy of every seed. What
has a line already is left out, so the same command resumes. Each process has one thread.

The images are 12 pixels wide: a digit of 8 pixels, up to a pixel off the middle, with noise over it. Place and noise are drawn
anew for every pass over the training images, and once for the others.
"""

import importlib.util
import json
import math
import multiprocessing
import pathlib
import sys
import time

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

RATES = (0.1, 0.3, 1.0)
SEEDS = (0, 1, 2)
BATCH_SIZE = 25
TRAIN_IMAGES, VALIDATION_IMAGES = 500, 300
# Views of each validation and each test image.
VIEWS = 2
# Standard deviation of the noise, where a digit is 0 to 1, and how many pixels a digit is off the middle at most.
NOISE = 0.1
SHIFT = 1
WARM_UP = 0.1
WEIGHT_DECAY = 5e-4
SIDE, DIGIT_SIDE = 12, 8


def view(digits, random):
    """Each digit at a random place of its image, with noise."""
    images = torch.zeros(len(digits), 1, SIDE, SIDE)
    middle = (SIDE - DIGIT_SIDE) // 2
    places = torch.randint(middle - SHIFT, middle + SHIFT + 1, (len(digits), 2), generator=random).tolist()
    for image, digit, (y, x) in zip(images, digits, places):
        image[:, y : y + DIGIT_SIDE, x : x + DIGIT_SIDE] = digit
    images += NOISE * torch.randn(images.shape, generator=random)
    return ((images - 0.2) / 0.5).repeat(1, 3, 1, 1)


def data():
    """Training digits with labels; validation and test images with labels."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target)
    random = torch.Generator().manual_seed(0)
    order = torch.randperm(len(images), generator=random)
    train, validation, test = order.tensor_split([TRAIN_IMAGES, TRAIN_IMAGES + VALIDATION_IMAGES])

    def views(chosen):
        return torch.cat([view(images[chosen], random) for _ in range(VIEWS)]), labels[chosen].repeat(VIEWS)

    return (images[train], labels[train]), views(validation), views(test)


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ZenNet()


def share_of_peak(progress):
    """Learning rate as a share of its peak: linear warm-up, then half a cosine down to 0."""
    if progress < WARM_UP:
        return progress / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))


def trained(path, train, epochs, rate, seed):
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    model = load(path).to(memory_format=torch.channels_last)
    for module in model.modules():
        # The published share of the newest batch, 0.01, is for hundreds of thousands of batches.
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1
    weights = [module.weight for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    decayed = {id(weight) for weight in weights}
    others = [parameter for parameter in model.parameters() if id(parameter) not in decayed]
    groups = [dict(params=weights, weight_decay=WEIGHT_DECAY), dict(params=others, weight_decay=0.0)]
    optimizer = torch.optim.SGD(groups, lr=0.0, momentum=0.9, nesterov=True)
    digits, labels = train
    steps = len(digits) // BATCH_SIZE
    for epoch in range(epochs):
        images = view(digits, random).to(memory_format=torch.channels_last)
        order = torch.randperm(len(digits), generator=random)
        for step in range(steps):
            batch = order[step * BATCH_SIZE : (step + 1) * BATCH_SIZE]
            for group in optimizer.param_groups:
                group["lr"] = rate * share_of_peak((epoch * steps + step + 1) / (epochs * steps))
            loss = functional.cross_entropy(model(images[batch]), labels[batch], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
    return model.eval()


@torch.no_grad()
def accuracy(model, images):
    inputs, labels = images
    right = sum((model(x).argmax(1) == y).sum().item() for x, y in zip(inputs.split(256), labels.split(256)))
    return right / len(labels)


def judge(folder, network, epochs):
    """Tunes the learning rate with the first seed, then trains with the others."""
    started = time.perf_counter()
    torch.set_num_threads(1)
    path = folder / f"{network['name']}.py"
    train, validation, test = data()
    first = {}
    for rate in RATES:
        model = trained(path, train, epochs, rate, SEEDS[0])
        first[rate] = accuracy(model, validation), accuracy(model, test)
    best = max(RATES, key=lambda rate: first[rate][0])
    others = [accuracy(trained(path, train, epochs, best, seed), test) for seed in SEEDS[1:]]
    return dict(
        structure=network["structure"],
        epochs=epochs,
        learning_rate=best,
        accuracies=[first[best][1], *others],
        validation={str(rate): found[0] for rate, found in first.items()},
        seconds=time.perf_counter() - started,
    )


def main(folder, processes, schedules):
    results = folder / "results.jsonl"
    lines = results.read_text().splitlines() if results.exists() else []
    done = {(line["structure"], line["epochs"]) for line in map(json.loads, lines)}
    networks = json.loads((folder / "networks.json").read_text())
    # The first of every kind first, so that what is there early covers all kinds.
    networks.sort(key=lambda network: network["name"].rsplit("-", 1)[1])
    work = [(folder, network, epochs) for epochs in schedules for network in networks]
    work = [item for item in work if (item[1]["structure"], item[2]) not in done]
    with multiprocessing.Pool(processes) as pool:
        running = [pool.apply_async(judge, item) for item in work]
        for (_, network, epochs), result in zip(work, running):
            line = result.get()
            with results.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(f"{network['name']}, {epochs} epochs: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), [int(epochs) for epochs in sys.argv[3:]])
