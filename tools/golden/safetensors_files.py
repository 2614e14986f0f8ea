"""Makes tests/golden/fileio/tensors.safetensors and its listing with the `safetensors`
package, so that reading and writing are tested where there is no Python; and two files of
torch.save that must not be taken for plain tensors.

Usage: safetensors_files.py FOLDER, the folder tests/golden/fileio.
Made with safetensors 0.8.0, torch 2.13.0. Values are exact; no tolerance."""
import os
import sys

import torch
from safetensors.torch import save_file


def main():
    folder = sys.argv[1]
    torch.manual_seed(0)
    tensors = {
        'z.weight': torch.arange(12, dtype=torch.float32).reshape(3, 4),
        'a.bias': torch.tensor([1.5, -2.0], dtype=torch.float64),
        'half': torch.tensor([1.0, 65504.0, 6e-8], dtype=torch.float16),
        'brain': torch.tensor([1.0, -3.0], dtype=torch.bfloat16),
        'count': torch.tensor(7),
        'flags': torch.tensor([True, False, True]),
        'bytes': torch.tensor([0, 255], dtype=torch.uint8),
        'small': torch.tensor([-128, 127], dtype=torch.int8),
        'short': torch.tensor([-3], dtype=torch.int16),
        'int': torch.tensor([2**31 - 1], dtype=torch.int32),
        'complex': torch.tensor([1 + 2j], dtype=torch.complex64),
        'empty': torch.zeros(0, 3),
        'größe "x"': torch.tensor([3.0]),
    }
    save_file(tensors, os.path.join(folder, 'tensors.safetensors'),
              metadata={'format': 'pt'})
    torch.save(tensors, os.path.join(folder, 'tensors.pth'))
    t = torch.arange(2.)
    torch.save({'x': torch.complex(t, t).conj()}, os.path.join(folder, 'conjugate.pth'))
    torch.save({'x': torch.nn.Flatten()}, os.path.join(folder, 'legacy_module.pth'),
               _use_new_zipfile_serialization=False)


main()
