"""What an architecture is: description, graph, cost, module, spaces, scaling and the reference networks."""
