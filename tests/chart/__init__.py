"""The chart and the image's Dockerfile, judged by what others use: Helm, Kubernetes' schemas, promtool, hadolint."""
