"""BenchImages for Python's MMEngine: see bench_images.c."""
import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

COUNT, SIDE, CHANNELS, CLASSES = 16, 224, 3, 1000


@DATASETS.register_module()
class BenchImages(BaseDataset):

    def load_data_list(self):
        numbers = np.arange(SIDE * SIDE * CHANNELS, dtype=np.uint32) * np.uint32(2654435761)
        return [
            dict(img=((numbers + np.uint32(i * 40503)) >> np.uint32(24)).astype(np.uint8).reshape(
                SIDE, SIDE, CHANNELS), gt_label=i * 61 % CLASSES) for i in range(COUNT)
        ]
