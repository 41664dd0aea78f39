"""Trains a module that `zen-export --format pytorch` wrote, with the settings of the published Zen-NAS training.

    python train.py network.py --data imagenet --out runs/a
    python train.py network.py --data cifar --recipe cifar --out runs/b
    python train.py network.py --data synthetic --epochs 5 --out runs/c   # no data set: to see that everything works

DATA is a folder with `train/CLASS/*.jpg` and `val/CLASS/*.jpg` (read by torchvision). `OUT/best.pth` is what
`zen-export --weights` takes; `OUT/last.pth` is where `--resume` goes on.
"""

import argparse
import importlib.util
import math
import os
import pathlib

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

# What the published runs on the two kinds of data differ in.
RECIPES = {
    "imagenet": dict(epochs=480, weight_decay=4e-5, mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225)),
    "cifar": dict(epochs=1440, weight_decay=5e-4, mean=(0.4914, 0.4822, 0.4465), deviation=(0.2023, 0.1994, 0.2010)),
}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module", help="file of zen-export --format pytorch")
    parser.add_argument("--data", required=True, help="folder with train/ and val/, or `synthetic`")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="folder for best.pth and last.pth")
    parser.add_argument("--recipe", choices=RECIPES, default="imagenet")
    parser.add_argument("--initial", help="weights to start from [default: drawn as published]")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/last.pth")
    parser.add_argument("--epochs", type=int, help="[default: the recipe's]")
    parser.add_argument("--warmup", type=int, default=5, help="epochs of linear warm-up")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--lr", type=float, default=0.1, help="learning rate for a batch of 256; scaled to the batch")
    parser.add_argument("--weight-decay", type=float, help="on weights of convolutions and the classifier alone")
    parser.add_argument("--batch-norm-momentum", type=float, help="[default: the module's]")
    parser.add_argument("--label-smoothing", type=float, default=0.1)
    parser.add_argument("--mixup", type=float, default=0.2, help="alpha of the Beta distribution; 0: none")
    parser.add_argument("--teacher", help="Python file with a function teacher() that gives a module: images to logits")
    parser.add_argument("--teacher-resolution", type=int, default=320)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--amp", action="store_true", help="mixed precision (CUDA)")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    for name, value in RECIPES[chosen.recipe].items():
        if getattr(chosen, name, None) is None:
            setattr(chosen, name, value)
    return chosen


