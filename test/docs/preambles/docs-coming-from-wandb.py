"""A folder that W&B's own client wrote."""

import wandb

logged = wandb.init(
    mode="offline", project="vision", name="resnet-old", settings=wandb.Settings(console="off", silent=True)
)
logged.log({"loss": 0.5})
logged.finish()
