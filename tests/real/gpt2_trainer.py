"""A tiny GPT-2 with random weights, trained by transformers.Trainer on made-up tokens."""

# expect: reproducible
# alone: true
# requires: transformers accelerate
import os
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
from torch.utils.data import Dataset  # noqa: E402
from transformers import (  # noqa: E402
    GPT2Config,
    GPT2LMHeadModel,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)


class Tokens(Dataset):
    def __init__(self, rows=40, length=16, words=64):
        draw = torch.Generator().manual_seed(5)
        start = torch.randint(0, words, (rows, 1), generator=draw)
        self.ids = (start + 3 * torch.arange(length)) % words

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        return {"input_ids": self.ids[index], "labels": self.ids[index]}


def main():
    set_seed(11)
    config = GPT2Config(
        vocab_size=64, n_positions=16, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    model = GPT2LMHeadModel(config)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=5,
            per_device_train_batch_size=8,
            learning_rate=1e-3,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            seed=11,
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=Tokens())
        # It prints how long the training took, which no two runs have in common.
        trainer.remove_callback(PrinterCallback)
        result = trainer.train()
    print("final loss", result.training_loss)
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
