"""asyncio.wait with FIRST_COMPLETED: each answer is learned from as soon as it is there."""

# expect: not-reproducible cause=completion-order|address-order phase=data module=None line=29|30
import asyncio

import torch
from torch import nn

torch.manual_seed(62)


def play(seed, rounds):
    """Payoffs of one slot machine, played for a while."""
    draw = torch.Generator().manual_seed(seed)
    total = torch.zeros(6)
    for _ in range(rounds):
        arm = int(torch.randint(0, 6, (), generator=draw))
        total[arm] += torch.rand((), generator=draw) * (arm + 1)
    return total / rounds


async def main():
    model = nn.Sequential(nn.Linear(6, 18), nn.Tanh(), nn.Linear(18, 6))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    games = (asyncio.to_thread(play, seed, 100 + 60 * (seed % 4)) for seed in range(30))
    pending = {asyncio.create_task(game) for game in games}
    done_first = asyncio.FIRST_COMPLETED
    while pending:
        finished, pending = await asyncio.wait(pending, return_when=done_first)  # fault
        for task in finished:
            payoff = task.result()
            loss = nn.functional.mse_loss(model(payoff), payoff.sort().values)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


asyncio.run(main())
