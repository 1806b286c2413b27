"""A small transformer on tokens with a mask: a mapping as a batch, a mapping as an answer."""

import torch
from torch import nn


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(30, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(16, 4)

    def forward(self, input_ids, attention_mask, labels):
        hidden = self.encoder(self.embed(input_ids), src_key_padding_mask=attention_mask == 0)
        logits = self.head(hidden)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return {"loss": loss, "logits": logits}


def make_model():
    return Tagger()


def make_batches():
    mask = torch.ones(4, 7, dtype=torch.long)
    mask[1, 5:] = 0
    return [
        {
            "input_ids": torch.randint(1, 30, (4, 7)),
            "attention_mask": mask,
            "labels": torch.randint(0, 4, (4, 7)),
        }
        for _ in range(3)
    ]
