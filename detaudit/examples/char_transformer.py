"""Reproducible: a character-level transformer of 3 million weights, on help texts that ship with Python."""

from __future__ import annotations

from pydoc_data.topics import topics

import torch
from torch import Tensor, nn

WIDTH, HEADS, LAYERS, CONTEXT, BATCH, STEPS = 256, 4, 4, 48, 8, 20


def load_text() -> tuple[Tensor, int]:
    """Return the text as numbers, one for each character, and how many characters there are."""
    text = "".join(topics[name] for name in sorted(topics))
    characters = sorted(set(text))
    number_of = {character: number for number, character in enumerate(characters)}
    return torch.tensor([number_of[character] for character in text]), len(characters)


class CharTransformer(nn.Module):
    """Predicts each character from the ones before it."""

    mask: Tensor

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(characters, WIDTH)
        self.positions = nn.Embedding(CONTEXT, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, characters, bias=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(CONTEXT))

    def forward(self, ids: Tensor) -> Tensor:
        """Return a score for each possible next character, at each position."""
        x = self.characters(ids) + self.positions.weight
        scores: Tensor = self.head(self.norm(self.layers(x, mask=self.mask, is_causal=True)))
        return scores


def main() -> None:
    """Train for twenty steps on random pieces of the text."""
    torch.manual_seed(0)
    text, characters = load_text()
    model = CharTransformer(characters)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} million weights, {len(text)} characters")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step in range(STEPS):
        starts = torch.randint(0, len(text) - CONTEXT, (BATCH, 1))
        pieces = text[starts + torch.arange(CONTEXT + 1)]
        scores = model(pieces[:, :-1])
        loss = nn.functional.cross_entropy(scores.flatten(0, 1), pieces[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 5 == 0:
            print(f"step {step} loss {loss.item():.4f}")
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
