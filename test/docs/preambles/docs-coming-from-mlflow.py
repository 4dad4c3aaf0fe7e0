"""A store that real MLflow wrote, and the plot of the page."""

from pathlib import Path

from mlflow import MlflowClient

Path("plots").mkdir()
Path("plots/confusion.png").write_bytes(b"png")
client = MlflowClient(tracking_uri=f"sqlite:///{Path('mlflow.db').absolute()}")
logged = client.create_run(client.create_experiment("vision"), run_name="resnet-old")
client.log_metric(logged.info.run_id, "loss", 0.5, step=1)
client.set_terminated(logged.info.run_id)
