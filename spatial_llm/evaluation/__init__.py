"""From a model and questions to scores: `predicting` needs the model, `scoring` and `report` need only its answers."""
