import torch
from torch import nn

from spatial_llm.training.engine.trainable import format_what_trains, freeze, state_hash, what_trains


def toy() -> nn.Module:
    model = nn.Module()
    model.encoder = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    model.projector = nn.Linear(4, 2)
    return model


def test_table_counts_every_parameter_once() -> None:
    model = toy()
    freeze(model.encoder)
    rows = what_trains(model)
    assert rows == [("encoder", "frozen", 4, 24), ("projector", "trains", 2, 10)]
    table = format_what_trains(rows)
    assert "24" in table and "projector" in table and table.count("frozen") == 2


def test_state_hash_sees_parameters_and_running_statistics() -> None:
    model = freeze(toy())
    before = state_hash(model)
    model.encoder(torch.randn(8, 3))
    assert state_hash(model) == before, "eval mode leaves BatchNorm alone"
    model.train()
    model.encoder(torch.randn(8, 3))
    assert state_hash(model) != before, "running statistics are part of the hash"
    model = freeze(toy())
    before = state_hash(model)
    with torch.no_grad():
        model.projector.bias[0] += 1e-6
    assert state_hash(model) != before
