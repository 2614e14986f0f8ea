model = dict(backbone=dict(frozen=true))
