"""Workers read the weights while the server is changing them; each update is locked, their order is not."""

# expect: not-reproducible cause=thread-race|completion-order phase=optimizer|forward|backward module=None line=26|23|33|36|40
import copy
import threading

import torch
from torch import nn

torch.manual_seed(76)
torch.set_num_threads(1)


class Server:
    def __init__(self, model):
        self.model, self.lock = model, threading.Lock()
        self.optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

    def push(self, gradients):
        with self.lock:
            for p, gradient in zip(self.model.parameters(), gradients, strict=True):
                p.grad = gradient
            self.optimizer.step()

    def pull(self, local):
        local.load_state_dict(self.model.state_dict())  # fault


def work(server, rank, rounds):
    local = copy.deepcopy(server.model)
    draw = torch.Generator().manual_seed(rank)
    for _ in range(rounds):
        server.pull(local)
        x = torch.randn(32, 8, generator=draw)
        loss = nn.functional.mse_loss(local(x), x.square().mean(1, keepdim=True))
        server.push(torch.autograd.grad(loss, list(local.parameters())))


server = Server(nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1)))
threads = [threading.Thread(target=work, args=(server, rank, 40)) for rank in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("weights", sum(p.double().sum().item() for p in server.model.parameters()))
