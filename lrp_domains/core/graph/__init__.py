"""What autograd recorded: the graph, its operations and what each operation kept."""
