"""A folder of event files that torch wrote."""

from torch.utils.tensorboard import SummaryWriter

writer = SummaryWriter("runs/resnet-old")
writer.add_scalar("train/loss", 0.5, 1)
writer.close()
