"""The sandbox cluster itself, the demo on it, and the doctor, who needs clusters to break."""
