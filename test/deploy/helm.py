"""Helm's own code on the chart: helm.py CHART, with a list of values on standard input.

Prints what lint says, and for each values the manifests, or {"error": ...} where Helm refuses them.
"""

import json
import sys

from helm_python.chart import Chart, lint
from helm_python.errors import HelmError

chart = sys.argv[1]
results = []
with Chart.load(chart) as loaded:
    for values in json.load(sys.stdin):
        try:
            loaded.validate_schema(values)
            rendered = loaded.render(values=values, name="pkx", namespace="experiments")
        except HelmError as error:
            results.append({"error": str(error)})
        else:
            results.append({"manifests": rendered})
print(json.dumps({"lint": lint(chart, strict=True), "results": results}))
