"""What Slurm does when it is asked through `SlurmCluster`: the same on the sandbox cluster and on the simulation's."""
