#!/usr/bin/env python3
"""First steps of a narrow DCGAN in plain PyTorch: dcgan.py DIGITS_DIR OUT.json.

Model, initial weights, order of data, noise and arithmetic are those of examples/plugins/dcgan.c
under MMEngine's runner (tools/compare/gan.py shows live that both agree bit for bit); written out
here so that any PyTorch can make a file of its own version. Everything is drawn from seed 17, on
one thread. Adam turns rounding errors of small gradients into whole steps, so two right ways of
computing soon differ: the losses are noted twice, with oneDNN and without, and how far these two
are apart by then, times ten and plus 1e-4, is the tolerance of the test that reads the file. Four
pictures are made after 50 steps, by a noise of their own.
"""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

from training import read_idx

SEED, BATCH, STEPS, PICTURES, NOISE, WIDTH, SIZE = 17, 32, 100, 50, 16, 8, 8


def new_generator():
    return nn.Sequential(
        nn.ConvTranspose2d(NOISE, 2 * WIDTH, SIZE // 4, bias=False), nn.BatchNorm2d(2 * WIDTH),
        nn.ReLU(), nn.ConvTranspose2d(2 * WIDTH, WIDTH, 4, 2, 1, bias=False),
        nn.BatchNorm2d(WIDTH), nn.ReLU(), nn.ConvTranspose2d(WIDTH, 1, 4, 2, 1), nn.Tanh())


def new_discriminator():
    return nn.Sequential(
        nn.Conv2d(1, WIDTH, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(WIDTH, 2 * WIDTH, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * WIDTH),
        nn.LeakyReLU(0.2), nn.Conv2d(2 * WIDTH, 1, SIZE // 4), nn.Flatten())


def init_weights(*modules):
    """The init_cfg of the config: convolutions first, then norms."""
    for module in modules:
        for m in module:
            if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(m.weight, 0.0, 0.02)
                if m.bias is not None:
                    nn.init.constant_(m.bias, 0)
    for module in modules:
        for m in module:
            if isinstance(m, nn.BatchNorm2d):
                nn.init.normal_(m.weight, 1.0, 0.02)
                nn.init.constant_(m.bias, 0)


def batches(images):
    """Epochs of whole batches; making a loader's iterator draws a number."""
    epoch = 0
    while True:
        generator = torch.Generator()
        generator.manual_seed(SEED + epoch)
        order = torch.randperm(len(images), generator=generator)
        torch.empty((), dtype=torch.int64).random_()
        for i in range(len(images) // BATCH):
            x = images[order[i * BATCH:(i + 1) * BATCH]].unsqueeze(1).float()
            yield (x - torch.tensor(127.5)) / torch.tensor(127.5)
        epoch += 1


def loss_of(scores, real):
    target = torch.ones_like(scores) if real else torch.zeros_like(scores)
    return F.binary_cross_entropy_with_logits(scores, target)


def step(optimizer, loss):
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def make_pictures(generator):
    noise = torch.randn(4, NOISE, 1, 1, generator=torch.Generator().manual_seed(0))
    generator.eval()
    with torch.no_grad():
        made = generator(noise)
    generator.train()
    return ((made + 1) * 127.5).round().clamp(0, 255).byte().flatten().tolist()


def train(images):
    torch.manual_seed(SEED)
    generator, discriminator = new_generator(), new_discriminator()
    init_weights(generator, discriminator)
    optimizers = [torch.optim.Adam(m.parameters(), lr=2e-3, betas=(0.5, 0.999))
                  for m in (generator, discriminator)]
    losses, real_pictures = [], batches(images)
    for i in range(STEPS):
        real = next(real_pictures)
        made = generator(torch.randn(BATCH, NOISE, 1, 1))
        loss_disc = (loss_of(discriminator(real), True) +
                     loss_of(discriminator(made.detach()), False))
        step(optimizers[1], loss_disc)
        discriminator.requires_grad_(False)
        loss_gen = loss_of(discriminator(made), True)
        step(optimizers[0], loss_gen)
        discriminator.requires_grad_(True)
        losses.append([loss_disc.item(), loss_gen.item()])
        if i + 1 == PICTURES:
            pictures = make_pictures(generator)
    return losses, pictures


def main(folder, out):
    torch.set_num_threads(1)
    images = read_idx(f'{folder}/train-images-idx3-ubyte.gz')
    losses, pictures = train(images)
    with torch.backends.mkldnn.flags(enabled=False):
        others, _ = train(images)
    spread, spreads = 0.0, []
    for a, b in zip(losses, others):
        spread = max([spread] + [abs(x - y) for x, y in zip(a, b)])
        spreads.append(spread)
    record = dict(script='tools/golden/dcgan.py', torch=torch.__version__, seed=SEED,
                  tolerance='1e-4 + 10 * spread', losses=losses, spread=spreads,
                  pictures=pictures)
    with open(out, 'w') as f:
        json.dump(record, f)
        f.write('\n')


if __name__ == '__main__':
    main(*sys.argv[1:])
