"""The digits data of scikit-learn and a small classifier for it, for training and serving alike."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

SEED = 7


def make_network(hidden: int = 64) -> nn.Module:
    """Builds the untrained classifier: 64 pixels in, 10 logits out."""
    return nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Dropout(0.1), nn.Linear(hidden, 10))


def split() -> tuple[TensorDataset, TensorDataset]:
    """Returns training and test set: float32 images of shape (64,) within 0..1 and int64 labels."""
    data = load_digits()
    parts = train_test_split(
        data.data / 16.0,
        data.target,
        test_size=0.25,
        random_state=SEED,
        stratify=data.target,
    )
    x_train, x_test, y_train, y_test = parts
    return (
        TensorDataset(torch.tensor(x_train, dtype=torch.float32), torch.tensor(y_train)),
        TensorDataset(torch.tensor(x_test, dtype=torch.float32), torch.tensor(y_test)),
    )


def accuracy(network: nn.Module, dataset: TensorDataset) -> float:
    """Share of right answers, 0..1."""
    images, labels = dataset.tensors
    network.eval()
    with torch.no_grad():
        return float((network(images).argmax(dim=1) == labels).float().mean())


class DigitsTask(pl.LightningModule):
    """Trains the classifier; logs loss and accuracy through whatever logger the trainer has."""

    def __init__(self, hidden: int = 64, lr: float = 2e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = make_network(hidden)
        self.lr = lr

    def training_step(self, batch: list[torch.Tensor], batch_index: int) -> torch.Tensor:
        images, labels = batch
        logits = self.network(images)
        loss = nn.functional.cross_entropy(logits, labels)
        self.log("train/loss", loss)
        self.log("train/accuracy", (logits.argmax(dim=1) == labels).float().mean())
        return loss

    def validation_step(self, batch: list[torch.Tensor], batch_index: int) -> None:
        images, labels = batch
        logits = self.network(images)
        self.log("val/loss", nn.functional.cross_entropy(logits, labels))
        self.log("val/accuracy", (logits.argmax(dim=1) == labels).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


def loaders() -> tuple[DataLoader[object], DataLoader[object]]:
    """Returns the loaders of training and test set."""
    train, test = split()
    return DataLoader(train, batch_size=32, shuffle=True), DataLoader(test, batch_size=256)
