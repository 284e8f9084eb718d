"""Components that are torch's own classes; their fields come from their signature."""

EXTERNAL = {
    "optimizer/adadelta": "torch.optim:Adadelta",
    "optimizer/adagrad": "torch.optim:Adagrad",
    "optimizer/adam": "torch.optim:Adam",
    "optimizer/adamax": "torch.optim:Adamax",
    "optimizer/adamw": "torch.optim:AdamW",
    "optimizer/asgd": "torch.optim:ASGD",
    "optimizer/nadam": "torch.optim:NAdam",
    "optimizer/radam": "torch.optim:RAdam",
    "optimizer/rmsprop": "torch.optim:RMSprop",
    "optimizer/rprop": "torch.optim:Rprop",
    "optimizer/sgd": "torch.optim:SGD",
    "lr_scheduler/cosine_annealing": "torch.optim.lr_scheduler:CosineAnnealingLR",
    "lr_scheduler/exponential": "torch.optim.lr_scheduler:ExponentialLR",
    "lr_scheduler/multistep": "torch.optim.lr_scheduler:MultiStepLR",
    "lr_scheduler/plateau": "torch.optim.lr_scheduler:ReduceLROnPlateau",
    "lr_scheduler/step": "torch.optim.lr_scheduler:StepLR",
}
"""Paths by `group/name`. Optimisers are called with the parameter groups first; learning-rate
schedulers with the optimiser, and stepped once an epoch (`plateau` with the monitored value)."""

PACKAGES = ("torch",)
"""Distributions whose version decides what these classes do."""
