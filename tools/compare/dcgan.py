"""For Python's MMEngine: the twins of examples/plugins/dcgan.c and of GeneratedGridHook, and
MMagic's constructor of several optimizers."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from mmengine.registry import HOOKS, MODELS, OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MultiOptimWrapperConstructor:
    def __init__(self, optim_wrapper_cfg, paramwise_cfg=None):
        self.cfg = optim_wrapper_cfg

    def __call__(self, model):
        return OptimWrapperDict(**{name: build_optim_wrapper(getattr(model, name), cfg)
                                   for name, cfg in self.cfg.items()})


@MODELS.register_module()
class DCGAN(BaseModel):
    def __init__(self, data_preprocessor=None, image_size=28, image_channels=1, noise_size=100,
                 width=64, init_cfg=None):
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.noise_size = noise_size
        self.generator = nn.Sequential(
            nn.ConvTranspose2d(noise_size, 2 * width, image_size // 4, bias=False),
            nn.BatchNorm2d(2 * width), nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width), nn.ReLU(),
            nn.ConvTranspose2d(width, image_channels, 4, 2, 1), nn.Tanh())
        self.discriminator = nn.Sequential(
            nn.Conv2d(image_channels, width, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, image_size // 4), nn.Flatten())

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return self.generator(inputs)

    @staticmethod
    def loss_of(scores, real):
        target = torch.ones_like(scores) if real else torch.zeros_like(scores)
        return F.binary_cross_entropy_with_logits(scores, target)

    def train_step(self, data, optim_wrapper):
        generator, discriminator = optim_wrapper['generator'], optim_wrapper['discriminator']
        real = self.data_preprocessor(data, True)['inputs']
        noise = torch.randn(len(real), self.noise_size, 1, 1)
        with generator.optim_context(self.generator):
            made = self.generator(noise)
        with discriminator.optim_context(self.discriminator):
            of_real = self.discriminator(real)
            of_made = self.discriminator(made.detach())
            loss_disc = self.loss_of(of_real, True) + self.loss_of(of_made, False)
        discriminator.update_params(loss_disc)
        self.discriminator.requires_grad_(False)
        with generator.optim_context(self.generator):
            loss_gen = self.loss_of(self.discriminator(made), True)
        generator.update_params(loss_gen)
        self.discriminator.requires_grad_(True)
        return dict(loss_disc=loss_disc.detach(), score_real=of_real.detach().sigmoid().mean(),
                    score_fake=of_made.detach().sigmoid().mean(), loss_gen=loss_gen.detach())


@HOOKS.register_module()
class GeneratedGridHook(Hook):
    def __init__(self, noise_size, rows=8, columns=8, seed=0, scale=2, padding=2):
        self.sizes, self.seed = (rows * columns, *noise_size), seed
        self.rows, self.columns, self.scale, self.padding = rows, columns, scale, padding

    def before_train(self, runner):
        pass

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        pass

    @torch.no_grad()
    def after_train_epoch(self, runner):
        model, pad, scale = runner.model, self.padding, self.scale
        noise = torch.randn(self.sizes, generator=torch.Generator().manual_seed(self.seed))
        model.eval()
        made = ((model(noise) + 1) * 127.5).round().clamp(0, 255).byte()
        model.train()
        made = made.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
        height, width = made.shape[2] + pad, made.shape[3] + pad
        grid = torch.full((3, height * self.rows + pad, width * self.columns + pad), 128,
                          dtype=torch.uint8)
        for i, picture in enumerate(made):
            y, x = i // self.columns * height + pad, i % self.columns * width + pad
            grid[:, y:y + height - pad, x:x + width - pad] = picture
        runner.visualizer.add_image('generated', grid.permute(1, 2, 0).contiguous().numpy(),
                                    step=runner.epoch + 1)
