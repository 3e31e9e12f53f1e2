"""Looking at tensors and graphs: printing, pictures, memory and time."""