def load_module(path):
    spec = importlib.util.spec_from_file_location(pathlib.Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stripes(resolution, classes, images, seed):
    """A data set without files: noisy stripes whose direction is the class; width, phase and colour vary."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(images) % classes
    angles = (labels * math.pi / classes).reshape(-1, 1, 1)
    width, phase = torch.rand(2, images, 1, 1, generator=random)
    y, x = torch.meshgrid(torch.linspace(0, 1, resolution), torch.linspace(0, 1, resolution), indexing="ij")
    along = x * torch.cos(angles) + y * torch.sin(angles)
    waves = torch.sin(2 * math.pi * ((3 + 2 * width) * along + phase))
    colours = 0.5 + torch.rand(images, 3, 1, 1, generator=random)
    noise = 0.3 * torch.randn(images, 3, resolution, resolution, generator=random)
    return TensorDataset(colours * waves.unsqueeze(1) + noise, labels)


def photographs(chosen, resolution):
    """Training and validation images of a folder, augmented as published."""
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    bicubic = transforms.InterpolationMode.BICUBIC
    normalise = [transforms.ToTensor(), transforms.Normalize(chosen.mean, chosen.deviation)]
    if chosen.recipe == "imagenet":
        crop = transforms.RandomResizedCrop(resolution, interpolation=bicubic)
        policy = transforms.AutoAugmentPolicy.IMAGENET
        larger = math.ceil(resolution / 0.875)
        middle = [transforms.Resize(larger, interpolation=bicubic), transforms.CenterCrop(resolution)]
    else:
        crop = transforms.RandomCrop(resolution, padding=4)
        policy = transforms.AutoAugmentPolicy.CIFAR10
        middle = [transforms.Resize(resolution, interpolation=bicubic), transforms.CenterCrop(resolution)]
    varied = [crop, transforms.RandomHorizontalFlip(), transforms.AutoAugment(policy)]
    varied = transforms.Compose([*varied, *normalise, transforms.RandomErasing()])
    folder = pathlib.Path(chosen.data)
    return ImageFolder(folder / "train", varied), ImageFolder(folder / "val", transforms.Compose(middle + normalise))


def loaders(chosen, network):
    if chosen.data == "synthetic":
        train = stripes(network.RESOLUTION, network.CLASSES, 512, chosen.seed)
        val, workers = stripes(network.RESOLUTION, network.CLASSES, 256, chosen.seed + 1), 0
    else:
        (train, val), workers = photographs(chosen, network.RESOLUTION), chosen.workers
        if len(train.classes) != network.CLASSES:
            raise SystemExit(f"{chosen.data} has {len(train.classes)} classes, {chosen.module} {network.CLASSES}")
    common = dict(batch_size=chosen.batch_size, num_workers=workers, pin_memory=chosen.device != "cpu")
    return DataLoader(train, shuffle=True, drop_last=True, **common), DataLoader(val, **common)


def parameter_groups(model, weight_decay):
    """Weights of convolutions and of the classifier decay; biases and batch norms do not."""
    weights = [module.weight for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    decayed = {id(weight) for weight in weights}
    others = [parameter for parameter in model.parameters() if id(parameter) not in decayed]
    return [dict(params=weights, weight_decay=weight_decay), dict(params=others, weight_decay=0.0)]


def rate(progress, chosen):
    """Learning rate after `progress` epochs: linear warm-up, then half a cosine down to 0."""
    peak = chosen.lr * chosen.batch_size / 256
    if progress < chosen.warmup:
        return peak * progress / chosen.warmup
    done = (progress - chosen.warmup) / max(chosen.epochs - chosen.warmup, 1)
    return peak * 0.5 * (1 + math.cos(math.pi * min(done, 1)))


def mixed(images, targets, alpha):
    """Each image with another one shining through, and its target likewise."""
    if not alpha:
        return images, targets
    share = torch.distributions.Beta(alpha, alpha).sample().item()
    other = torch.randperm(len(images), device=images.device)
    return share * images + (1 - share) * images[other], share * targets + (1 - share) * targets[other]


def cross_entropy(logits, probabilities):
    return -(probabilities * functional.log_softmax(logits, 1)).sum(1).mean()


def train_epoch(model, teacher, batches, optimizer, scaler, epoch, classes, chosen):
    """One pass over the data; the mean loss."""
    model.train()
    total = 0.0
    for step, (images, labels) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = rate(epoch + (step + 1) / len(batches), chosen)
        images, labels = images.to(chosen.device), labels.to(chosen.device)
        targets = functional.one_hot(labels, classes) * (1 - chosen.label_smoothing) + chosen.label_smoothing / classes
        images, targets = mixed(images, targets, chosen.mixup)
        with torch.autocast(torch.device(chosen.device).type, enabled=chosen.amp):
            logits = model(images)
        loss = cross_entropy(logits.float(), targets)
        if teacher is not None:
            with torch.no_grad():
                larger = functional.interpolate(images, chosen.teacher_resolution, mode="bilinear")
                taught = teacher(larger).float().softmax(1)
            loss = loss + cross_entropy(logits.float(), taught)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        total += loss.item()
    return total / len(batches)


@torch.no_grad()
def accuracy(model, batches, device):
    """Share of images whose largest logit is that of their class."""
    model.eval()
    right = sum((model(images.to(device)).argmax(1).cpu() == labels).sum().item() for images, labels in batches)
    return right / len(batches.dataset)


def made_for(network):
    """What the weights are for, as `zen-export --weights` reads it and compares it with what it exports."""
    return (
        f"resolution={network.RESOLUTION} classes={network.CLASSES} "
        f"squeeze_excite={network.SQUEEZE_EXCITE} residual_links={network.RESIDUAL_LINKS}"
    )


def save(state, path):
    """Writes beside the file and renames, so that a killed run leaves the older checkpoint."""
    torch.save(state, f"{path}.partial")
    os.replace(f"{path}.partial", path)


def main(chosen):
    torch.manual_seed(chosen.seed)
    network = load_module(chosen.module)
    model = network.ZenNet()
    if chosen.initial:
        network.load_weights(model, chosen.initial)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and chosen.batch_norm_momentum is not None:
            module.momentum = chosen.batch_norm_momentum
    model.to(chosen.device)
    teacher = load_module(chosen.teacher).teacher().eval().to(chosen.device) if chosen.teacher else None
    train, val = loaders(chosen, network)
    optimizer = torch.optim.SGD(parameter_groups(model, chosen.weight_decay), lr=0.0, momentum=0.9, nesterov=True)
    # Its place changed between versions of PyTorch.
    scaler_class = getattr(torch.amp, "GradScaler", torch.cuda.amp.GradScaler)
    scaler = scaler_class(enabled=chosen.amp)
    # Several GPUs share each batch. Checkpoints are those of `model`, without the wrapper's names.
    parallel = nn.DataParallel(model) if torch.cuda.device_count() > 1 and chosen.device == "cuda" else model

    chosen.out.mkdir(parents=True, exist_ok=True)
    start, best = 0, -1.0
    if chosen.resume:
        last = torch.load(chosen.out / "last.pth", map_location="cpu")
        model.load_state_dict(last["state_dict"])
        optimizer.load_state_dict(last["optimizer"])
        scaler.load_state_dict(last["scaler"])
        start, best = last["epoch"], last["best"]

    for epoch in range(start, chosen.epochs):
        loss = train_epoch(parallel, teacher, train, optimizer, scaler, epoch, network.CLASSES, chosen)
        share = accuracy(parallel, val, chosen.device)
        print(f"epoch {epoch + 1} of {chosen.epochs}: loss {loss:.4f}, accuracy {100 * share:.2f}%", flush=True)
        state = dict(epoch=epoch + 1, zen_nas=made_for(network), structure=network.STRUCTURE)
        state["state_dict"] = model.state_dict()
        if share >= best:
            best = share
            save(dict(state, accuracy=share), chosen.out / "best.pth")
        save(dict(state, best=best, optimizer=optimizer.state_dict(), scaler=scaler.state_dict()), chosen.out / "last.pth")


if __name__ == "__main__":
    main(options())
