"""The model that is trained: a reduced DLRM in plain PyTorch."""
