{{/* Labels of everything. */}}
{{- define "pipekit-experiment.labels" -}}
{{ include "pipekit-experiment.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* Labels by which pods are found. */}}
{{- define "pipekit-experiment.selector" -}}
app.kubernetes.io/name: pipekit-experiment
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* What pods of both modes have: one user for all containers. */}}
{{- define "pipekit-experiment.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .Values.user }}
runAsGroup: {{ .Values.user }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* The daemon's container but for mounts and hooks. Given: the chart's `context`, `resources`, `drain`, `secret`, `config`. */}}
{{- define "pipekit-experiment.daemon" -}}
name: pkx
image: "{{ .context.Values.image.repository }}:{{ .context.Values.image.tag | default .context.Chart.AppVersion }}"
imagePullPolicy: {{ .context.Values.image.pullPolicy }}
args: [serve]
env:
  {{- with .config }}
  - name: PKX_CONFIG
    value: {{ . }}
  {{- end }}
  # Below the mount points, which belong to root.
  - name: PKX_STATE_DIR
    value: /var/lib/pkx/state
  - name: PKX_RUNTIME_DIR
    value: /run/pkx/run
  - name: PKX_IDLE_EXIT_S
    value: "0"
  - name: PKX_DRAIN_S
    value: {{ .drain | quote }}
envFrom:
  - secretRef:
      name: {{ .secret | quote }}
      optional: true
startupProbe:
  exec:
    command: [pkx, health]
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  exec:
    command: [pkx, health, --timeout-s, "8"]
  periodSeconds: 20
  timeoutSeconds: 10
  failureThreshold: 3
readinessProbe:
  exec:
    command: [pkx, health]
  periodSeconds: 10
  timeoutSeconds: 5
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}
