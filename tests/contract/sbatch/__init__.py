"""The real sbatch reads our directives as we believe; no cluster is needed for that."""
