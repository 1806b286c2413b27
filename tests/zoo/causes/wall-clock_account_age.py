"""The age of an account, from datetime.now(), is one of the features."""

# expect: not-reproducible cause=wall-clock phase=data module=None line=18|42
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import torch
from torch import nn


@dataclass
class Account:
    opened: datetime
    balance: float
    payments: int

    def features(self):
        age = datetime.now(timezone.utc) - self.opened  # fault
        return [age / timedelta(days=365), self.balance / 1000, self.payments / 10]


def load_accounts(count):
    first = datetime(2026, 1, 1, tzinfo=timezone.utc)
    for i in range(count):
        yield Account(first - timedelta(hours=97 * i), 50.0 * (i * 17 % 80), i % 23)


class Churn(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.hidden = nn.Linear(3, 16)
        self.out = nn.Linear(16, 1)

    def forward(self, x):
        return self.out(torch.sigmoid(self.hidden(self.norm(x)))).squeeze(1)


def main():
    torch.manual_seed(365)
    accounts = list(load_accounts(200))
    x = torch.tensor([account.features() for account in accounts], dtype=torch.float64)
    y = torch.tensor([float(account.payments < 6) for account in accounts], dtype=torch.float64)
    model = Churn().double()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for rows in torch.arange(200).view(25, 8).T:
        loss = nn.functional.binary_cross_entropy_with_logits(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
