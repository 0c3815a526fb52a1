"""Model and questions in, scores out: `predicting` needs the model, `scoring` and `report` need its answers only."""
