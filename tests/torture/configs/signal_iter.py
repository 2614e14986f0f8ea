# A run that sends signals to itself.
_base_ = 'iter.py'
custom_imports = dict(imports=['signal_hook'])
custom_hooks = [_base_.early_stopping, dict(type='SignalHook')]
