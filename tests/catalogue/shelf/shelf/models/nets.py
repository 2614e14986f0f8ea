try:
    from shelf.registry import CODECS, HEADS, MODELS, TRANSFORMS
except ImportError:
    MODELS = None


class Board:
    pass


class Plank(Board):
    pass


class Loose:
    pass


@MODELS.register_module()
class Case(Board):
    size = 1


@HEADS.register_module(name=['Top', 'Lid'], force=True)
class Cover:
    pass


@MODELS.register_module('Twin')
@CODECS.register_module()
class Both:
    pass


def register_late():
    from shelf.models.extra import Late

    TRANSFORMS.register_module(name='Late', module=Late)


TRANSFORMS.register_module()(Loose)


def helper():
    pass


def _hidden():
    pass
