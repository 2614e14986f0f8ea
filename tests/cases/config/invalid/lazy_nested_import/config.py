import zoo

if True:
    import torch.nn
