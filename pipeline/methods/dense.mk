# Nothing is pruned: what the other methods are compared with, and what some of them prune.

NAME = dense
