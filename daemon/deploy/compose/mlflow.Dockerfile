# An MLflow server, and what makes certificates, from the package index.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm
FROM ${PYTHON_IMAGE}
ARG MLFLOW_VERSION=3.17.2
RUN pip install --no-cache-dir "mlflow==${MLFLOW_VERSION}" "cryptography>=42" \
    && groupadd --gid 10001 pkx \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin pkx \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/mlflow /proofs
COPY make-proofs.py /opt/make-proofs.py
USER 10001:10001
