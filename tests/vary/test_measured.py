"""An axis that may round otherwise, from the runs to the answer."""

from __future__ import annotations

from detaudit.model.result import Verdict
from detaudit.report.terminal import text_of

CONVNET = """
    import torch
    from torch import nn

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(32, 8)

        def forward(self, x):
            return self.linear(x) * {scale}

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), Scaled()
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        x = torch.randn(8, 3, 12, 12)
        with torch.autocast("cpu", torch.bfloat16, enabled={autocast}):
            loss = model(x).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""


def test_rounding_is_measured_and_named_a_setting(vary):
    """Without oneDNN a convolution rounds otherwise: other bits, the operator, no wrong layer, the growth."""
    result = vary(CONVNET.format(scale=0.5, autocast=False), "mkldnn=on,off")

    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    (finding,) = result.findings
    assert (finding.cause, finding.confirmed) == ("numeric-setting", True)
    assert "by rounding alone" in finding.message
    (variation,) = result.varied
    assert variation.operators[0].operator.startswith("aten.convolution")
    assert variation.operators[0].module == "0"
    assert variation.layers
    assert not any(layer.flagged for layer in variation.layers)
    assert [growth.step for growth in variation.growth] == [0, 1, 2]
    assert all(0 < growth.weights < 1e-5 for growth in variation.growth)
    assert text_of(result).startswith("OTHER BITS")


def test_a_wrong_layer_is_told_from_rounding(vary):
    """A layer that forgets its scale on one side is found by name and line; rounding is not blamed."""
    scale = "(0.5 if torch.backends.mkldnn.enabled else 1.0)"
    result = vary(CONVNET.format(scale=scale, autocast=True), "mkldnn=on,off", tolerance=1.0)

    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    (finding,) = result.findings
    assert (finding.id, finding.cause) == ("wrong-layer", None)
    assert (finding.origin.module, finding.symbol) == ("4", "Scaled")
    assert (finding.site.function, finding.site.code) == ("Scaled.forward", "def forward(self, x):")
    assert "torch.autocast computes in bfloat16 on cpu, in both runs" in result.varied[0].named
    assert {layer.module for layer in result.varied[0].layers if layer.flagged} == {"4"}
