"""What autograd recorded: the graph, its operations and what each of them kept."""
