"""What an architecture is: description, graph, cost, torch module, spaces, scaling and the reference networks."""
