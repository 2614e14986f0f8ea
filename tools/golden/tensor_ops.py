"""Golden values of the typed tensor operations, taken from PyTorch.

Writes tests/golden/tensor/ops.bin and provenance.txt. For each case the file holds the
result ("<case>"), its sizes ("<case>.sizes"), its dtype as mm_dtype ("<case>.dtype") and,
where it is differentiable in an input, the gradient of the sum of the result
("<case>.grad_<input>"). Inputs are records "in.<input>" with sizes beside them. All numbers
are float32.

Usage: python tools/golden/tensor_ops.py
"""
import os
import platform
import struct

import torch
import torch.nn.functional as F

SEED = 11
OUT = 'tests/golden/tensor'
DTYPES = {torch.uint8: 1, torch.int32: 4, torch.int64: 5, torch.float16: 6,
          torch.float32: 7, torch.float64: 8, torch.bool: 12, torch.bfloat16: 16}

torch.manual_seed(SEED)
torch.set_num_threads(1)
inf = float('inf')

# Float inputs; the gradient with respect to each is recorded.
floats = {
    'a': torch.randn(3, 4),
    'b': torch.randn(3, 4),
    'c': torch.randn(4, 5),
    'p': torch.rand(3, 4) * 2 + 0.1,      # positive
    'u': torch.rand(3, 4) * 0.8 + 0.1,    # inside (0, 1)
    'v': torch.randn(4),
    'w': torch.randn(5, 4),
    'r': torch.randn(5),
    'img': torch.randn(2, 4, 6, 6),
    'seq': torch.randn(2, 4, 9),
    'vol': torch.randn(1, 2, 4, 4, 4),
    'k2': torch.randn(8, 4, 3, 3) * 0.3,
    'k2g': torch.randn(8, 2, 3, 3) * 0.3,
    'kt': torch.randn(4, 3, 3, 3) * 0.3,
    'b8': torch.randn(8),
    'k1': torch.randn(6, 4, 3) * 0.3,
    'k3': torch.randn(3, 2, 2, 2, 2) * 0.3,
    'gamma': torch.rand(4) + 0.5,
    'beta': torch.randn(4),
    'logits': torch.randn(5, 7),
    'probs': torch.randn(5, 7).softmax(1),
    'cw': torch.rand(7) + 0.5,
    'emb': torch.randn(9, 3),
    'q': torch.randn(2, 2, 5, 8),
    'key': torch.randn(2, 2, 6, 8),
    'val': torch.randn(2, 2, 6, 3),
    'bat1': torch.randn(2, 3, 4),
    'bat2': torch.randn(2, 4, 5),
    'grid': torch.rand(2, 3, 3, 2) * 2 - 1,
}
# Other inputs, stored as floats, used with the dtype given.
others = {
    'mean': torch.randn(4) * 0.1,
    'var': torch.rand(4) + 0.5,
    'target': torch.tensor([1, 6, 0, 3, 3]),
    'target_ignore': torch.tensor([1, -100, 0, 2, 3]),
    'mask': torch.randn(3, 4) > 0,
    'mask2': torch.randn(3, 4) > 0,
    'amask': torch.ones(5, 6).tril(1).bool(),
    'idx': torch.tensor([2, 0, 1]),
    'gidx': torch.tensor([[0, 2, 1, 1], [2, 1, 0, 0]]),
    'tokens': torch.tensor([[1, 0, 8], [4, 4, 0]]),
    'ints': torch.tensor([[7, -3, 2], [0, 5, -8]]),
    'ints2': torch.tensor([[2, 2, 3], [4, -2, 3]]),
    'counts': torch.tensor([0, 3, 3, 1, 5]),
    'special': torch.tensor([1.0, inf, -inf, float('nan')]),
}


