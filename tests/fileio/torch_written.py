"""Loads a container that test_pth.c wrote: with weights_only=True, read and mapped, the sums
checked by zipfile, every record at a multiple of 64. Usage: torch_written.py FILE"""
import sys
import zipfile

import torch


def check_archive(path):
    with zipfile.ZipFile(path) as archive, open(path, 'rb') as file:
        for info in archive.infolist():
            file.seek(info.header_offset)
            header = file.read(30)
            name, extra = (int.from_bytes(header[i:i + 2], 'little') for i in (26, 28))
            assert (info.header_offset + 30 + name + extra) % 64 == 0, info.filename
            assert int.from_bytes(header[14:18], 'little') == info.CRC, info.filename
        assert archive.testzip() is None


def check_content(content):
    whole = torch.arange(100000, dtype=torch.float32) / 2
    assert torch.equal(content['whole'], whole)
    assert torch.equal(content['part'], whole.as_strided((10, 3), (5, 2), 7))
    base = content['whole'].untyped_storage().data_ptr()
    assert content['part'].untyped_storage().data_ptr() == base
    assert content['bytes'].untyped_storage().data_ptr() != base
    assert content['bytes'].dtype == torch.uint8 and content['bytes'].tolist() == [1, 2, 255]
    assert content['empty'].shape == (0, 4) and content['empty'].dtype == torch.float64
    assert isinstance(content['param'], torch.nn.Parameter) and content['param'].requires_grad
    assert content['param'].tolist() == [0.5, -1.0]
    assert content['list'] == [1, 2.5, 'x', None, True, (1, 2)]
    if 'big' in content:
        assert content['big'].numel() == 4400000000 and content['big'][-1] == 7
        assert content['behind'].tolist() == [3.0, 4.0]


def main(path):
    check_archive(path)
    for mmap in (False, True):
        check_content(torch.load(path, weights_only=True, mmap=mmap))


main(sys.argv[1])
