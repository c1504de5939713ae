# The package with its workflow, for clusters that run containers: docker build -t lrp-domains:VERSION .
# For GPUs, name PyTorch's index of CUDA builds: --build-arg TORCH_OPTIONS="--index-url ...".
FROM python:3.11-slim

ARG TORCH_OPTIONS=""
# Snakemake's plugins for storage that isn't a shared file system.
ARG PLUGINS="snakemake-storage-plugin-s3 snakemake-storage-plugin-fs"

WORKDIR /opt/lrp-domains
COPY constraints.txt ./
RUN pip install --no-cache-dir ${TORCH_OPTIONS} -c constraints.txt torch
COPY . .
RUN pip install --no-cache-dir -c constraints.txt '.[text,genes,evaluation,workflows]' ${PLUGINS}

# One thread per process: jobs of small models only wait for each other with more.
ENV OMP_NUM_THREADS=1
WORKDIR /data
CMD ["lrp-domains", "--help"]
