# The workflow with its locked packages. Build and run from a checkout:
#   docker build --tag aiha-neuroimmune .
#   docker run --rm --volume "$PWD/run:/analysis" aiha-neuroimmune --cores 2
# The folder /analysis keeps config/, resources/ and results/.
FROM python:3.12-slim

# make, and a compiler for packages of the lock that have no wheel on some machines.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/aiha-neuroimmune
COPY requirements.lock .
RUN python -m pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY . .

# Snakemake and matplotlib keep small files in the home of whoever runs the container.
ENV HOME=/tmp
WORKDIR /analysis
ENTRYPOINT ["snakemake", "--snakefile", "/opt/aiha-neuroimmune/Snakefile"]
CMD ["--cores", "2"]