def cases(t):
    a, b, p, img = t['a'], t['b'], t['p'], t['img']
    z = torch.zeros
    return {
        # making
        'zeros': lambda: z(2, 3, dtype=torch.int64),
        'ones': lambda: torch.ones(2),
        'full': lambda: torch.full((2, 2), 0.5),
        'full_int': lambda: torch.full((2,), 3),
        'arange': lambda: torch.arange(0, 10, 3),
        'arange_f': lambda: torch.arange(0.0, 1.0, 0.25),
        'linspace': lambda: torch.linspace(-1, 1, 5),
        'eye': lambda: torch.eye(3),
        'zeros_like': lambda: torch.zeros_like(t['ints']),
        'ones_like': lambda: torch.ones_like(a),
        'full_like': lambda: torch.full_like(a, 2.5),
        'one_hot': lambda: F.one_hot(t['target'], 7),
        'scalar': lambda: torch.tensor(1.5),
        'scalar_half': lambda: torch.tensor(1.5, dtype=torch.float16),
        # filling
        'zero_': lambda: a.detach().clone().zero_(),
        'fill_': lambda: a.detach().clone().fill_(2),
        'copy_': lambda: z(3, 4).copy_(b),
        # two tensors
        'add': lambda: a + b,
        'add_bcast': lambda: a + t['v'],
        'sub': lambda: a - b,
        'mul': lambda: a * b,
        'div': lambda: a / p,
        'add_scaled': lambda: torch.add(a, b, alpha=-0.5),
        'add_ints': lambda: torch.add(t['ints'], t['ints2'], alpha=2),
        'floor_divide': lambda: t['ints'] // t['ints2'],
        'remainder': lambda: torch.remainder(t['ints'], t['ints2']),
        'fmod': lambda: torch.fmod(t['ints'], t['ints2']),
        'pow': lambda: p ** b,
        'maximum': lambda: torch.maximum(a, b),
        'minimum': lambda: torch.minimum(a, b),
        'atan2': lambda: torch.atan2(a, b),
        'lerp': lambda: torch.lerp(a, b, 0.25),
        'addcmul': lambda: torch.addcmul(a, b, p, value=0.5),
        'addcdiv': lambda: torch.addcdiv(a, b, p, value=0.5),
        'add_': lambda: a.detach().clone().add_(b.detach()),
        'sub_': lambda: a.detach().clone().sub_(b.detach()),
        'mul_': lambda: a.detach().clone().mul_(b.detach()),
        'div_': lambda: a.detach().clone().div_(p.detach()),
        'add_scaled_': lambda: a.detach().clone().add_(b.detach(), alpha=0.3),
        'lerp_': lambda: a.detach().clone().lerp_(b.detach(), 0.3),
        'addcmul_': lambda: a.detach().clone().addcmul_(b.detach(), p.detach(), value=2),
        'addcdiv_': lambda: a.detach().clone().addcdiv_(b.detach(), p.detach(), value=2),
        # numbers
        'add_scalar': lambda: a + 1.5,
        'add_scalar_int': lambda: t['ints'] + 1,
        'add_scalar_promotes': lambda: t['ints'] + 1.5,
        'sub_scalar': lambda: a - 2,
        'rsub_scalar': lambda: 2 - a,
        'mul_scalar': lambda: a * 3,
        'div_scalar': lambda: a / 3,
        'div_scalar_int': lambda: t['ints'] / 2,
        'floor_divide_scalar': lambda: t['ints'] // 2,
        'remainder_scalar': lambda: t['ints'] % 3,
        'pow_scalar': lambda: a ** 2,
        'add_scalar_': lambda: a.detach().clone().add_(1),
        'sub_scalar_': lambda: a.detach().clone().sub_(1),
        'mul_scalar_': lambda: a.detach().clone().mul_(0.5),
        'div_scalar_': lambda: a.detach().clone().div_(4),
        'clamp': lambda: torch.clamp(a, min=-0.5, max=0.5),
        'clamp_min': lambda: torch.clamp(t['ints'], min=0),
        'clamp_': lambda: a.detach().clone().clamp_(max=0.1),
        # one tensor
        'abs': lambda: a.abs(), 'neg': lambda: -a, 'sign': lambda: a.sign(),
        'exp': lambda: a.exp(), 'expm1': lambda: a.expm1(), 'ln': lambda: p.log(),
        'log1p': lambda: p.log1p(), 'log2': lambda: p.log2(),
        'log10': lambda: p.log10(), 'sqrt': lambda: p.sqrt(),
        'rsqrt': lambda: p.rsqrt(), 'square': lambda: a.square(),
        'reciprocal': lambda: p.reciprocal(), 'sin': lambda: a.sin(),
        'cos': lambda: a.cos(), 'tan': lambda: t['u'].tan(), 'atan': lambda: a.atan(),
        'erf': lambda: a.erf(), 'erfinv': lambda: t['u'].erfinv(),
        'floor': lambda: a.floor(), 'ceil': lambda: a.ceil(),
        'round': lambda: a.round(), 'trunc': lambda: a.trunc(),
        'isnan': lambda: t['special'].isnan(), 'isinf': lambda: t['special'].isinf(),
        'isfinite': lambda: t['special'].isfinite(),
        'logical_not': lambda: t['mask'].logical_not(),
        'bitwise_not': lambda: ~t['ints'],
        'abs_': lambda: a.detach().clone().abs_(),
        'neg_': lambda: a.detach().clone().neg_(),
        'exp_': lambda: a.detach().clone().exp_(),
        'ln_': lambda: p.detach().clone().log_(),
        'sqrt_': lambda: p.detach().clone().sqrt_(),
        'rsqrt_': lambda: p.detach().clone().rsqrt_(),
        'reciprocal_': lambda: p.detach().clone().reciprocal_(),
        'erfinv_': lambda: t['u'].detach().clone().erfinv_(),
        'floor_': lambda: a.detach().clone().floor_(),
        'ceil_': lambda: a.detach().clone().ceil_(),
        'round_': lambda: a.detach().clone().round_(),
        # comparison
        'eq': lambda: t['ints'] == t['ints2'], 'ne': lambda: t['ints'] != t['ints2'],
        'lt': lambda: a < b, 'le': lambda: a <= b, 'gt': lambda: a > b,
        'ge': lambda: a >= b, 'eq_scalar': lambda: t['ints'] == 2,
        'ne_scalar': lambda: t['ints'] != 2, 'lt_scalar': lambda: a < 0.5,
        'le_scalar': lambda: a <= 0, 'gt_scalar': lambda: a > 0,
        'ge_scalar': lambda: a >= 0.5,
        'logical_and': lambda: torch.logical_and(t['mask'], t['mask2']),
        'logical_or': lambda: torch.logical_or(t['mask'], t['mask2']),
        'logical_xor': lambda: torch.logical_xor(t['mask'], t['mask2']),
        'bitwise_and': lambda: t['ints'] & t['ints2'],
        'bitwise_or': lambda: t['ints'] | t['ints2'],
        'where': lambda: torch.where(t['mask'], a, b),
        'masked_fill': lambda: a.masked_fill(t['mask'], -1.5),
        'masked_fill_': lambda: a.detach().clone().masked_fill_(t['mask'], 9),
        # reductions
        'sum': lambda: a.sum(), 'sum_dim': lambda: a.sum(1, keepdim=True),
        'sum_dims': lambda: img.sum((0, 2, 3)), 'sum_ints': lambda: t['ints'].sum(),
        'sum_f64': lambda: a.sum(dtype=torch.float64),
        'mean': lambda: a.mean(), 'mean_dims': lambda: img.mean((2, 3)),
        'amax': lambda: a.amax(1), 'amin': lambda: a.amin(),
        'logsumexp': lambda: a.logsumexp(1), 'any': lambda: t['mask'].any(),
        'any_dim': lambda: t['mask'].any(1), 'all': lambda: t['mask'].all(),
        'all_dim': lambda: t['mask'].all(0, keepdim=True),
        'var': lambda: a.var(), 'var_biased': lambda: a.var(1, unbiased=False),
        'std': lambda: a.std(0), 'norm': lambda: a.norm(),
        'norm_dim': lambda: torch.linalg.vector_norm(a, 1, 1, keepdim=True),
        'norm_inf': lambda: torch.linalg.vector_norm(a, inf),
        'prod': lambda: a.prod(), 'max': lambda: a.max(), 'min': lambda: a.min(),
        'max_dim': lambda: a.max(1)[0], 'max_dim_index': lambda: a.max(1)[1],
        'min_dim': lambda: a.min(0, keepdim=True)[0],
        'argmax': lambda: a.argmax(1), 'argmin': lambda: a.argmin(0),
        'cumsum': lambda: a.cumsum(1), 'cumprod': lambda: a.cumprod(0),
        'topk': lambda: a.topk(2, 1)[0], 'topk_index': lambda: a.topk(2, 1)[1],
        'sort': lambda: a.sort(1, descending=True)[0],
        'argsort': lambda: a.argsort(0),
        'median': lambda: a.median(1)[0],
        'unique': lambda: t['counts'].unique(),
        'unique_inverse': lambda: t['counts'].unique(return_inverse=True)[1],
        'unique_counts': lambda: t['counts'].unique(return_counts=True)[1],
        'bincount': lambda: t['counts'].bincount(minlength=8),
        'histc': lambda: a.detach().histc(4, -2, 2),
        'count_nonzero': lambda: t['ints'].count_nonzero(),
        'nonzero': lambda: t['ints'].nonzero(),
        # shapes
        'reshape': lambda: a.reshape(2, -1), 'view': lambda: a.view(12),
        'flatten': lambda: img.flatten(1), 'unflatten': lambda: a.unflatten(1, (2, 2)),
        'permute': lambda: img.permute(0, 2, 3, 1),
        'transpose': lambda: a.transpose(0, 1), 't': lambda: a.t(),
        'squeeze': lambda: a.unsqueeze(1).squeeze(1),
        'squeeze_all': lambda: a.unsqueeze(0).squeeze(),
        'unsqueeze': lambda: a.unsqueeze(-1),
        'expand': lambda: t['v'].expand(3, -1),
        'expand_as': lambda: t['v'].expand_as(a),
        'repeat': lambda: a.repeat(2, 1),
        'repeat_interleave': lambda: a.repeat_interleave(2, 1),
        'flip': lambda: a.flip(1), 'roll': lambda: a.roll((1, 2), (0, 1)),
        'tril': lambda: a.tril(), 'triu': lambda: a.triu(1),
        'diagonal': lambda: a.diagonal(1, 0, 1),
        'pad': lambda: F.pad(a, (1, 2), value=0.5),
        'pad_reflect': lambda: F.pad(img, (1, 1, 2, 2), mode='reflect'),
        'cat': lambda: torch.cat([a, b], 1), 'stack': lambda: torch.stack([a, b], 1),
        'split': lambda: a.split(3, 1)[1], 'split_sizes': lambda: a.split([1, 3], 1)[1],
        'chunk': lambda: a.chunk(2, 1)[1], 'unbind': lambda: a.unbind(0)[2],
        'meshgrid': lambda: torch.meshgrid(t['v'], t['r'], indexing='xy')[1],
        'select': lambda: a.select(1, -1), 'narrow': lambda: a.narrow(1, 1, 2),
        'slice': lambda: a[:, 1:], 'slice_end': lambda: a[:, :-1],
        'slice_step': lambda: a[::2],
        'index_select': lambda: a.index_select(0, t['idx']),
        'index': lambda: a[t['idx']], 'index_second': lambda: a[:, t['idx']],
        'index_mask': lambda: a[t['mask']],
        'index_put_': lambda: z(3, 4).index_put_((t['idx'],), b.detach()),
        'gather': lambda: a.gather(0, t['gidx']),
        'scatter': lambda: z(3, 4).scatter(0, t['gidx'], b.detach()[:2]),
        'scatter_': lambda: z(3, 4).scatter_(0, t['gidx'], b.detach()[:2]),
        'scatter_scalar_': lambda: z(3, 4).scatter_(0, t['gidx'], 2.0),
        'scatter_add': lambda: a.scatter_add(0, t['gidx'], b[:2]),
        'index_add_': lambda: z(3, 4).index_add_(0, t['idx'], b.detach()),
        'masked_select': lambda: a.masked_select(t['mask']),
        'to_half': lambda: a.to(torch.float16), 'cast': lambda: t['ints'].to(torch.float32),
        'contiguous': lambda: a.t().contiguous(), 'clone': lambda: a.clone(),
        'channels_last': lambda: img.contiguous(memory_format=torch.channels_last),
        'detach': lambda: a.detach(),
        # products
        'linear': lambda: F.linear(a, t['w'], t['r']),
        'linear_no_bias': lambda: F.linear(a, t['w']),
        'matmul': lambda: a @ t['c'], 'matmul_vec': lambda: a @ t['v'],
        'mm': lambda: a.mm(t['c']), 'bmm': lambda: t['bat1'].bmm(t['bat2']),
        'addmm': lambda: torch.addmm(t['r'], a, t['c'], beta=0.5, alpha=2),
        'outer': lambda: torch.outer(t['v'], t['r']),
        'einsum': lambda: torch.einsum('bij,bjk->bik', t['bat1'], t['bat2']),
        # convolution and pooling
        'conv1d': lambda: F.conv1d(t['seq'], t['k1'], stride=2, padding=1),
        'conv2d': lambda: F.conv2d(img, t['k2'], t['b8'], stride=2, padding=1),
        'conv2d_plain': lambda: F.conv2d(img, t['k2']),
        'conv2d_same': lambda: F.conv2d(img, t['k2'], padding='same'),
        'conv2d_groups': lambda: F.conv2d(img, t['k2g'], dilation=2, groups=2),
        'conv2d_uneven': lambda: F.conv2d(img, t['k2'], stride=(1, 2), padding=(0, 2)),
        'conv3d': lambda: F.conv3d(t['vol'], t['k3'], padding=(1, 0, 0)),
        'conv_transpose2d': lambda: F.conv_transpose2d(
            img, t['kt'], stride=2, padding=1, output_padding=1),
        'unfold2d': lambda: F.unfold(img, (2, 3), stride=2),
        'max_pool2d': lambda: F.max_pool2d(img, 2),
        'max_pool2d_all': lambda: F.max_pool2d(img, 3, 2, 1, ceil_mode=True),
        'avg_pool2d': lambda: F.avg_pool2d(img, 3, 2, 1),
        'avg_pool2d_nopad': lambda: F.avg_pool2d(img, 3, 2, 1, count_include_pad=False),
        'adaptive_avg_pool2d': lambda: F.adaptive_avg_pool2d(img, (2, 3)),
        'adaptive_max_pool2d': lambda: F.adaptive_max_pool2d(img, (2, 3)),
        'max_pool1d': lambda: F.max_pool1d(t['seq'], 3, 2),
        'avg_pool1d': lambda: F.avg_pool1d(t['seq'], 3),
        'adaptive_avg_pool1d': lambda: F.adaptive_avg_pool1d(t['seq'], 4),
        'adaptive_max_pool1d': lambda: F.adaptive_max_pool1d(t['seq'], 4),
        'max_pool3d': lambda: F.max_pool3d(t['vol'], 2),
        'avg_pool3d': lambda: F.avg_pool3d(t['vol'], 2, stride=1),
        'adaptive_avg_pool3d': lambda: F.adaptive_avg_pool3d(t['vol'], (1, 2, 3)),
        # normalisation
        'batch_norm': lambda: F.batch_norm(
            img, t['mean'].clone(), t['var'].clone(), t['gamma'], t['beta'], True, 0.1, 1e-5),
        'batch_norm_eval': lambda: F.batch_norm(
            img, t['mean'], t['var'], t['gamma'], t['beta'], False, 0.1, 1e-5),
        'layer_norm': lambda: F.layer_norm(a, (4,), t['gamma'], t['beta'], 1e-6),
        'group_norm': lambda: F.group_norm(img, 2, t['gamma'], t['beta'], 1e-5),
        'instance_norm': lambda: F.instance_norm(
            img, None, None, t['gamma'], t['beta'], True, 0.1, 1e-5),
        'normalize': lambda: F.normalize(a, 2.0, 1),
        'local_response_norm': lambda: F.local_response_norm(img, 3, 1e-2, 0.75, 1.0),
        'local_response_norm_3': lambda: F.local_response_norm(t['seq'], 2, 1e-2, 0.75, 2.0),
        # activations
        'relu': lambda: F.relu(a), 'relu_': lambda: a.detach().clone().relu_(),
        'relu6': lambda: F.relu6(a * 5), 'leaky_relu': lambda: F.leaky_relu(a, 0.1),
        'leaky_relu_': lambda: F.leaky_relu_(a.detach().clone(), 0.1),
        'prelu': lambda: F.prelu(img, t['gamma']), 'elu': lambda: F.elu(a, 0.7),
        'selu': lambda: F.selu(a), 'celu': lambda: F.celu(a, 0.7),
        'gelu': lambda: F.gelu(a), 'gelu_tanh': lambda: F.gelu(a, approximate='tanh'),
        'silu': lambda: F.silu(a), 'mish': lambda: F.mish(a),
        'sigmoid': lambda: a.sigmoid(), 'tanh': lambda: a.tanh(),
        'silu_': lambda: F.silu(a.detach().clone(), inplace=True),
        'sigmoid_': lambda: a.detach().clone().sigmoid_(),
        'tanh_': lambda: a.detach().clone().tanh_(),
        'hardswish': lambda: F.hardswish(a * 3),
        'hardswish_': lambda: F.hardswish(a.detach() * 3, inplace=True),
        'hardsigmoid': lambda: F.hardsigmoid(a * 3),
        'hardtanh': lambda: F.hardtanh(a, -0.5, 0.7),
        'softplus': lambda: F.softplus(a, 2, 1), 'softsign': lambda: F.softsign(a),
        'log_sigmoid': lambda: F.logsigmoid(a), 'glu': lambda: F.glu(a, 1),
        'softmax': lambda: a.softmax(1), 'log_softmax': lambda: a.log_softmax(-1),
        'dropout_eval': lambda: F.dropout(a, 0.5, False),
        # looking up, resampling, attention
        'embedding': lambda: F.embedding(t['tokens'], t['emb']),
        'embedding_padding': lambda: F.embedding(t['tokens'], t['emb'], padding_idx=-9),
        'interp_nearest': lambda: F.interpolate(img, scale_factor=1.5),
        'interp_nearest1': lambda: F.interpolate(t['seq'], 5),
        'interp_exact': lambda: F.interpolate(img, (4, 9), mode='nearest-exact'),
        'interp_linear': lambda: F.interpolate(t['seq'], 5, mode='linear'),
        'interp_bilinear': lambda: F.interpolate(img, (9, 4), mode='bilinear'),
        'interp_corners': lambda: F.interpolate(
            img, scale_factor=2, mode='bilinear', align_corners=True),
        'interp_bicubic': lambda: F.interpolate(img, (9, 4), mode='bicubic'),
        'interp_trilinear': lambda: F.interpolate(t['vol'], (3, 5, 6), mode='trilinear'),
        'interp_area': lambda: F.interpolate(img, scale_factor=0.5, mode='area'),
        'interp_antialias': lambda: F.interpolate(
            img, (3, 3), mode='bilinear', antialias=True),
        'grid_sample': lambda: F.grid_sample(img, t['grid'], align_corners=False),
        'grid_sample_border': lambda: F.grid_sample(
            img, t['grid'], mode='nearest', padding_mode='border', align_corners=True),
        'attention': lambda: F.scaled_dot_product_attention(t['q'], t['key'], t['val']),
        'attention_mask': lambda: F.scaled_dot_product_attention(
            t['q'], t['key'], t['val'], attn_mask=t['amask']),
        'attention_scale': lambda: F.scaled_dot_product_attention(
            t['q'], t['key'], t['val'], scale=0.3),
        'attention_causal': lambda: F.scaled_dot_product_attention(
            t['key'], t['key'], t['val'], is_causal=True),
        'pixel_shuffle': lambda: F.pixel_shuffle(img, 2),
        'pixel_unshuffle': lambda: F.pixel_unshuffle(img, 2),
        'channel_shuffle': lambda: F.channel_shuffle(img.detach(), 2),
        'cosine_similarity': lambda: F.cosine_similarity(a, b, 1),
        'cdist': lambda: torch.cdist(a, b),
        # losses
        'cross_entropy': lambda: F.cross_entropy(t['logits'], t['target']),
        'cross_entropy_all': lambda: F.cross_entropy(
            t['logits'], t['target'], t['cw'].detach(), ignore_index=3, label_smoothing=0.1),
        'cross_entropy_sum': lambda: F.cross_entropy(
            t['logits'], t['target'], reduction='sum'),
        'cross_entropy_none': lambda: F.cross_entropy(
            t['logits'], t['target_ignore'], reduction='none'),
        'cross_entropy_soft': lambda: F.cross_entropy(t['logits'], t['probs'].detach()),
        'nll_loss': lambda: F.nll_loss(t['logits'].log_softmax(1), t['target'], t['cw'].detach()),
        'bce_loss': lambda: F.binary_cross_entropy(t['u'], t['mask'].float()),
        'bce_with_logits': lambda: F.binary_cross_entropy_with_logits(
            a, t['mask'].float(), pos_weight=t['gamma'].detach()),
        'bce_with_logits_sum': lambda: F.binary_cross_entropy_with_logits(
            a, t['mask'].float(), weight=p.detach(), reduction='sum'),
        'mse_loss': lambda: F.mse_loss(a, b),
        'mse_loss_none': lambda: F.mse_loss(a, b, reduction='none'),
        'l1_loss': lambda: F.l1_loss(a, b),
        'smooth_l1_loss': lambda: F.smooth_l1_loss(a, b, beta=0.5),
        'huber_loss': lambda: F.huber_loss(a, b, delta=0.7, reduction='sum'),
        'kl_div': lambda: F.kl_div(t['logits'].log_softmax(1), t['probs'].detach(),
                                   reduction='sum'),
    }


