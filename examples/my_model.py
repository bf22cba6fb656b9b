"""A model from outside of the package: a transformer of torch's own layers that reads an image row by row."""

from torch import Tensor, nn

from dst_repro import open_parameters
from dst_repro.registry import Params, models


class RowTransformer(nn.Module):
    """Rows of an image (b, channels, h, w) as tokens, through one encoder layer; their mean to a linear layer."""

    def __init__(self, numbers: int, units: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.Linear(numbers, units)
        self.encoder = nn.TransformerEncoderLayer(units, nhead=4, dim_feedforward=2 * units, batch_first=True)
        self.fc = nn.Linear(units, classes)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.transpose(1, 2).flatten(2)
        found: Tensor = self.fc(self.encoder(self.embed(rows)).mean(1))
        return found


class RowTransformerParams(Params):
    units: int = 64
    """Numbers of a token."""


@models.register("row-transformer", RowTransformerParams)
def row_transformer(shape: tuple[int, ...], classes: int, params: RowTransformerParams) -> nn.Module:
    """Row transformer: 40,330 parameters on 3x32x32, 39,552 of them weights"""
    channels, _, width = shape
    network = RowTransformer(channels * width, params.units, classes)
    open_parameters(network)  # so that methods mask the weights of queries, keys and values, too
    return network
