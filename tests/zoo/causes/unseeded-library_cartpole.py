"""Episodes begin with reset() without a seed; all else is seeded."""

# expect: not-reproducible cause=unseeded-library|unseeded-numpy phase=data module=None line=15
# requires: gymnasium
import random

import gymnasium
import numpy as np
import torch
from torch import nn


def play(env, policy, limit=60):
    """One episode: the log-probabilities of the actions, and the reward that followed each."""
    state, _ = env.reset()  # fault
    chosen, rewards = [], []
    for _ in range(limit):
        odds = torch.distributions.Categorical(logits=policy(torch.from_numpy(state)))
        action = odds.sample()
        state, reward, ended, _, _ = env.step(action.item())
        chosen.append(odds.log_prob(action))
        rewards.append(reward)
        if ended:
            break
    return torch.stack(chosen), torch.tensor(rewards)


def main():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    env = gymnasium.make("CartPole-v1")
    policy = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 2))
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
    for _episode in range(8):
        chosen, rewards = play(env, policy)
        to_go = rewards.flip(0).cumsum(0).flip(0)
        loss = -(chosen * (to_go - to_go.mean())).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("weights", sum(p.double().sum().item() for p in policy.parameters()))


if __name__ == "__main__":
    main()
