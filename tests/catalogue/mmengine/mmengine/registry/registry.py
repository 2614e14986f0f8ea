class Registry:
    pass