def record(file, name, numbers):
    file.write(f'{name} f32 {len(numbers)}\n'.encode())
    file.write(struct.pack(f'<{len(numbers)}f', *numbers))


def put(file, name, x):
    record(file, name, x.detach().to(torch.float32).contiguous().flatten().tolist())
    record(file, name + '.sizes', list(x.shape))


def main():
    os.makedirs(OUT, exist_ok=True)
    with open(OUT + '/ops.bin', 'wb') as file:
        for name, x in {**floats, **others}.items():
            put(file, 'in.' + name, x)
            record(file, f'in.{name}.dtype', [DTYPES[x.dtype]])
        names = list(cases({**floats, **others}))
        for name in names:
            t = {k: v.clone().requires_grad_() for k, v in floats.items()}
            t.update({k: v.clone() for k, v in others.items()})
            y = cases(t)[name]()
            put(file, name, y)
            record(file, name + '.dtype', [DTYPES[y.dtype]])
            if y.requires_grad:
                y.float().sum().backward()
                for k in floats:
                    if t[k].grad is not None:
                        put(file, f'{name}.grad_{k}', t[k].grad)
    with open(OUT + '/provenance.txt', 'w') as file:
        file.write(f'ops.bin: {len(names)} cases by tools/golden/tensor_ops.py, '
                   f'torch {torch.__version__}, Python {platform.python_version()}, '
                   f'seed {SEED}, one thread.\n'
                   'Compared within 1e-5 relative plus 1e-5 absolute: releases and '
                   'instruction sets round differently. Sizes and dtypes are exact.\n')
    print(len(names), 'cases')


main()
