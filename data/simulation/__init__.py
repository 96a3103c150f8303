"""The parts of the simulated help desk. `data.simulate` puts them together."""
