"""What the engines and the command line share: jobs, their requests and manifests, and how one job is run."""
